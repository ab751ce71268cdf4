"""Runs every rule over task folders and gathers what was found, and samples to look at."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from contest.console import no_bar
from contest.errors import ContestError
from contest.pictures import resolve_picture, view_picture
from data_prep.card import RESERVED_TOKENS
from data_prep.check.near import BLOCK, NearTexts
from data_prep.check.rules import Rule, Violation, sample_findings, without_options
from data_prep.counts import Lengths
from data_prep.reading_folders import Pair, TaskFolder, find_folders, pairs
from data_prep.split import SPLITS, Split
from models.bpe import BPE

KEPT = 50  # findings of a rule that are told; the others are counted
LOOKED_AT = 12  # samples of a split


@dataclass(slots=True)
class SplitReport:
    """One split of one folder: how many samples, of which kinds, how long, and some to look at."""

    folder: TaskFolder
    split: Split
    samples: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    characters: Lengths = field(default_factory=Lengths)
    tokens: Lengths = field(default_factory=Lengths)
    looked_at: list[Pair] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Folder and split in words."""
        return f"{self.folder.path} {self.split}"


@dataclass(slots=True)
class CheckReport:
    """Everything found. `counts` of a rule may exceed the findings that are kept."""

    splits: list[SplitReport] = field(default_factory=list)
    counts: Counter[Rule] = field(default_factory=Counter)
    findings: dict[Rule, list[Violation]] = field(default_factory=dict)
    counted_tokens: bool = False

    def add(self, finding: Violation) -> None:
        """Count a finding, and keep it if few of its rule are kept yet."""
        self.counts[finding.rule] += 1
        kept = self.findings.setdefault(finding.rule, [])
        if len(kept) < KEPT:
            kept.append(finding)

    @property
    def errors(self) -> int:
        """How often a rule was broken that makes a folder unfit."""
        return sum(count for rule, count in self.counts.items() if rule.is_error)


@dataclass(slots=True)
class _Seen:
    """What leaks are known by, across all folders: who had it in validation."""

    groups: dict[str, str] = field(default_factory=dict)
    pictures: dict[bytes, str] = field(default_factory=dict)


def check(directory: Path, bpe: BPE | None = None, left_limit: int = 384) -> CheckReport:
    """Check all task folders at and below a directory.

    Validation splits are read first, and training splits are held against them: memory grows with validation, and by
    about seventy bytes a training sample. Raises SourceError if there is no task folder.
    """
    report = CheckReport(counted_tokens=bpe is not None)
    folders = find_folders(directory)
    seen = _Seen()
    held: dict[TaskFolder, tuple[NearTexts, dict[int, str]]] = {}
    for split in reversed(SPLITS):  # val, then train
        for folder in folders:
            near, contents = held.setdefault(folder, (NearTexts(), {}))
            _Checking(report, folder, split, seen, near, contents, bpe, left_limit).run()
    report.splits.sort(key=lambda part: (str(part.folder.path), part.folder.task, SPLITS.index(part.split)))
    return report


