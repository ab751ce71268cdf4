"""Work divided among hosts that share nothing but, perhaps, a folder: which share this is, and whether all are there.

Every host is given the same command line and does share I of N, which it takes from `--shard I/N` or from what Slurm's
array jobs and Kubernetes' indexed jobs put into the environment. A share has a folder of its own below the output, with
its own journal; `merge` makes one result of all of them. No share asks whether another one is alive.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contest import VERSION
from contest.atomic import copied_or_linked, lock
from contest.console import note, one_line, say
from contest.writing import write_json, writing
from errors import UserError

MOST_SHARES = 99_999
RECORD_NAME, LOCK_NAME = "share.json", ".share.lock"
ROOT = Path(__file__).parents[1]
COMMON_ROOMS = ("errors", "contest", "models")
GIVE_SHARD = "give --shard I/N yourself, or --shard 0/1 for all of the work"
_FOLDER = re.compile(r"share-(\d{5})-of-(\d{5})")
_TEXT = re.compile(r"(\d{1,9})/(\d{1,9})")


class ShareError(UserError):
    """Shares of a piece of work that do not belong together, that are not all there, or that say no sensible number."""


@dataclass(frozen=True, slots=True)
class Share:
    """Share `number`, from 0, of `count`; `origin` says where that comes from.

    Raises ShareError if there is no such share.
    """

    number: int = 0
    count: int = 1
    origin: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count <= MOST_SHARES:
            last = f"they are counted from 0: 0/{self.count} to {self.count - 1}/{self.count}"
            why = last if 1 <= self.count <= MOST_SHARES else f"there may be 1 to {MOST_SHARES}"
            raise ShareError(f"there is no share {self.number}/{self.count}", why)

    def __str__(self) -> str:
        return f"share {self.number}/{self.count}"

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the work."""
        return self.count == 1

    def takes(self, index: int) -> bool:
        """Whether the piece of work at `index`, from 0, belongs to this share: each gets every `count`-th."""
        return index % self.count == self.number

    def takes_key(self, key: str) -> bool:
        """Whether the piece of work of that name belongs to this share, wherever it stands: a hash decides."""
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return self.takes(int.from_bytes(digest, "big"))

    def folder(self, output: Path) -> Path:
        """The folder of this share below the output of all of them."""
        return output / f"share-{self.number:05d}-of-{self.count:05d}"


WHOLE = Share()


def add_shard(parser: argparse.ArgumentParser) -> None:
    """Add `--shard`."""
    parser.add_argument(
        "--shard",
        type=read_share,
        metavar="I/N",
        help="do share I, from 0, of N, into a folder of its own in --output; `merge` puts all together (default: from "
        "SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX, else all of the work; 0/1 asks for all)",
    )


