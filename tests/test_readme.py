"""What the READMEs show is so: commands run as they stand, or at least parse; figures and links are right.

The commands are run in the order of README.md, in a copy of this repository, as a reader would who follows it from
the top; small archives stand in for the downloaded ones. What takes hours is made small here, in `PLAYED_SLOWLY`;
what needs a network or an engine is parsed. A command that no table here names fails: whoever adds one says how it is
tried.
"""

import contextlib
import importlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.planned_memory import rows
from contest import VERSION
from contest.command_line import parser_of
from models.rudolph.config import read_config
from tests.small_archives import lay_archives
from training.tune.settings_file import read_settings

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.ru.md")
PROGRAMS = ("submission", "evaluation", "data_prep", "training", "fetch")
SETTINGS = ("tune", "encode")  # commands of `training` whose arguments are settings


@dataclass(frozen=True)
class Play:
    """How a command of the READMEs is tried: `smaller` replaces and `more` adds what makes it small."""

    command: str
    smaller: tuple[tuple[str, str], ...] = ()
    more: str = ""


PLAYED = (
    Play("bash run.sh demo"),
    Play("python -m submission doctor --weights weights"),
    Play("python -m submission run --input demo --output output --weights weights"),
    Play("python -m submission preview --input demo --output output"),
    Play("python -m submission pack --weights weights"),
    Play("python -m submission check submission.zip"),
    Play("python -m submission check output/predictions.json"),
    Play("python -m evaluation score", more="--resamples 50"),
    Play("python -m evaluation compare scores.json", more="--resamples 50"),
    Play("python -m evaluation leaderboard add"),
    Play("python -m evaluation leaderboard show"),
)
STEPS = "steps=2 optim.warmup_steps=1 data.batch=6 data.workers=0 compute.accumulate=1"
STEPS += " validation.every=2 checkpoint.every=2"
PLAYED_SLOWLY = (
    Play("python -m abilities dream"),
    Play("torchrun --standalone --nproc-per-node 2 -m submission run"),
    Play("python -m submission run --input demo --output output_best", (("--draws 4", "--draws 2"),)),
    Play("python -m submission run --input demo --output output_baseline"),
    Play("python -m evaluation run-container submission.zip"),
    Play("python -m evaluation attempts list"),
    Play(
        "python -m data_prep synthetic",
        (("--train 20000", "--train 24"), ("--validation 500", "--validation 6"), ("--test 100", "--test 6")),
    ),
    Play("python -m training encode"),
    Play("python -m training tune --config training/configs/fbc2.yaml data.folder=data/world", more=STEPS),
    Play("python -m training plots runs/mine"),
    Play("python -m training co2-report runs/mine"),
    Play("mkdir mine && cp -r"),
    Play("python -m submission run --input demo --output output_mine"),
    Play("python -m training bpe", (("--vocab 1024", "--vocab 256"),)),
    Play("python -m training vqgan", more="--steps 2 --batch 2"),
    Play("python -m training tiny", more="--scale 0.0005"),
    Play(
        "torchrun --standalone --nproc-per-node 8 -m training tune",
        (("--nproc-per-node 8", "--nproc-per-node 2"),),
        f"data.folder=data/world output=runs/several {STEPS}",
    ),
    *(
        Play(f"python -m data_prep {source}", more="--validation-share 0.5")
        for source in ("sberquad", "muserc", "mathematics", "coco", "visual-genome", "start", "sberidp")
    ),
    Play("python -m data_prep merge"),
    Play("python -m data_prep check data/all"),
    Play("python -m data_prep shards"),
    Play("python -m training tune --config training/configs/fbc2.yaml data.folder=data/all", more=STEPS),
)
PARSED = (  # and why they are not run
    ("bash run.sh test", "it is what runs this"),
    ("source .venv/bin/activate", "every command here runs with that environment"),
    ("python3 -m venv .venv", "packages come from a network; tests/test_locks.py tries the options"),
    ("pip install", "likewise"),
    ("python -m fetch", "needs a network; tests/fetch has a hub of its own"),
    ("docker/build.sh submission", "needs an engine; docker/ci.sh builds both images"),
)


