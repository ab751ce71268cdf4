"""Python code as a syntax tree, and CodeBLEU's third part: which subtrees of the reference the prediction has.

The organisers' parser is a binary (grammar ABI 11) that stands in no package index. Ours is tree-sitter's current
grammar, named with its version in every signature, whose trees are brought into the shape of that one where it is
known: there a target or a value of an assignment is a list, even of one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from hashlib import blake2b
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeAlias

from evaluation.metrics.fbc1.errors import GrammarMissingError

if TYPE_CHECKING:
    import tree_sitter

GRAMMAR = "tree-sitter-python"

Span: TypeAlias = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Tree:
    """A node and all below it.

    Attributes:
        kind: what the grammar calls it; of a keyword or a mark its text.
        span: (line, column in bytes) of its beginning and its end.
        children: all of them, in order, keywords and marks too.
        role: the field of its parent that it fills; empty where none.
        is_named: whether an S-expression shows it.

    """

    kind: str
    span: Span
    children: tuple[Tree, ...] = ()
    role: str = ""
    is_named: bool = True

    def field(self, role: str) -> Tree | None:
        """Return the first child in a role."""
        return next((child for child in self.children if child.role == role), None)

    @cached_property
    def shape(self) -> bytes:
        """A digest of the S-expression without the texts of leaves: of the kinds of named nodes, and their roles."""
        digest = blake2b(self.kind.encode(), digest_size=16)
        for child in self.children:
            if child.is_named:
                digest.update(b"\0" + child.role.encode() + b"\0" + child.shape)
        return digest.digest()


def grammar_name() -> str:
    """Return the grammar and its version, for signatures. Raises GrammarMissingError if there is none."""
    _parser()
    return f"{GRAMMAR}-{version(GRAMMAR)}"


@lru_cache(maxsize=64)
def parse(code: str) -> Tree:
    """Return the code's tree; broken code has nodes of kind ERROR. Raises GrammarMissingError."""
    return _tree(_parser().parse(code.encode("utf-8", "replace")).root_node)


def syntax_counts(reference: str, prediction: str, *, clipped: bool = False) -> tuple[int, int]:
    """Return how many of the reference's subtrees are among the prediction's, and how many there are.

    A subtree is a node with children, or the root. One of the prediction's may match several of the reference's,
    unless they are `clipped`. Raises GrammarMissingError.

    >>> syntax_counts("a = 1", "b = c"), syntax_counts("a = 1", "b = 2")
    ((1, 5), (5, 5))
    """
    expected, given = Counter(_subtrees(parse(reference))), Counter(_subtrees(parse(prediction)))
    matched = sum(
        min(count, given[shape]) if clipped else count * (shape in given) for shape, count in expected.items()
    )
    return matched, expected.total()


def _subtrees(root: Tree) -> Iterator[bytes]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node.shape
        waiting += [child for child in node.children if child.children]


def _tree(root: tree_sitter.Node) -> Tree:
    # From the leaves up, without recursion: code may be nested deeper than Python's stack.
    cursor = root.walk()
    siblings: list[list[Tree]] = [[]]
    while True:
        if cursor.goto_first_child():
            siblings.append([])
            continue
        siblings[-1].append(_closed(cursor, ()))
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return siblings[0][0]
            children = siblings.pop()
            siblings[-1].append(_closed(cursor, children))


def _closed(cursor: tree_sitter.TreeCursor, children: Sequence[Tree]) -> Tree:
    node = cursor.node
    assert node is not None, "a cursor stands on a node"
    kind = f'MISSING "{node.type}"' if node.is_missing and not node.is_named else node.type
    span = (node.start_point[0], node.start_point[1]), (node.end_point[0], node.end_point[1])
    tree = Tree(kind, span, tuple(children), cursor.field_name or "", node.is_named or node.is_missing)
    tree = _OLD_SHAPES[kind](tree) if kind in _OLD_SHAPES else tree
    tree.shape  # noqa: B018 - now that those of the children are known
    return tree


