"""Which of our own files a module needs to run elsewhere: its imports, theirs, and the data beside them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]


def files_needed(module: str, root: Path = ROOT) -> Mapping[PurePosixPath, Path]:
    """Return the files that importing a module, and calling whatever is in it, may ask for, by path below `root`.

    Imports are followed wherever they stand in a source, but for those that only a type checker sees. What is no
    source comes along with the package that it lies in, such as a package's templates.

    Args:
        module: its dotted name.
        root: the folder with our packages; what is imported from elsewhere is not ours.

    Raises FileNotFoundError if there is no such module.

    """
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _source_of(name, root)
        if name in found or path is None:
            continue
        found[name] = path
        waiting += [name.rpartition(".")[0], *_imports(path)]
    if module not in found:
        raise FileNotFoundError(2, "there is no such module", module)
    sources = set(found.values())
    folders = {path.parent for path in sources if path.name == "__init__.py"}
    data = {path for folder in folders for path in _data_of(folder)}
    return {PurePosixPath(path.relative_to(root).as_posix()): path for path in sorted(sources | data)}


def _source_of(module: str, root: Path) -> Path | None:
    base = root.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if module and path.is_file()), None)


def _imports(path: Path) -> Iterator[str]:
    """Yield the dotted names that a source imports; of `from a import b` both `a` and `a.b`, as either may be one."""
    waiting: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def _data_of(package: Path) -> Iterator[Path]:
    """Yield the files of a package that are no sources, also in its folders that are no packages."""
    for path in package.iterdir():
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            yield path
        elif path.is_dir() and path.name != "__pycache__" and not (path / "__init__.py").is_file():
            yield from _data_of(path)