def blocks(name: str, kind: str) -> list[str]:
    """The fenced blocks of a kind, in order."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", (ROOT / name).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def commands(name: str) -> list[str]:
    """All commands of a README, in order, each on one line and without its comment."""
    text = "".join(blocks(name, "bash")).replace("\\\n", " ")
    lines = (re.sub(r"\s+#.*", "", line) for line in text.splitlines())
    return [" ".join(line.split()) for line in lines if line.strip()]


COMMANDS = commands("README.md")


def play_of(command: str) -> Play | None:
    found = [play for play in (*PLAYED, *PLAYED_SLOWLY) if command.startswith(play.command)]
    return max(found, key=lambda play: len(play.command), default=None)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_tried_somehow(command: str) -> None:
    assert play_of(command) or any(command.startswith(start) for start, _ in PARSED)


@pytest.mark.parametrize("play", [*PLAYED, *PLAYED_SLOWLY], ids=lambda play: play.command)
def test_what_is_tried_is_shown(play: Play) -> None:
    shown = [command for command in COMMANDS if play_of(command) == play]
    assert len(shown) == 1
    assert all(old in shown[0] for old, _ in play.smaller)


def test_both_languages_show_the_same_commands() -> None:
    assert commands("README.ru.md") == COMMANDS


def words_of(command: str) -> list[str]:
    """The command's words from the program's name on; none if it is no program of ours."""
    words = shlex.split(command)
    for place in range(len(words) - 1):
        if words[place] == "-m" and words[place + 1] in PROGRAMS:
            return words[place + 1 :]
    return []


def help_of(words: list[str]) -> str:
    """What a program prints when `--help` follows these words; they are parsed on the way. Fails on a usage error."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as ended:
        sys.exit(importlib.import_module(f"{words[0]}.__main__").main([*words[1:], "--help"]))
    assert ended.value.code == 0, words
    return printed.getvalue()


@pytest.mark.parametrize("command", [command for command in COMMANDS if words_of(command)])
def test_every_word_of_a_command_is_taken(command: str) -> None:
    program, *words = words_of(command)
    parser = parser_of(importlib.import_module(f"{program}.__main__").PROGRAM, words[0])
    assert parser.parse_known_args([re.sub(r"[<>]", "", word) for word in words])[1] == []


@pytest.mark.parametrize("command", [command for command in COMMANDS if words_of(command)])
def test_every_option_of_a_command_is_one(command: str) -> None:
    words = words_of(command)
    known = help_of(words)
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert re.search(rf"{option}\b", known), f"{option} is no option of {words[:3]}"
    if words[0] == "training" and words[1] in SETTINGS:
        settings = [word for word in words[2:] if "=" in word]
        read_settings(ROOT / words[words.index("--config") + 1], [*settings, "output=runs/any"])


