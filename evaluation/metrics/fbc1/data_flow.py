"""CodeBLEU's last part: which of the reference's data-flow edges the prediction has, names of variables aside.

An edge says of one place in the code which places its value comes from. The edges follow Guo et al. (GraphCodeBERT) as
the organisers' scripts use them, shortcuts included: strings are single tokens, a loop's body is walked twice, what
follows a loop's `else` is not looked at, and code that the walk can not digest has no edges at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar

from evaluation.metrics.fbc1.python_trees import Span, Tree, parse

Known: TypeAlias = Mapping[str, tuple[int, ...]]
"""Where a variable last got its value: tokens' numbers by name."""

T = TypeVar("T")

COMES_FROM, COMPUTED_FROM = "comesFrom", "computedFrom"

MAX_DEPTH = 990
"""Deeper trees have no edges: about there the published scripts end in a RecursionError, which they swallow."""

_STRINGS = ("string_literal", "string", "character_literal")


class Token(NamedTuple):
    """A leaf of the tree: its number in the code, and its text."""

    place: int
    text: str


@dataclass(frozen=True, slots=True)
class Edge:
    """A token, and the tokens that its value comes from: names and places, each in order of appearance."""

    name: str
    place: int
    kind: str
    names: tuple[str, ...] = ()
    places: tuple[int, ...] = ()

    def joined(self, other: Edge) -> Edge:
        """Return the other edge of the same place with the sources of both."""
        return Edge(
            other.name, other.place, other.kind, _once(self.names + other.names), _once(self.places + other.places)
        )


class _IndigestibleError(Exception):
    """The walk meets a node without the fields that its kind has: the code is broken there."""


def flow_counts(reference: str, prediction: str) -> tuple[int, int]:
    """Return how many of the reference's edges the prediction has, each used once, and how many there are.

    >>> flow_counts("a = 1\\nb = a", "x = 2\\ny = x"), flow_counts("a = 1\\nb = a", "x = 2")
    ((4, 4), (2, 4))
    """
    expected, given = Counter(_renamed(edges_of(reference))), Counter(_renamed(edges_of(prediction)))
    return (expected & given).total(), expected.total()


def edges_of(code: str) -> list[Edge]:
    """Return the code's edges in order of place, one a place, without tokens that nothing flows to or from.

    >>> [(edge.name, edge.names) for edge in edges_of("a = 1")]
    [('a', ('1',)), ('1', ())]
    """
    root = parse(code)
    try:
        edges, _ = _Walk(_tokens(root, code.split("\n"))).through(root)
    except _IndigestibleError:
        return []
    connected = {edge.place for edge in edges if edge.places}.union(*(edge.places for edge in edges))
    by_place: dict[int, Edge] = {}
    for edge in _in_order(edges):
        if edge.place in connected:
            by_place[edge.place] = by_place[edge.place].joined(edge) if edge.place in by_place else edge
    return list(by_place.values())