def _with(tree: Tree, change: Callable[[Tree], Sequence[Tree]]) -> Tree:
    """Put others in the place of each child."""
    return replace(tree, children=tuple(new for child in tree.children for new in change(child)))


_LISTS = ("expression_list", "pattern_list")
_NO_LIST = ("assignment", "augmented_assignment", "yield")


def _listed(child: Tree, kind: str = "expression_list") -> Tree:
    """Return a child as a list, even of one."""
    if child.kind in _LISTS:
        return replace(child, kind=kind)
    return Tree(kind, child.span, (replace(child, role=""),), child.role)


def _assignment(tree: Tree) -> Tree:
    return _with(
        tree,
        lambda child: [_listed(child) if child.role in ("left", "right") and child.kind not in _NO_LIST else child],
    )


def _loop(tree: Tree) -> Tree:
    kinds = {"left": "variables", "right": "expression_list"}
    return _with(tree, lambda child: [_listed(child, kinds[child.role]) if child.role in kinds else child])


def _clause(tree: Tree) -> Tree:
    return _with(tree, lambda child: [_listed(child, "variables") if child.role == "left" else child])


def _values(tree: Tree) -> Tree:
    return _with(tree, lambda child: [_listed(child) if child.is_named and not child.role else child])


def _yield(tree: Tree) -> Tree:
    return tree if any(child.kind == "from" for child in tree.children) else _values(tree)


def _decorator(tree: Tree) -> Tree:
    """A decorator was a dotted name and perhaps arguments, not any expression."""

    def parts(child: Tree) -> Sequence[Tree]:
        if child.kind == "call":
            return [inner for part in child.children for inner in parts(part)]
        if child.kind in ("identifier", "attribute"):
            return [Tree("dotted_name", child.span, tuple(_names(child)))]
        return [child]

    return _with(tree, parts)


def _names(tree: Tree) -> Iterator[Tree]:
    if tree.kind != "attribute":
        yield replace(tree, role="")
    for child in tree.children:
        yield from _names(child)


def _string(tree: Tree) -> Tree:
    def pieces(child: Tree) -> Sequence[Tree]:
        if child.kind == "string_content":
            return child.children
        return [replace(child, is_named=False)] if child.kind in ("string_start", "string_end") else [child]

    return _with(tree, pieces)


def _interpolation(tree: Tree) -> Tree:
    return _with(tree, lambda child: [replace(child, role="")])


def _flat_alias(tree: Tree) -> Tree:
    """Take a pattern `value as alias` apart, as in an `except`."""

    def parts(child: Tree) -> Sequence[Tree]:
        if child.kind == "as_pattern":
            return [inner for part in child.children for inner in parts(part)]
        return [replace(inner, role="") for inner in child.children] if child.kind == "as_pattern_target" else [child]

    return _with(tree, parts)


def _with_item(tree: Tree) -> Tree:
    flat = _flat_alias(tree)
    named = iter(("value", "alias"))
    return _with(flat, lambda child: [replace(child, role=next(named, "")) if child.is_named else child])


def _with_statement(tree: Tree) -> Tree:
    return _with(tree, lambda child: child.children if child.kind == "with_clause" else [child])


_OLD_SHAPES: Mapping[str, Callable[[Tree], Tree]] = {
    "assignment": _assignment,
    "augmented_assignment": _assignment,
    "for_statement": _loop,
    "for_in_clause": _clause,
    "return_statement": _values,
    "delete_statement": _values,
    "raise_statement": _values,
    "yield": _yield,
    "decorator": _decorator,
    "string": _string,
    "interpolation": _interpolation,
    "except_clause": _flat_alias,
    "with_item": _with_item,
    "with_statement": _with_statement,
}


@lru_cache(maxsize=1)
def _parser() -> tree_sitter.Parser:
    try:
        import tree_sitter
        import tree_sitter_python
    except ModuleNotFoundError as error:
        raise GrammarMissingError(
            f"CodeBLEU parses Python with the package {error.name}, which is not installed",
            "install it with `pip install -r requirements.txt`",
        ) from error
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_python.language()))