@pytest.mark.parametrize("name", READMES)
def test_options_and_files_in_the_text_are_there(name: str) -> None:
    text = re.sub(r"^```.*?^```$", "", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    quoted = re.findall(r"`([^`\n]+)`", text)
    known = "".join(help_of(words) for words in (words_of(command) for command in COMMANDS) if words)
    ours = {
        option for code in quoted if not code.startswith(("pip ", "apt ")) for option in re.findall(r"--[\w-]+", code)
    }
    assert {option for option in ours if option not in known} <= {"--standalone", "--nproc-per-node"}
    files = {code.split()[-1] for code in quoted if re.fullmatch(r"(?:python )?[\w/.-]+/[\w.-]+\.(?:py|sh|md)", code)}
    assert [file for file in files if not (ROOT / file).is_file()] == []


def copy_of_the_repository(folder: Path) -> Path:
    """A copy as a clone is, with the environment that runs this as its .venv, so that nothing is installed."""
    left_out = {".git", ".venv", "output", "data", "runs", "tests"}
    left_out |= {".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"}  # others write there at this moment
    copy = folder / "clone"
    shutil.copytree(ROOT, copy, ignore=lambda where, _: left_out if Path(where) == ROOT else {"__pycache__"})
    environment, ours = copy / ".venv", Path(sys.prefix)
    environment.mkdir()
    for part in ("bin", "lib", "lib64", "include"):
        (environment / part).symlink_to(ours / part)
    if (ours / "pyvenv.cfg").is_file():
        shutil.copy(ours / "pyvenv.cfg", environment)
    state = "cat requirements*.txt requirements*.lock | sha256sum | cut -c1-16"
    stamp = subprocess.run(["bash", "-c", state], cwd=copy, capture_output=True, text=True, check=True).stdout.strip()
    (environment / f"requirements-dev-{stamp}").touch()
    return copy


class Reader:
    """Follows a README in a copy of the repository, and keeps what each command printed."""

    def __init__(self, copy: Path) -> None:
        self.copy = copy
        self.printed: dict[str, str] = {}
        paths = os.pathsep.join((str(copy / ".venv/bin"), os.environ["PATH"]))
        self.environment = {**os.environ, "PATH": paths, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}

    def follow(self, play: Play) -> str:
        """Run a command; return what it printed. Fails unless it ends with 0."""
        if play.command not in self.printed:
            (command,) = (command for command in COMMANDS if play_of(command) == play)
            for old, new in play.smaller:
                command = command.replace(old, new)
            done = subprocess.run(
                ["bash", "-c", f"{command} {play.more}"],
                cwd=self.copy,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{command} {play.more}\n{done.stdout[-5000:]}"
            self.printed[play.command] = done.stdout
        return self.printed[play.command]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    copy = copy_of_the_repository(tmp_path_factory.mktemp("readme"))
    lay_archives(copy)
    return Reader(copy)


@pytest.mark.parametrize("play", PLAYED, ids=lambda play: play.command)
def test_the_commands_run(reader: Reader, play: Play) -> None:
    for earlier in PLAYED[: PLAYED.index(play) + 1]:
        reader.follow(earlier)


@pytest.mark.slow
@pytest.mark.parametrize("play", PLAYED_SLOWLY, ids=lambda play: play.command)
def test_the_slow_commands_run(reader: Reader, play: Play) -> None:
    for earlier in (*PLAYED, *PLAYED_SLOWLY[: PLAYED_SLOWLY.index(play) + 1]):
        reader.follow(earlier)


FIGURE = re.compile(r"\d\.\d{4}")
LAST_DIGITS = (
    5e-4  # by so much a score may differ: another processor's convolutions round otherwise, which a JPEG shows
)


def is_printed(line: str, shown: str) -> bool:
    """Whether a line is the one that is shown, but for the last digits of its figures."""
    pairs = zip(FIGURE.findall(line), FIGURE.findall(shown), strict=False)
    return FIGURE.sub("", line) == FIGURE.sub("", shown) and all(
        abs(float(a) - float(b)) < LAST_DIGITS for a, b in pairs
    )


@pytest.mark.parametrize(
    ("line", "same"), [("a  0.4785  1", True), ("a  0.4787  1", False), ("b  0.4782  1", False), ("a  0.4782", False)]
)
def test_lines_are_compared_but_for_the_last_digits_of_scores(line: str, same: bool) -> None:
    assert is_printed(line, "a  0.4782  1") == same


@pytest.mark.parametrize("name", READMES)
def test_the_demo_prints_what_is_shown(reader: Reader, name: str) -> None:
    printed = [line.rstrip() for line in reader.follow(PLAYED[0]).splitlines()]
    (shown,) = (block for block in blocks(name, "text") if "mode: official" in block)
    place = 0
    for line in (line.rstrip() for line in shown.splitlines() if line.strip()):
        found = next((at for at in range(place, len(printed)) if is_printed(printed[at], line)), None)
        assert found is not None, f"the demo does not print, or not there: {line}"
        place = found + 1


@pytest.mark.parametrize("name", READMES)
def test_the_python_shown_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = read_config(ROOT / "weights/rudolph/config.json")
    names: dict[str, Any] = {"input_ids": torch.ones(1, config.total_seq_length, dtype=torch.long)}
    (shown,) = blocks(name, "python")
    exec(shown, names)
    assert names["logits"].shape == (1, config.total_seq_length, config.total_vocab)
    assert torch.isfinite(names["loss"])


@pytest.mark.parametrize("name", READMES)
def test_the_memory_of_the_sizes_is_what_is_planned(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert [row for row in (f"| {' | '.join(row)} |" for row in rows()) if row not in text] == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("README.md", rf"version {re.escape(VERSION)} "),
        ("README.ru.md", rf"версия {re.escape(VERSION)} "),
        ("CITATION.cff", rf"^version: {re.escape(VERSION)}$"),
        ("CHANGELOG.md", rf"^## \[{re.escape(VERSION)}\] - \d{{4}}-\d\d-\d\d$"),
    ],
)
def test_the_version_is_the_same_everywhere(name: str, told: str) -> None:
    assert re.search(told, (ROOT / name).read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", READMES)
def test_the_torch_that_is_named_is_the_one_that_is_pinned(name: str) -> None:
    pinned = re.findall(r"^torch==(\S+)$", (ROOT / "requirements.txt").read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"torch==([\d.]+)", (ROOT / name).read_text("utf-8")) == pinned


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(
        r"^#+ +(.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in ROOT.rglob("*.md")
    if not {".venv", "golden", "output", "data", "runs"} & set(path.relative_to(ROOT).parts)
)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    text = page.read_text("utf-8")
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("name", READMES)
def test_pictures_are_small_and_can_be_read_aloud(name: str) -> None:
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", (ROOT / name).read_text("utf-8"))
    assert len(pictures) >= 4
    assert all(told for told, _ in pictures)
    assert [file for _, file in pictures if (ROOT / file).stat().st_size > 300_000] == []


def test_no_readme_is_too_long() -> None:
    lengths = [len((ROOT / name).read_text("utf-8").splitlines()) for name in READMES]
    assert max(lengths) <= 450
    assert abs(lengths[0] - lengths[1]) <= 40