def _renamed(edges: Iterable[Edge]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Give variables numbers in order of appearance: two programs may name them differently."""
    numbers: dict[str, str] = {}

    def number(name: str) -> str:
        return numbers.setdefault(name, f"var_{len(numbers)}")

    renamed = []
    for edge in edges:
        names = tuple(map(number, edge.names))
        renamed.append((number(edge.name), edge.kind, names))
    return renamed


def _tokens(root: Tree, lines: Sequence[str]) -> dict[Span, Token]:
    # Two empty tokens may share a span, and then a number: the later one's.
    spans = [leaf.span for leaf in _leaves(root)]
    return {span: Token(place, _text(span, lines)) for place, span in enumerate(spans)}


def _leaves(root: Tree) -> Iterator[Tree]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if _is_leaf(node):
            yield node
        else:
            waiting += reversed(node.children)


def _is_leaf(node: Tree) -> bool:
    return (not node.children or node.kind in _STRINGS) and node.kind != "comment"


def _text(span: Span, lines: Sequence[str]) -> str:
    """Cut a token out of lines of text. The columns count bytes, as in the scripts: other alphabets shift it."""
    (top, left), (bottom, right) = span
    if top == bottom:
        return lines[top][left:right]
    return "".join([lines[top][left:], *lines[top + 1 : bottom], lines[bottom][:right]])


Walked: TypeAlias = tuple[list[Edge], Known]
"""Edges, and where variables have their values after them."""
Visit: TypeAlias = Generator[tuple[Tree, Known], Walked, Walked]
"""A visit to a node: asks for visits to others, given what is known before them, and ends with its own outcome."""


class _Walk:
    """Visits the nodes of a tree from the top. Visits wait on a list, not on Python's stack, for deep code."""

    def __init__(self, tokens: Mapping[Span, Token]) -> None:
        self._tokens = tokens
        self._visitors: Mapping[str, Callable[[Tree, Known], Visit]] = {
            "default_parameter": self._default,
            "assignment": self._assignment,
            "augmented_assignment": self._assignment,
            "for_in_clause": self._clause,
            "if_statement": self._if,
            "for_statement": self._for,
            "while_statement": self._while,
        }
        # A loop in a loop in a loop is walked eight times, mostly with the same variables known before it.
        self._loops: dict[tuple[Tree, frozenset[tuple[str, tuple[int, ...]]]], Walked] = {}

    def through(self, root: Tree) -> Walked:
        """Return the edges of a whole tree. Raises _IndigestibleError."""
        open_ = [self._visit(root, {})]
        outcome: Walked | None = None
        while open_:
            if len(open_) > MAX_DEPTH:
                raise _IndigestibleError
            try:
                asked = next(open_[-1]) if outcome is None else open_[-1].send(outcome)
            except StopIteration as end:
                open_.pop()
                outcome = end.value
            else:
                open_.append(self._visit(*asked))
                outcome = None
        assert outcome is not None, "a visit ends with an outcome"
        return outcome

    def _visit(self, node: Tree, known: Known) -> Visit:
        if _is_leaf(node):
            return self._leaf(node, known)
        is_loop = node.kind in ("for_statement", "while_statement")
        key = node, frozenset(known.items()) if is_loop else frozenset()
        if is_loop and key in self._loops:
            return self._loops[key]
        edges, known = yield from self._visitors.get(node.kind, self._others)(node, known)
        outcome = _in_order(edges), known
        if is_loop:
            self._loops[key] = outcome
        return outcome

    def _leaf(self, node: Tree, known: Known) -> Walked:
        place, text = self._tokens[node.span]
        if node.kind == text:  # a keyword or a mark
            return [], known
        if text in known:
            return [Edge(text, place, COMES_FROM, (text,), known[text])], known
        after = {**known, text: (place,)} if node.kind == "identifier" else known
        return [Edge(text, place, COMES_FROM)], after

    def _others(self, node: Tree, known: Known) -> Visit:
        # The clauses of a comprehension stand behind the expression that uses their variables.
        ordered = sorted(node.children, key=lambda child: child.kind != "for_in_clause")
        return (yield from self._one_by_one(ordered, known))

    def _one_by_one(self, nodes: Iterable[Tree], known: Known) -> Visit:
        edges: list[Edge] = []
        for node in nodes:
            found, known = yield node, known
            edges += found
        return edges, known

    def _default(self, node: Tree, known: Known) -> Visit:
        names, value = self._variables(_field(node, "name")), _field(node, "value")
        edges, known = yield from self._one_by_one([value], known)
        sources = self._variables(value)
        for name in names:
            edges += [Edge(name.text, name.place, COMES_FROM, (it.text,), (it.place,)) for it in sources]
        return edges, _assigned(known, names)

    def _assignment(self, node: Tree, known: Known) -> Visit:
        if node.field("right") is None:  # a bare annotation
            return [], known
        return (yield from self._assigning(*_pairs(node), known))

    def _clause(self, node: Tree, known: Known) -> Visit:
        return (yield from self._assigning([_field(node, "left")], [node.children[-1]], known))

    def _assigning(self, targets: Sequence[Tree], values: Sequence[Tree], known: Known) -> Visit:
        edges, known = yield from self._one_by_one(values, known)
        for target, value in zip(targets, values, strict=True):
            sources, names = self._variables(value), self._variables(target)
            texts, places = tuple(it.text for it in sources), tuple(it.place for it in sources)
            edges += [Edge(name.text, name.place, COMPUTED_FROM, texts, places) for name in names]
            known = _assigned(known, names)
        return edges, known

    def _if(self, node: Tree, known: Known) -> Visit:
        edges: list[Edge] = []
        main, branches = known, []
        for child in node.children:
            is_branch = child.kind in ("elif_clause", "else_clause")
            found, after = yield child, known if is_branch else main
            edges += found
            if is_branch:
                branches.append(after)
            else:
                main = after
        branches.append(main)
        if not any("else" in child.kind for child in node.children):
            branches.append(known)
        merged: dict[str, tuple[int, ...]] = {}
        for branch in branches:
            for name, places in branch.items():
                merged[name] = merged.get(name, ()) + places
        return edges, {name: tuple(sorted(set(places))) for name, places in merged.items()}

    def _for(self, node: Tree, known: Known) -> Visit:
        targets, values = _pairs(node)
        body = [node.children[-1]] if node.children[-1].kind == "block" else []
        edges: list[Edge] = []
        for _ in range(2):  # what the body assigns reaches its own beginning
            found, known = yield from self._assigning(targets, values, known)
            edges += found
            found, known = yield from self._one_by_one(body, known)
            edges += found
        return _merged(edges), known

    def _while(self, node: Tree, known: Known) -> Visit:
        first, known = yield from self._one_by_one(node.children, known)
        second, known = yield from self._one_by_one(node.children, known)
        return _merged(first + second), known

    def _variables(self, node: Tree) -> list[Token]:
        """Return a node's leaves that are no keywords and no marks: names, and values as they are written."""
        leaves = [(leaf.kind, self._tokens[leaf.span]) for leaf in _leaves(node)]
        return [token for kind, token in leaves if kind != token.text]


def _assigned(known: Known, names: Iterable[Token]) -> Known:
    return {**known, **{name.text: (name.place,) for name in names}}


def _field(node: Tree, name: str) -> Tree:
    child = node.field(name)
    if child is None:
        raise _IndigestibleError
    return child


def _pairs(node: Tree) -> tuple[list[Tree], list[Tree]]:
    """Return targets and values one by one where their numbers agree (`a, b = 1, 2`), else each side as a whole."""
    left, right = _field(node, "left"), _field(node, "right")
    targets, values = ([child for child in side.children if child.kind != ","] for side in (left, right))
    if len(targets) != len(values) or not targets:
        return [left], [right]
    return targets, values


def _in_order(edges: Iterable[Edge]) -> list[Edge]:
    return sorted(edges, key=lambda edge: edge.place)


def _merged(edges: Iterable[Edge]) -> list[Edge]:
    """Make one edge of those that two walks through a loop gave for one token."""
    merged: dict[tuple[str, int, str], Edge] = {}
    for edge in edges:
        key = (edge.name, edge.place, edge.kind)
        merged[key] = merged[key].joined(edge) if key in merged else edge
    return [Edge(edge.name, edge.place, edge.kind, edge.names, tuple(sorted(edge.places))) for edge in merged.values()]


def _once(values: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))
