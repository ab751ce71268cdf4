"""Synonyms from a RuWordNet database (SQLite, the schema of the PyPI package `ruwordnet`)."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from os import PathLike, fspath
from pathlib import Path

from contest.stand_ins import stand_in_at, stand_in_of_data
from evaluation.metrics.errors import WordNetError as WordNetError

_SENSES = "SELECT lemma, synset_id FROM sense WHERE lemma IS NOT NULL AND synset_id IS NOT NULL"
_HYPERNYM_TITLES = """
    SELECT sense.lemma, synset.title FROM sense
    JOIN hypernym_relation ON hypernym_relation.hyponym_id = sense.synset_id
    JOIN synset ON synset.id = hypernym_relation.hypernym_id
    WHERE sense.lemma IS NOT NULL AND synset.title IS NOT NULL
"""
_DERIVATIONS = """
    SELECT source.lemma, derivative.name FROM sense AS source
    JOIN derivation_relation ON derivation_relation.source_id = source.id
    JOIN sense AS derivative ON derivative.id = derivation_relation.derivative_id
    WHERE source.lemma IS NOT NULL AND derivative.name IS NOT NULL
"""
_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WordNet:
    """What the metrics ask of a wordnet. Without arguments: one that knows no word.

    Attributes:
        name: what to call it in a signature.
        relatives: by a sense's lemma as the database writes it, the hypernym titles of its senses and the names of
            their derivations, in lower case.
        synsets: by a sense's lemma in lower case with `е` for `ё`, the ids of its synsets.

    """

    name: str = "none"
    relatives: Mapping[str, frozenset[str]] = field(default_factory=dict)
    synsets: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def related(self, word: str) -> frozenset[str]:
        """Return what the organisers' scripts take for synonyms of a word (defect 15)."""
        return self.relatives.get(word.upper().strip(), _NOTHING)

    def synsets_of(self, word: str) -> frozenset[str]:
        """Return the ids of the synsets that a word in its dictionary form stands in."""
        return self.synsets.get(_folded(word), _NOTHING)


def load_wordnet(path: str | PathLike[str]) -> WordNet:
    """Read a database once, however often it is asked for; it is named by its hash. Raises WordNetError."""
    return _load(Path(fspath(path)).resolve())


@lru_cache(maxsize=4)
def _load(path: Path) -> WordNet:
    if not path.is_file():
        raise WordNetError(
            f"there is no file {path}", "give the path of a RuWordNet database, or none", where="wordnet"
        )
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            relatives = [*database.execute(_HYPERNYM_TITLES), *database.execute(_DERIVATIONS)]
            senses = list(database.execute(_SENSES))
    except sqlite3.Error as error:
        if (stand_in := stand_in_at(path, stand_in_of_data)) is not None:
            raise WordNetError(f"{path}: {stand_in.what}", stand_in.remedy, where="wordnet") from error
        message, remedy = f"{path} is no RuWordNet database ({error})", "take the file of the PyPI package ruwordnet"
        raise WordNetError(message, remedy, where="wordnet") from error
    return WordNet(
        hashlib.sha256(path.read_bytes()).hexdigest()[:12],
        _gathered((lemma, relative.lower()) for lemma, relative in relatives),
        _gathered((_folded(lemma), synset) for lemma, synset in senses),
    )


def _gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    gathered: defaultdict[str, set[str]] = defaultdict(set)
    for key, value in pairs:
        gathered[key].add(value)
    return {key: frozenset(values) for key, values in gathered.items()}


def _folded(word: str) -> str:
    return word.lower().strip().replace("ё", "е")


NO_WORDNET = WordNet()