def read_share(text: str) -> Share:
    """Read an argument such as 2/8."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"must be I/N, such as 0/4, not {text[:40]!r}")
    try:
        return Share(int(match[1]), int(match[2]), "--shard")
    except ShareError as error:
        raise argparse.ArgumentTypeError(f"{error.message}; {error.remedy}") from error


def choose_share(given: Share | None, environment: Mapping[str, str], *, quiet: bool = False) -> Share:
    """Return the share that was given, or that the environment names, or all of the work; say so if it is a part.

    `quiet`: another process says so.

    Raises ShareError for an environment that does not say which share this is of how many.
    """
    share = given or _slurm_share(environment) or _kubernetes_share(environment) or WHOLE
    if not (share.is_whole or quiet):
        note(f"{share}, from {share.origin}")
    return share


def _slurm_share(environment: Mapping[str, str]) -> Share | None:
    """The task of an array job (sbatch(1), "output environment variables"); its tasks may begin with any number."""
    name = "SLURM_ARRAY_TASK_ID"
    if name not in environment:
        return None
    number, count = _number(environment, name), _number(environment, "SLURM_ARRAY_TASK_COUNT")
    first, step = (
        _number(environment, f"SLURM_ARRAY_TASK_{word}", missing) for word, missing in (("MIN", "0"), ("STEP", "1"))
    )
    last = _number(environment, "SLURM_ARRAY_TASK_MAX", str(first + (count - 1) * step))
    index, odd = divmod(number - first, max(step, 1))
    if odd or not 0 <= index < count or last != first + (count - 1) * step:
        array = f"task {number} of an array of {count} from {first} to {last}"
        raise ShareError(f"{name}: {array}, whose tasks are not evenly numbered shares", GIVE_SHARD)
    return Share(index, count, f"{name}={number}")


def _kubernetes_share(environment: Mapping[str, str]) -> Share | None:
    """The pod of an indexed job. Kubernetes sets the index alone: the manifest has to set the count."""
    name, count = "JOB_COMPLETION_INDEX", "JOB_COMPLETION_COUNT"
    if name not in environment:
        return None
    if count not in environment:
        raise ShareError(f"{name} is set and {count} is not", f"set {count} to the job's completions, or {GIVE_SHARD}")
    return Share(_number(environment, name), _number(environment, count), f"{name}={environment[name]}")


def _number(environment: Mapping[str, str], name: str, missing: str = "") -> int:
    value = environment.get(name, missing)
    if not (value.isascii() and value.isdecimal() and len(value) < 10):
        raise ShareError(f"the environment says {name}={one_line(value)!r}, which is no number", GIVE_SHARD)
    return int(value)


def code_version(room: str) -> dict[str, str]:
    """The version, and a digest of the source files, of what a program of this room runs. Raises OSError."""
    digest = hashlib.sha256()
    for name in sorted({*COMMON_ROOMS, room}):
        for path in sorted((ROOT / name).rglob("*.py")):
            digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return {"fbc2": VERSION, "source_sha256": digest.hexdigest()}


@dataclass(frozen=True)
class ShareRecord:
    """What a share leaves for `merge`.

    Attributes:
        share: which one it is.
        code: version of the code that does it.
        folder: where it lies.
        agreed: all that must be the same in every share, as JSON by name; empty until that is known.
        result: what it did, as JSON.
        ended: how it ended; empty as long as it has not.

    """

    share: Share
    code: Mapping[str, str]
    folder: Path
    agreed: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    ended: str = ""

    def write(self) -> None:
        """Write it into its folder. Raises ContestError."""
        value = {
            "share": self.share.number,
            "of": self.share.count,
            "code": dict(self.code),
            "ended": self.ended,
            "agreed": dict(self.agreed),
            "result": dict(self.result),
        }
        write_json(self.folder / RECORD_NAME, value)


FINISHED = "finished"


def require_no_shares(output: Path) -> None:
    """Raise ShareError if the output of all of the work holds shares: that is hardly what was meant."""
    present = _share_folders(output)
    if present:
        what = f"{output} holds {present[0].name}, and now all of the work is asked for"
        raise ShareError(what, "give --shard, or `merge` the shares; remove their folders to work without them")


def begin_share(output: Path, share: Share, room: str, agreed: Mapping[str, Any] | None = None) -> ShareRecord:
    """Make the folder of a share; return the record to write once nobody else can be at this share.

    `agreed`: what all shares must agree on, where that is known before the work is done.

    Raises ShareError if there are shares of another count, or this one was begun by other code or with another
    `agreed`; ContestError, OSError.
    """
    folder = share.folder(output)
    foreign = [path.name for path in _share_folders(output) if path.name[-5:] != folder.name[-5:]]
    if foreign:
        remedy = "give the same N to all shares, or remove those of another"
        raise ShareError(f"{output} holds {foreign[0]}, which is of another number of shares than {share}", remedy)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    code = code_version(room)
    if (folder / RECORD_NAME).exists():
        before = _read_record(folder)
        if before.code != code:
            raise ShareError(f"{share} was begun by other code ({_version_of(before)})", _same_code(folder))
        changed = [] if agreed is None else _differing(before.agreed, agreed)
        if changed:
            begun = f"{share} was begun with another {', '.join(changed)}"
            raise ShareError(begun, f"go on with what it was begun with, or remove {folder}")
    return ShareRecord(share, code, folder, agreed or {})


@contextmanager
def at_work(record: ShareRecord) -> Iterator[None]:
    """Keep a second process from doing the same share in the same folder, and write that it is being done.

    Raises ShareError if another process is at it, ContestError.
    """
    path = record.folder / LOCK_NAME
    with ExitStack() as stack:
        with writing(path):
            stream = stack.enter_context(path.open("ab"))
        try:
            lock(stream.fileno(), seconds=0)
        except TimeoutError as error:
            raise ShareError(f"{record.share} is being done by another process", "wait for it, or stop it") from error
        except OSError as error:
            say(f"{path} can not be locked ({error.strerror}): take care that nobody else does {record.share}")
        record.write()
        yield


def read_shares(output: Path, room: str) -> list[ShareRecord]:
    """Return the records of all shares below an output, in order.

    Raises ShareError, which names the share, if one is missing, has not ended, is of another number of shares, or
    differs from the first one in what they must agree on; if two folders hold the same share; if they are of other
    code than this. OSError.
    """
    folders = _share_folders(output)
    if not folders:
        raise ShareError(f"{output} holds no shares", "name the --output that the shares were given")
    records = [_read_record(folder) for folder in folders]
    first = records[0]
    for record in records:
        own = Share(record.share.number, record.share.count).folder(output).name
        if record.share.count != first.share.count:
            counts = f"it is of {record.share.count} shares, and {first.folder.name} of {first.share.count}"
            raise ShareError(f"{record.folder.name} is foreign: {counts}", "remove the shares of one of them")
        if own != record.folder.name:
            remedy = "remove the copy, and put the share of that number there"
            raise ShareError(f"{record.folder.name} holds {record.share}: that share is there twice", remedy)
    numbers = {record.share.number for record in records}
    missing = [str(Share(number, first.share.count)) for number in range(first.share.count) if number not in numbers]
    if missing:
        raise ShareError(
            f"{', '.join(missing[:8])}{', ...' * (len(missing) > 8)}: not there", "do it, then merge again"
        )
    for record in records:
        if record.ended != FINISHED:
            how = f"ended early ({record.ended})" if record.ended else "has not ended, or was killed"
            raise ShareError(f"{record.share} {how}", "start it again: it goes on from there; then merge again")
    _require_same(records, room)
    return records


def _require_same(records: Sequence[ShareRecord], room: str) -> None:
    first, code = records[0], code_version(room)
    for record in records:
        if record.code != code:
            theirs = f"is of other code ({_version_of(record)}) than this"
            raise ShareError(f"{record.share} {theirs}", _same_code(record.folder))
        differing = _differing(first.agreed, record.agreed)
        if differing:
            problem = f"{record.share} differs from {first.share} in {', '.join(differing)}"
            raise ShareError(problem, "do all shares with the same input, weights and options")


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]


def _share_folders(output: Path) -> list[Path]:
    return sorted(path for path in output.glob("share-*") if _FOLDER.fullmatch(path.name))


def _read_record(folder: Path) -> ShareRecord:
    path = folder / RECORD_NAME
    try:
        value = json.loads(path.read_text("utf-8"))
        share = Share(int(value["share"]), int(value["of"]))
        return ShareRecord(share, value["code"], folder, value["agreed"], value["result"], value["ended"])
    except FileNotFoundError as error:
        raise ShareError("the share was not begun: it has no share.json", "do it", where=folder.name) from error
    except (ValueError, KeyError, TypeError, ShareError) as error:
        remedy = "remove that file, and start the share again: it goes on from its journal"
        raise ShareError(f"{RECORD_NAME} is damaged ({error})", remedy, where=folder.name) from error


def _version_of(record: ShareRecord) -> str:
    return f"fbc2 {record.code.get('fbc2', '?')}, source {record.code.get('source_sha256', '?')[:12]}"


def _same_code(folder: Path) -> str:
    return f"use the code that it was done with, or remove {folder} and do it again"


def take_file(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where there are no links; what has that name is replaced.

    Raises ContestError.
    """
    with writing(target):
        copied_or_linked(source, target, follow_symlinks=False)
