"""No module of the rooms imports itself by way of others, imports inside functions included."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_floors import ROOT, imported_names, module_of, room_files


class _WithoutTypeChecking(ast.NodeTransformer):
    """Takes out what only type checkers read."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        if ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            return node.orelse
        return self.generic_visit(node)


def imports_of(sources: dict[str, str], paths: dict[str, Path]) -> dict[str, set[str]]:
    """Module -> those of the given modules that it imports; a name of a package's counts as the package."""

    def known(source: str, path: Path) -> Iterator[str]:
        for _, name in imported_names(ast.unparse(_WithoutTypeChecking().visit(ast.parse(source))), path):
            yield next((part for part in (name, name.rpartition(".")[0]) if part in sources), "")

    return {module: set(known(source, paths[module])) - {"", module} for module, source in sources.items()}


def circle(imports: dict[str, set[str]]) -> list[str]:
    """The modules of one circle, in order; empty if there is none."""
    done: set[str] = set()

    def search(module: str, way: list[str]) -> list[str]:
        if module in way:
            return way[way.index(module) :]
        if module in done:
            return []
        for other in sorted(imports.get(module, ())):
            if found := search(other, [*way, module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(imports) if (found := search(module, []))), [])


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ({"a": "import b", "b": "import c", "c": "import os"}, []),
        ({"a": "import b", "b": "from c import x", "c": "def f():\n    import a"}, ["a", "b", "c"]),
        ({"a": "import b", "b": "if TYPE_CHECKING:\n    import a"}, []),
        ({"a": "import b", "b": "if not TYPE_CHECKING:\n    import a"}, ["a", "b"]),
        ({"a": "import b", "b": "if TYPE_CHECKING:\n    import c\nelse:\n    import a", "c": ""}, ["a", "b"]),
        ({"p": "", "p.a": "from p import b", "p.b": "from . import a"}, ["p.a", "p.b"]),
    ],
)
def test_circle_search_finds_circles_alone(sources: dict[str, str], found: list[str]) -> None:
    paths = {module: Path(*module.split(".")).with_suffix(".py") for module in sources}
    assert circle(imports_of(sources, paths)) == found


def test_no_module_imports_itself_by_way_of_others() -> None:
    paths = {module_of(path): path for path in room_files()}
    sources = {module: (ROOT / path).read_text("utf-8") for module, path in paths.items()}
    assert circle(imports_of(sources, paths)) == []
