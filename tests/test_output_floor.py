"""Whatever is printed, and every row of a CSV, goes through `contest.console`: text from strangers stays text."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = (
    "errors",
    "contest",
    "pages",
    "models",
    "submission",
    "training",
    "data_prep",
    "evaluation",
    "abilities",
    "fetch",
)
# Where it is done by hand: the functions themselves, lines that are written over again, and the form of eco2AI's file,
# which eco2AI reads.
BY_HAND = ("contest/console.py", "evaluation/progress.py", "submission/progress.py", "contest/emissions/files.py")
STREAMS = ("sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__")
MADE_TEXT = ("printable", "one_line")


def is_call_of(node: ast.AST, *names: str) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in names


def is_rows_of_text(node: ast.AST) -> bool:
    """`map(csv_row, ...)`, or a comprehension of `csv_row(...)`."""
    if isinstance(node, ast.GeneratorExp | ast.ListComp):
        return is_call_of(node.elt, "csv_row")
    return isinstance(node, ast.Call) and is_call_of(node, "map") and ast.unparse(node.args[0]).endswith("csv_row")


def raw_output(source: str) -> Iterator[int]:
    """Yield the lines that print, draw a bar or write a CSV row past `contest.console`."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called, first = ast.unparse(node.func), node.args[0] if node.args else None
        name = called.split(".")[-1]
        to_stream = called.removesuffix(".write").removesuffix(".writelines") in STREAMS and name.startswith("write")
        through = first is not None and is_call_of(first, *MADE_TEXT)
        if (
            called in ("print", "csv.DictWriter", "DictWriter", "traceback.print_exc", "warnings.warn_explicit")
            or ((to_stream or called == "tqdm.write") and not through)
            or (called == "tqdm" and not any(ast.unparse(it) == "disable=no_bar()" for it in node.keywords))
            or (name == "writerow" and not (first is not None and is_call_of(first, "csv_row")))
            or (name == "writerows" and not (first is not None and is_rows_of_text(first)))
        ):
            yield node.lineno


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("print(name)", True),
        ("print(name, file=sys.stderr)", True),
        ("sys.stderr.write(name)", True),
        ("sys.stdout.write(printable(name))", False),
        ("tqdm.write(f'{name}')", True),
        ("tqdm.write(console.one_line(name))", False),
        ("tqdm(disable=None)", True),
        ("tqdm(total=7, disable=no_bar())", False),
        ("csv.writer(stream).writerow([name])", True),
        ("csv.writer(stream).writerow(csv_row([name]))", False),
        ("writer.writerows(rows)", True),
        ("writer.writerows(map(csv_row, rows))", False),
        ("writer.writerows(csv_row(row) for row in rows)", False),
        ("writer.writerows(row for row in rows)", True),
        ("csv.DictWriter(stream, names)", True),
        ("say(name)\nshow(name)\nfile.write(name)\nfingerprint(name)", False),
    ],
)
def test_the_checker_sees_what_goes_past_the_console(source: str, found: bool) -> None:
    assert bool(list(raw_output(source))) is found


def test_every_room_prints_through_the_console() -> None:
    files = [path.relative_to(ROOT) for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    found = [
        f"{path}:{line}"
        for path in files
        if path.as_posix() not in BY_HAND
        for line in raw_output((ROOT / path).read_text("utf-8"))
    ]
    assert found == []
