"""Trains the tokenizer on contest task folders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer, models, trainers

from contest.atomic import replacing
from contest.reading import read_ground_truth, read_input
from errors import UserError
from models.bpe import WORD_MARK, word_splitter


class CorpusError(UserError):
    """Texts that no tokenizer can be trained on as was asked."""


class SpecialIds(NamedTuple):
    """The special ids, as the published tokenizer numbers them."""

    pad: int = 0
    unk: int = 1
    bos: int = 2
    eos: int = 3


SPECIAL_IDS = SpecialIds()
# Every sign a text may hold besides what the corpus has: so that none of them is ever unknown.
ALPHABET = (
    "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
    "abcdefghijklmnopqrstuvwxyz"
    "0123456789"
    ".,:;!?-–—()[]{}«»„“”\"'`/\\%+=*<>№&@#$^_|~°×÷…"
)
_SINGLE_SIGN = re.compile(r"[^\w\s]|[\d_]")
_ENDING = "_train.json"
_ANSWER_ENDING = "_train_answer.json"


def training_text(text: str) -> str:
    """Return `text` as the tokenizer learns it: lower case, stripped, spaces around punctuation and digits.

    Without the spaces, pairs such as "word." merge into one token, and a model can no longer copy the word. The
    encoder later sees raw text, in which such a token then never occurs.
    """
    return " ".join(_SINGLE_SIGN.sub(r" \g<0> ", text.lower()).split())


def texts_of_tasks(data: Path) -> Iterator[str]:
    """Yield every text of the training inputs and answers below `data`, files in the order of their paths.

    Raises:
        CorpusError: there is no such file.
        ContestFileError: a file is not in the contest's format.

    """
    inputs = sorted(data.rglob(f"*{_ENDING}"))
    answers = sorted(data.rglob(f"*{_ANSWER_ENDING}"))
    if not inputs and not answers:
        problem = f"no file ending in {_ENDING} or {_ANSWER_ENDING}"
        raise CorpusError(problem, "name a folder of task folders", where=str(data))
    for path in inputs:
        for sample in read_input(path).values():
            yield from sample.texts
    for path in answers:
        for truth in read_ground_truth(path).values():
            yield from truth.texts


def train_bpe(texts: Iterable[str], output: Path, vocab_size: int) -> None:
    """Train a BPE on `texts` and write it to `output` in YouTokenToMe's format; equal texts give an equal file.

    YouTokenToMe's own trainer is not used: even with one thread, ties between equally frequent pairs fall differently
    in each of its runs.

    Args:
        texts: raw texts; `training_text` is applied to each.
        output: the model file, replaced in one step.
        vocab_size: number of ids, the four special ones and the characters included.

    Raises:
        CorpusError: the texts do not allow a vocabulary of this size.
        OSError: the file can not be written.

    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = word_splitter()
    trainer = trainers.BpeTrainer(
        vocab_size=max(vocab_size, 0),
        special_tokens=[f" {index}" for index in SPECIAL_IDS],  # no piece of a text holds a space
        initial_alphabet=[WORD_MARK, *ALPHABET],
        show_progress=False,
    )
    tokenizer.train_from_iterator(map(training_text, texts), trainer)
    size = tokenizer.get_vocab_size()
    if size != vocab_size:
        bound = "least" if size > vocab_size else "most"
        problem = f"the texts give {size} ids at {bound}, {vocab_size} were asked for"
        raise CorpusError(problem, "change one of them")
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as temporary:
        temporary.write_text(_model_file(tokenizer), encoding="ascii")


def _model_file(tokenizer: Tokenizer) -> str:
    """Return a trained tokenizer as a YouTokenToMe model file, whose layout `models.bpe` describes."""
    model = json.loads(tokenizer.to_str())["model"]
    id_of: dict[str, int] = model["vocab"]
    characters = [(ord(piece), index) for piece, index in id_of.items() if len(piece) == 1]
    rules = [(id_of[left], id_of[right], id_of[left + right]) for left, right in model["merges"]]
    special = (SPECIAL_IDS.unk, SPECIAL_IDS.pad, SPECIAL_IDS.bos, SPECIAL_IDS.eos)
    rows = [(len(characters), len(rules)), *sorted(characters, key=itemgetter(1)), *rules, special]
    return "".join(" ".join(map(str, row)) + "\n" for row in rows)
