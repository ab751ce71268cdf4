"""A sample's texts to the ids of the left text, shortened where they are too long.

The passage is what gives way: the longest text item that is no list of options. It keeps the sentences that share the
most with the other items (the question, its options, the instruction) and its first one, in their order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from torch import Tensor

from models.rudolph.vocabulary import Vocabulary

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
_WORD = re.compile(r"\w+")
_OPTION_MARKER = re.compile(r"(?:^|[\s;,(])[a-zа-я1-9]\)", re.IGNORECASE)
# Russian words are inflected at their end: a beginning of this length sets most of them apart.
_STEM_LENGTH = 5
_SHORTEST_TELLING_WORD = 3

CountPieces = Callable[[str], int]


def left_text(texts: Sequence[str]) -> str:
    """Join text items as published: each followed by one space."""
    return "".join(f"{text} " for text in texts)


def left_ids(texts: Sequence[str], vocabulary: Vocabulary, shorten_passage: bool) -> Tensor:
    """Ids of the left text, int64 `[L]`: the items joined; what is too long is shortened, or else cut at its end."""
    if shorten_passage:
        # Not `vocabulary.pieces`, which strips: only the ends of the whole text will be stripped.
        texts = fit(texts, vocabulary.left_capacity, lambda text: len(vocabulary.tokenizer.encode(text.lower())))
    return vocabulary.encode_left(left_text(texts))


def fit(texts: Sequence[str], capacity: int, count: CountPieces) -> list[str]:
    """Shorten the longest text, options apart, so that all of them together have at most `capacity` pieces.

    Pieces never cross white space, so that the pieces of words add up to those of their text. Where the other texts
    alone exceed the capacity, the longest one is emptied and the next longest gives way in its turn.
    """
    fitted = list(texts)
    lengths = [count(text) for text in fitted]
    while sum(lengths) > capacity:
        # The first of equally long ones; options give way only when nothing else is left.
        longest = max(range(len(fitted)), key=lambda i: (lengths[i] > 0, not _is_options(fitted[i]), lengths[i]))
        others = [text for index, text in enumerate(fitted) if index != longest]
        budget = max(0, capacity - sum(lengths) + lengths[longest])
        passage, question = (
            _split_question(fitted[longest], budget, count) if not any(others) else (fitted[longest], "")
        )
        kept = shorten(passage, " ".join([*others, question]), budget - count(question), count)
        fitted[longest] = " ".join(part for part in (kept, question) if part)
        lengths[longest] = count(fitted[longest])
    return fitted


def _is_options(text: str) -> bool:
    """Whether a text item is a list of lettered or numbered options and nothing much before them."""
    markers = [match.start() for match in _OPTION_MARKER.finditer(text)]
    return len(markers) >= 2 and len(_WORD.findall(text[: markers[0]])) <= 3


def shorten(passage: str, question: str, budget: int, count: CountPieces) -> str:
    """Keep the sentences of `passage` that share the most with `question`, as many as have at most `budget` pieces.

    A sentence scores 1/n for each word of the question in it, n being the number of sentences with that word; of
    equal ones the earlier is better. The best comes first, then the passage's first, which names the subject or is an
    instruction merged into the passage, then the others by score. The one that does not fit any more is cut to its
    first words.
    """
    sentences = _SENTENCE_END.split(passage.strip())
    stems = [stems_of(sentence) for sentence in sentences]
    frequency = Counter(stem for of_sentence in stems for stem in of_sentence)
    asked = stems_of(question)
    # In one order: a sum of fractions depends on it.
    scores = [sum(1 / frequency[stem] for stem in sorted(asked & of_sentence)) for of_sentence in stems]
    order = sorted(range(len(sentences)), key=lambda index: (-scores[index], index))
    if order[0] != 0:
        order.remove(0)
        order.insert(1, 0)
    kept: dict[int, str] = {}
    for index in order:
        size = count(sentences[index])
        if size > budget:
            kept[index] = _first_words(sentences[index], budget, count)
            break
        kept[index] = sentences[index]
        budget -= size
    return " ".join(kept[index] for index in sorted(kept) if kept[index])


def stems_of(text: str) -> set[str]:
    """The beginnings of a text's words and its numbers, by which words in other cases are told to be the same."""
    words = _WORD.findall(text.lower())
    return {word[:_STEM_LENGTH] for word in words if len(word) >= _SHORTEST_TELLING_WORD or word.isdigit()}


def _first_words(text: str, budget: int, count: CountPieces) -> str:
    """As many whole words from the beginning of `text` as have at most `budget` pieces."""
    words = []
    for word in text.split():
        budget -= count(word)
        if budget < 0:
            break
        words.append(word)
    return " ".join(words)


def _split_question(text: str, budget: int, count: CountPieces) -> tuple[str, str]:
    """Split a text that is the whole sample into its passage and its question with all that follows.

    The question is the last sentence that ends in a question mark. Without one, or where what follows takes more than
    half of the budget, all of the text is passage.
    """
    sentences = _SENTENCE_END.split(text.strip())
    asking = [index for index, sentence in enumerate(sentences) if sentence.endswith("?")]
    if not asking:
        return text, ""
    question = " ".join(sentences[asking[-1] :])
    if count(question) > budget // 2:
        return text, ""
    return " ".join(sentences[: asking[-1]]), question
