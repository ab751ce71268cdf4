"""Text to token ids and back with a YouTokenToMe BPE model."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from os import PathLike, fspath
from pathlib import Path

from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers import models as tokenizer_models

from models.files import ModelFileError, placeholder_at

MAX_BYTES = 256 * 1024**2
"""Of a model file: far more than millions of merge rules need."""
MAX_PIECE_CHARACTERS = 1000
"""Each rule may double a piece: without a bound, fifty lines would fill any memory."""
WORD_MARK = "\u2581"
# What separates words in YouTokenToMe: these and nothing else (a no-break space is an ordinary character).
_WORD_SEPARATORS = "[\t\n\v\f\r \u2581]+"
_REMEDY = "a YouTokenToMe model is expected (`python -m training bpe` writes one)"
_TRAIN_WITH_ALL = "train it with PAD, UNK, BOS and EOS, as `python -m training bpe` does"
_SPECIAL_PIECES = ("<UNK>", "<PAD>", "<BOS>", "<EOS>")  # in the order of the model file's last line


class BPEFormatError(ModelFileError):
    """A file is not a YouTokenToMe model.

    Args:
        path: the file.
        line: number (from 1) of the line at fault; 0 where the whole file is.
        problem: what is wrong with it.
        remedy: what to do.

    """

    def __init__(self, path: str, line: int, problem: str, remedy: str = _REMEDY) -> None:
        place = f"{path}, line {line}" if line else path
        super().__init__(f"{place}: {problem}", remedy)
        self.path = path
        self.line = line
        self.problem = problem


class BPE:
    """Byte-pair encoding with the ids of the YouTokenToMe model in `path`. Can be pickled.

    Args:
        path: the model file, text as YouTokenToMe writes it.

    Attributes:
        vocab_size: number of ids, the four special ones included.
        unk_id, pad_id, bos_id, eos_id: ids of a run of unknown characters, padding, a text's beginning and its end.

    Raises:
        BPEFormatError: the file is not such a model.
        OSError: the file can not be read.

    """

    def __init__(self, path: str | PathLike[str]) -> None:
        model = _ModelFile(fspath(path))
        self._pieces = model.pieces
        self.vocab_size = len(model.pieces)
        self.unk_id, self.pad_id, self.bos_id, self.eos_id = model.special_ids
        self._tokenizer = _build_tokenizer(model)

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text` as it stands: nothing is lower-cased, no special id is added."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return what `encode` returns for each of `texts`, computed in parallel."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(texts, add_special_tokens=False)]

    def decode(self, ids: Sequence[int], ignore: Collection[int] = ()) -> str:
        """Return the text of `ids`: pieces joined, word marks turned into spaces, the first leading space dropped.

        Args:
            ids: token ids; special ones give "<PAD>", "<UNK>", "<BOS>", "<EOS>".
            ignore: ids to leave out; they need not be in the vocabulary.

        Raises:
            ValueError: an id is neither in [0, vocab_size) nor in `ignore`.

        """
        kept = [index for index in ids if index not in ignore]
        for index in kept:
            if not 0 <= index < len(self._pieces):
                raise ValueError(f"id {index} is outside the vocabulary [0, {len(self._pieces)}) and not ignored")
        return "".join(self._pieces[index] for index in kept).replace(WORD_MARK, " ").removeprefix(" ")


class _ModelFile:
    """The parsed and checked model file.

    Layout, all integers: `n_chars n_rules`; n_chars lines `codepoint id`; n_rules lines `left right merged`, the most
    important first; `unk pad bos eos`.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._line = 1
        self._seen: set[str] = set()
        found = placeholder_at(Path(path))
        if found is not None:
            raise BPEFormatError(path, 0, *found)
        if Path(path).stat().st_size > MAX_BYTES:
            raise BPEFormatError(path, 0, f"it has more than {MAX_BYTES} bytes")
        lines = self._numbered_lines()
        n_chars, n_rules = self._integers(lines, 2, "the numbers of characters and of merge rules")
        piece_of: dict[int, str] = {}
        for _ in range(n_chars):
            codepoint, index = self._integers(lines, 2, "a character and its id")
            if not 0 <= codepoint <= 0x10FFFF or 0xD800 <= codepoint <= 0xDFFF:
                raise self._error(f"{codepoint} is not a character")
            if chr(codepoint) in " \t\n\v\f\r":
                raise self._error(f"character {codepoint} separates words and can not be part of one")
            self._define(piece_of, index, chr(codepoint))
        self.merges: list[tuple[str, str]] = []
        for _ in range(n_rules):
            left, right, merged = self._integers(lines, 3, "a merge rule of three ids")
            if left not in piece_of or right not in piece_of:
                raise self._error(f"the rule joins id {left if left not in piece_of else right}, not yet defined")
            self._define(piece_of, merged, piece_of[left] + piece_of[right])
            self.merges.append((piece_of[left], piece_of[right]))
        specials = self._special_ids(lines)
        for piece, index in zip(_SPECIAL_PIECES, specials, strict=True):
            # Pieces of a text hold no space, so that these names can not meet one.
            self._define(piece_of, index, f" {piece}")
        if any(line for line in lines):
            raise self._error("there is text after the model's end")
        if sorted(piece_of) != list(range(len(piece_of))):
            raise self._error(f"the ids do not run from 0 to {len(piece_of) - 1} without a gap")
        if WORD_MARK not in piece_of.values():
            raise self._error("the word mark U+2581 is not among the characters")
        self.vocabulary = {piece: index for index, piece in piece_of.items()}
        self.unk_piece = piece_of[specials[0]]
        self.special_ids = specials
        self.pieces = [piece_of[index].removeprefix(" ") for index in range(len(piece_of))]

    def _numbered_lines(self) -> Iterator[str]:
        try:
            with open(self._path, encoding="ascii") as file:
                for self._line, line in enumerate(file, start=1):
                    yield line.strip()
        except UnicodeDecodeError as error:
            raise self._error("the file is not plain ASCII text") from error

    def _integers(self, lines: Iterator[str], count: int, meaning: str) -> list[int]:
        line = next(lines, None)
        if line is None:
            raise self._error(f"the file ends where {meaning} should follow")
        fields = line.split()
        # int() would take "+1", "1_0" and more; the length bounds what a hostile file can make us compute.
        if len(fields) != count or not all(field.isdigit() and len(field) <= 9 for field in fields):
            raise self._error(f"{count} whole numbers ({meaning}) expected, not {line[:60]!r}")
        return [int(field) for field in fields]

    def _special_ids(self, lines: Iterator[str]) -> list[int]:
        """Parse the last line, where -1 stands for a special piece that the model was trained without."""
        line = next(lines, None)
        fields = [] if line is None else line.split()
        absent = [piece for piece, field in zip(_SPECIAL_PIECES, fields, strict=False) if field == "-1"]
        if len(fields) == len(_SPECIAL_PIECES) and absent:
            names = " and ".join(piece.strip("<>") for piece in absent)
            raise BPEFormatError(self._path, self._line, f"a YouTokenToMe model without {names}", _TRAIN_WITH_ALL)
        return self._integers(iter(() if line is None else (line,)), 4, "the four special ids")

    def _define(self, piece_of: dict[int, str], index: int, piece: str) -> None:
        if index in piece_of:
            raise self._error(f"id {index} is defined twice")
        if piece in self._seen:
            raise self._error(f"piece {piece!r} has two ids")
        if len(piece) > MAX_PIECE_CHARACTERS:
            raise self._error(f"a piece of more than {MAX_PIECE_CHARACTERS} characters")
        self._seen.add(piece)
        piece_of[index] = piece

    def _error(self, problem: str) -> BPEFormatError:
        return BPEFormatError(self._path, self._line, problem)


def word_splitter() -> pre_tokenizers.PreTokenizer:
    """Split a text into words as YouTokenToMe does, the word mark in front of each."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORD_SEPARATORS), behavior="removed"),
            pre_tokenizers.Metaspace(replacement=WORD_MARK, prepend_scheme="always"),
        ]
    )


def _build_tokenizer(model: _ModelFile) -> Tokenizer:
    """Build a tokenizer that splits and merges as YouTokenToMe does."""
    bpe = tokenizer_models.BPE(vocab=model.vocabulary, merges=model.merges, unk_token=model.unk_piece, fuse_unk=True)
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = word_splitter()
    return tokenizer
