"""The differences between the contest's rules and its scoring scripts, numbered.

Mode `official` reproduces them, each with a Note that bears its number; mode `strict` follows the rules.
"""

from __future__ import annotations

DIFFERENCES_PAGE = "evaluation/metrics/DIFFERENCES.md"
"""The page that explains them, relative to the repository's root."""

DEFECTS: dict[int, str] = {
    1: "an exception: TextQA and MathQA become 0 as a whole, the other tasks invalidate the attempt",
    2: "an answer without items: the answer of the sample before counts again; VisualQA, captioning 0",
    3: "a missing or surplus id invalidates the attempt",
    4: "a ground truth that is one item, not a list of items, raises",
    5: "a reference that is a bare string: its characters become the references",
    6: "the text is compared without the normalisation that the rules name",
    7: "only ASCII punctuation is removed, and without leaving a space",
    8: "numbers are compared as strings whose marks were deleted",
    9: "only the numerals from 0 to 10 become digits",
    10: "the first Latin letter from a to e replaces an answer that scored low",
    11: "the whole string is lemmatised as if it were one word",
    12: "numbers are compared only where the reference is one number, without sign and comma",
    13: "captioning has a penalty for fragmentation that the formula of the rules has not",
    14: "words are aligned greedily from the end",
    15: "synonyms are hypernym titles and derivations, one way, looked up by stem",
    16: "the English stemmer is used on Russian words",
    17: "generation reads the picture at the second place only",
    18: "items are taken from fixed places, or from the sample before",
    19: "negative cosines are kept, and an error becomes 0",
    20: "the numbers of picture files are compared, not ids; .PNG is skipped",
    21: "the thresholds are constants that are not 75 % of the baseline",
    22: "the rules do not say which standard deviation the nomination uses",
    23: "the mean is over the ground truth's ids in some tasks, over the predictions in others",
    24: "splitting the files raises on a malformed answer anywhere in an entry, which invalidates the attempt",
    25: "half a surrogate pair in an answer of text recognition, VisualQA or captioning invalidates the attempt",
    26: "a malformed ground truth is read as far as the script happens to look at it",
}
