"""What the pages of docs/ show is so: every command is one that the programs take, every file and link is there."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from contest.command_line import parser_of
from training.tune.settings_file import read_settings

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
PROGRAMS = ("abilities", "data_prep", "evaluation", "fetch", "submission", "training")
OURS = re.compile(rf"-m (?:{'|'.join(PROGRAMS)})\b")


def shown(page: Path) -> list[str]:
    """The lines of a page's indented blocks, those that go on joined."""
    blocks = re.findall(r"(?:^    .*\n)+", page.read_text("utf-8"), re.MULTILINE)
    return [line.strip().removeprefix("$ ") for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def words_of(line: str) -> list[str]:
    """The words from the program's name on, also of a command that is handed to another one in quotation marks."""
    words = shlex.split(line, comments=True)
    handed = [word for word in words if OURS.search(word)]
    words = shlex.split(handed[0]) if handed else words
    places = (place for place, word in enumerate(words[:-1], 1) if word == "-m" and words[place] in PROGRAMS)
    return words[next(places) :]


COMMANDS = [(page.name, words_of(line)) for page in PAGES for line in shown(page) if OURS.search(line)]


def test_commands_are_found() -> None:
    assert len(COMMANDS) >= 40
    assert {words[0] for _, words in COMMANDS} == set(PROGRAMS)
    assert words_of('sbatch --wrap "$PYTHON -m data_prep merge --output /x"  # later') == [
        *("data_prep", "merge", "--output", "/x")
    ]


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=lambda value: value if isinstance(value, str) else value[1])
def test_a_program_takes_the_command(page: str, words: list[str]) -> None:
    program = importlib.import_module(f"{words[0]}.__main__").PROGRAM
    options = parser_of(program, words[1]).parse_args(words[1:])
    assert callable(options.run)
    if words[:2] == ["training", "tune"]:
        settings = [word for word in words if "=" in word]
        read_settings(ROOT / "training/configs/fbc2.yaml", [*settings, "output=runs/any"])


@pytest.mark.parametrize("command", ["evaluation score --sample x", "training push", "evaluation attempts days --db x"])
def test_a_command_that_is_none_is_told(command: str) -> None:
    with pytest.raises(SystemExit):
        test_a_program_takes_the_command("", command.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_links_are_there(page: Path) -> None:
    text = page.read_text("utf-8")
    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link}
    named = set(re.findall(r"\b(?:docker|docs|tests|benchmarks|training)/[\w/-]*\.(?:sh|sbatch|py|md|yaml)\b", text))
    assert [link for link in sorted(links) if link and not (page.parent / link).exists()] == []
    assert [path for path in sorted(named) if not (ROOT / path).is_file()] == []


def test_the_settings_of_others_shards_are_settings(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs/training_data.md").read_text("utf-8"), re.M | re.S)
    whole = (ROOT / "training/configs/fbc2.yaml").read_text("utf-8")
    (tmp_path / "example.yaml").write_text(re.sub(r"^tasks:\n(?: .*\n|\n)+", example, whole, flags=re.M), "utf-8")
    tasks = read_settings(tmp_path / "example.yaml", ["output=runs/any"]).tasks
    assert {name: task.val_shards for name, task in tasks.items() if task.val_shards} == {
        "captioning": "val/*.tar",
        "vqa": "validation-*.parquet",
        "generation": "val/*.tar",
    }