@dataclass(slots=True)
class _Checking:
    """The check of one split."""

    report: CheckReport
    folder: TaskFolder
    split: Split
    seen: _Seen
    near: NearTexts
    validation: dict[int, str]
    bpe: BPE | None
    left_limit: int
    part: SplitReport = field(init=False)
    own: set[int] = field(default_factory=set)
    asked: dict[str, tuple[str, str]] = field(default_factory=dict)  # texts that wait to be compared, by sample
    opened: dict[Path, bytes | None] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)

    def run(self) -> None:
        self.part = SplitReport(self.folder, self.split)
        self.report.splits.append(self.part)
        for file in (self.folder.file(self.split), self.folder.file(self.split, "_answer")):
            if not file.exists():
                self._found(Rule.FORMAT, "", f"{file.name} is missing")
                return
        stream = pairs(
            self.folder,
            self.split,
            lambda fault: self._found(Rule.FORMAT, "", fault),
            lambda sample_id, fault: self._found(Rule.PAIRS, sample_id, fault),
        )
        with tqdm(
            stream, f"{self.folder.task} {self.split}", unit=" samples", disable=no_bar(), leave=False
        ) as progress:
            checked = enumerate(map(self._one, progress))
            # The samples with the smallest hashes: spread over the file, the same ones at every run.
            looked_at = heapq.nsmallest(LOOKED_AT, checked, lambda entry: _hash(f"{self.split}|{entry[1].sample.id}"))
        self._near()
        self.part.looked_at = [pair for _, pair in sorted(looked_at, key=lambda entry: entry[0])]

    def _found(self, rule: Rule, sample_id: str, detail: str) -> None:
        self.report.add(Violation(rule, self.part.place, sample_id, detail))

    def _one(self, pair: Pair) -> Pair:
        self.part.samples += 1
        self.part.kinds[pair.kind] += 1
        for finding in sample_findings(self.folder.task, self.part.place, pair.sample, pair.truth, pair.kind):
            self.report.add(finding)
        self._lengths(pair)
        self._leaks(pair, self._pictures(pair))
        return pair

    def _lengths(self, pair: Pair) -> None:
        left = " ".join(pair.sample.texts)
        self.part.characters[len(left)] += 1
        if self.bpe is not None:
            tokens = len(self.bpe.encode(left.lower())) + RESERVED_TOKENS
            self.part.tokens[tokens] += 1
            if tokens > self.left_limit:
                self._found(Rule.LONG, pair.sample.id, f"{tokens} tokens; {self.left_limit} fit")

    def _pictures(self, pair: Pair) -> list[bytes]:
        """Open the sample's pictures; return digests of the bytes of those that open."""
        digests = []
        for content in (*pair.sample.images, *pair.truth.images):
            try:
                path = resolve_picture(self.folder.path, content, follow_links=True)
                if path not in self.opened:
                    self.opened[path] = None
                    flaw = view_picture(path).flaw
                    if flaw is not None:
                        raise flaw
                    self.opened[path] = hashlib.blake2b(path.read_bytes(), digest_size=12).digest()
                digest = self.opened[path]
            except ContestError as error:
                self._found(Rule.PICTURE, pair.sample.id, f"{content}: {error.message}")
                continue
            if digest is not None:
                digests.append(digest)
        return digests

    def _leaks(self, pair: Pair, pictures: list[bytes]) -> None:
        name = f"{self.part.place}, sample {pair.sample.id}"
        texts = " ".join(sorted(pair.sample.texts))
        content = _hash("|".join([texts, *(picture.hex() for picture in pictures)]))
        if content in self.own:
            self._found(Rule.REPEATED, pair.sample.id, "an earlier sample has the same texts and picture")
        self.own.add(content)
        # The same question about another picture is no leak.
        longest = "" if pair.sample.has_image else max(pair.sample.texts, key=len, default="")
        asked = " ".join(map(without_options, pair.sample.texts))
        if self.split == "val":
            self.validation[content] = name
            self.near.add(pair.sample.id, longest, asked)
            if pair.group:
                self.seen.groups.setdefault(pair.group, name)
            for picture in pictures:
                self.seen.pictures.setdefault(picture, name)
            return
        if content in self.validation:
            self._found(Rule.TEXT_LEAK, pair.sample.id, f"is also {self.validation[content]}")
        else:
            self.asked[pair.sample.id] = (longest, asked)
            if len(self.asked) == BLOCK:
                self._near()
        if pair.group in self.seen.groups and pair.group not in self.groups:
            self.groups.add(pair.group)  # told once
            self._found(Rule.GROUP_LEAK, pair.sample.id, f"{pair.group} is also in {self.seen.groups[pair.group]}")
        for picture in pictures:
            if picture in self.seen.pictures:
                self._found(Rule.PICTURE_LEAK, pair.sample.id, f"is also the picture of {self.seen.pictures[picture]}")

    def _near(self) -> None:
        """Look for the texts that wait among those of validation."""
        for sample_id, like in zip(self.asked, self.near.like(list(self.asked.values())), strict=True):
            if like is not None:
                self._found(Rule.NEAR_LEAK, sample_id, f"{like[1]:.0%} like validation sample {like[0]}")
        self.asked.clear()


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")
