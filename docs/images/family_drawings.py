"""Draws how the family's sequences are laid out, and what each member may look back at: `family_*.svg` in this folder.

    python -m docs.images.family_drawings

Every mask comes from the code that the models run (`models.rudolph.masks`), every length of a model of this project
from its configuration. Lengths and patterns of the ancestors are those of their papers, which docs/family.md names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.dalle import SIZES as DALLE_SIZES
from models.rudolph.config import SIZES, Config
from models.rudolph.geometry import Geometry, MaskKind
from models.rudolph.masks import image_mask, sequence_mask

FOLDER = Path(__file__).parent
WIDTH = 880  # of every drawing, in pixels

RUDOLPH = Config(
    num_layers=8,
    hidden_size=8,
    num_attention_heads=1,
    vocab_size=100,
    l_text_seq_length=8,
    image_tokens_per_dim=6,
    r_text_seq_length=8,
    kernel_size=3,
    last_kernel_size=5,
)
"""A RUDOLPH small enough that each cell of its masks can be seen; its kinds of layers are those of the large ones."""
MALEVICH, MALEVICH_V2 = (DALLE_SIZES[name] for name in ("Malevich", "Malevich_v2"))
RUDOLPH_2_7B = SIZES["2.7B-FBC2"]
VIEWPOINT = (4, 1)  # the code that looks stands in the fourth row from below, and one column from the left border


@dataclass(frozen=True)
class PaperFigure(Geometry):
    """DALL-E as small as in its paper's drawing: six ids of text, 4 x 4 codes, a window of 3 x 3.

    The paper only says that the window wraps; here it does so round both borders, as ruDALL-E's second version has it.
    """

    l_text_seq_length: int = 6
    image_tokens_per_dim: int = 4
    kernel_size: int = 3
    wraps: bool = True


@dataclass(frozen=True)
class Part:
    """Some positions of a sequence that follow each other: `kind` is left, image or right."""

    kind: str
    length: int
    label: str


@dataclass(frozen=True)
class Layout:
    """How a model's sequence is laid out, from its first position on."""

    name: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Panel:
    """A mask to draw: bool `[queries, keys]`, or `[rows, columns]` of a picture's codes that one of them sees.

    Attributes:
        key: names it in the drawing.
        title, note: what is written above and below it.
        mask: what is seen.
        kinds: the kind of each column, as that of a `Part`.
        looking: row and column of the code that looks; None where the mask is of all queries.

    """

    key: str
    title: str
    note: str
    mask: Tensor
    kinds: tuple[str, ...]
    looking: tuple[int, int] | None = None


def layouts() -> list[Layout]:
    """Sequences of the line: those of models of this project from their configurations."""
    rudolphs = {"RUDOLPH-350M": SIZES["350M"], "RUDOLPH-1.3B": SIZES["1.3B"], "RUDOLPH-2.7B": RUDOLPH_2_7B}
    return [
        Layout("Image GPT", (Part("image", 1024, "32 x 32 colours"),)),
        Layout("DALL-E", (Part("left", 256, "text: 256"), Part("image", 1024, "32 x 32 codes"))),
        Layout("ruDALL-E XL, v2", _parts(MALEVICH_V2, "text")),
        Layout("ruDALL-E XL, v3", _parts(MALEVICH, "text")),
        *(Layout(name, _parts(config, "left")) for name, config in rudolphs.items()),
    ]


def _parts(config: Geometry, left: str) -> tuple[Part, ...]:
    side, text, right = config.image_tokens_per_dim, config.prompt_length, config.r_text_seq_length
    doubled = text - config.l_text_seq_length
    label = f"{left}: {config.l_text_seq_length}" + (" + BOS" if doubled else "")
    codes = config.total_seq_length - text - right
    missing = f", {config.image_seq_length - codes} without a place" if codes < config.image_seq_length else ""
    parts = [Part("left", text, label), Part("image", codes, f"{side} x {side} codes{missing}")]
    return (*parts, *([Part("right", right, f"right: {right}")] if right else []))


def mask_panels() -> list[list[Panel]]:
    """Whole masks, a row of panels for each stage of the line."""
    colours, figure, image = 6, PaperFigure(), ("image",) * 36
    dense = torch.ones(colours**2, colours**2, dtype=torch.bool).tril()
    before = [
        Panel("image-gpt", "Image GPT", "itself and all before", dense, image),
        Panel("strided-1", "Sparse Transformer, head 1", "itself and the last 6", image_mask("row", colours, 0), image),
        Panel("strided-2", "Sparse Transformer, head 2", "itself and every 6th", image_mask("col", colours, 0), image),
    ]
    kinds = _kinds(figure)
    dalle = [
        Panel("dalle-row", "DALL-E, row", "", sequence_mask("row", figure), kinds),
        Panel("dalle-col", "DALL-E, column", "", sequence_mask("col", figure), kinds),
        Panel(
            "dalle-conv",
            "DALL-E, convolution",
            "3 x 3, wrapped as in ruDALL-E v2",
            sequence_mask("conv", figure),
            kinds,
        ),
    ]
    names = {"row": "row", "col": "column", "conv": "convolution", "last_conv": "last layer"}
    windows = {"conv": f"{RUDOLPH.kernel_size} x {RUDOLPH.kernel_size}"}
    windows["last_conv"] = f"{RUDOLPH.last_kernel_size} x {RUDOLPH.last_kernel_size}"
    kinds = _kinds(RUDOLPH)
    rudolph = [
        Panel(f"rudolph-{kind}", f"RUDOLPH, {names[kind]}", windows.get(kind, ""), sequence_mask(kind, RUDOLPH), kinds)
        for kind in RUDOLPH.mask_kinds
    ]
    return [before, dalle, rudolph]


def _kinds(config: Geometry) -> tuple[str, ...]:
    parts = {"left": config.l_text_seq_length, "image": config.image_seq_length, "right": config.r_text_seq_length}
    return tuple(kind for kind, length in parts.items() for _ in range(length))


def sight_panels() -> list[list[Panel]]:
    """What one code sees of the codes before it, at the published sizes."""
    size, last = RUDOLPH_2_7B.kernel_size, RUDOLPH_2_7B.last_kernel_size
    return [
        [
            _sight("malevich-row", "ruDALL-E XL, row", "", MALEVICH, "row"),
            _sight("malevich-col", "column", "", MALEVICH, "col"),
            _sight("malevich-conv", "last layer, v3", "11 x 11, ends at the border", MALEVICH, "conv"),
            _sight("malevich-v2-conv", "last layer, v2", "11 x 11, wrapped", MALEVICH_V2, "conv"),
        ],
        [
            _sight("rudolph-2.7B-row", "RUDOLPH-2.7B, row", "", RUDOLPH_2_7B, "row"),
            _sight("rudolph-2.7B-col", "column", "", RUDOLPH_2_7B, "col"),
            _sight("rudolph-2.7B-conv", "every fourth layer", f"{size} x {size}", RUDOLPH_2_7B, "conv"),
            _sight("rudolph-2.7B-last_conv", "last layer", f"{last} x {last}", RUDOLPH_2_7B, "last_conv"),
        ],
    ]


def _sight(key: str, title: str, note: str, config: Geometry, kind: MaskKind) -> Panel:
    side = config.image_tokens_per_dim
    row, column = side - VIEWPOINT[0], VIEWPOINT[1]
    first = config.prompt_length  # where the picture's first code stands
    seen = sequence_mask(kind, config)[first + row * side + column, first:][: side * side]
    seen = torch.nn.functional.pad(seen, (0, side * side - len(seen)))  # version 2's last code has no place
    return Panel(key, title, note, seen.view(side, side), ("image",) * side, (row, column))


STYLE = """  <style>
    svg { --ink: #1f2328; --soft: #59636e; --line: #8c959f; --left: #7aaef5; --image: #e8b339; --right: #6cc286; }
    @media (prefers-color-scheme: dark) {
      svg { --ink: #f0f6fc; --soft: #9198a1; --line: #6e7681; --left: #3f78c4; --image: #b98a1c; --right: #3f9a5c; }
    }
    text { fill: var(--ink); text-anchor: middle; }
    .soft { fill: var(--soft); font-size: 12px; }
    .name { text-anchor: end; }
    .frame { fill: none; stroke: var(--line); stroke-width: 1; }
    .left { fill: var(--left); } .image { fill: var(--image); } .right { fill: var(--right); }
    .looking { fill: var(--ink); }
  </style>"""


def _drawing(title: str, height: int, body: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title" '
        "font-family=\"system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif\" font-size=\"14\">"
    )
    return "\n".join([head, f'  <title id="title">{title}</title>', STYLE, *body, "</svg>", ""])


def runs(row: Tensor) -> Iterator[tuple[int, int]]:
    """Yield (first, length) of each stretch of True in a bool row."""
    edges = torch.nn.functional.pad(row.int(), (1, 1)).diff()
    for start, stop in zip((edges == 1).nonzero()[:, 0], (edges == -1).nonzero()[:, 0], strict=True):
        yield int(start), int(stop - start)


def _cells(panel: Panel) -> Iterator[str]:
    """Yield a path for each kind of column: a rectangle for each stretch of cells, a cell being 1 x 1."""
    for kind in dict.fromkeys(panel.kinds):
        of_kind = torch.tensor([each == kind for each in panel.kinds])
        steps = [
            f"M{start} {number}h{length}v1h-{length}z"
            for number, row in enumerate(panel.mask)
            for start, length in runs(row & of_kind)
        ]
        yield f'<path class="{kind}" d="{"".join(steps)}"/>'


def _panel(panel: Panel, left: float, top: float, side: float) -> Iterator[str]:
    scale = side / panel.mask.shape[0]
    yield f'  <text x="{left + side / 2:g}" y="{top - 8:g}">{panel.title}</text>'
    yield f'  <g id="{panel.key}" transform="translate({left:g} {top:g}) scale({scale:.6g})">'
    yield from (f"    {path}" for path in _cells(panel))
    if panel.looking is not None:
        row, column = panel.looking
        yield f'    <path class="looking" d="M{column} {row}h1v1h-1z"/>'
    yield "  </g>"
    yield f'  <rect class="frame" x="{left:g}" y="{top:g}" width="{side:g}" height="{side:g}"/>'
    if panel.note:
        yield f'  <text class="soft" x="{left + side / 2:g}" y="{top + side + 16:g}">{panel.note}</text>'


def _rows_of_panels(title: str, rows: Sequence[Sequence[Panel]], side: float, legend: str) -> str:
    body, top = [f'  <text class="soft" x="{WIDTH / 2:g}" y="18">{legend}</text>'], 54.0
    for row in rows:
        gap = (WIDTH - len(row) * side) / len(row)
        for number, panel in enumerate(row):
            body += _panel(panel, gap / 2 + number * (side + gap), top, side)
        top += side + 56
    return _drawing(title, round(top - 20), body)


def layouts_drawing() -> str:
    """Return the sequences of the line, drawn to one scale."""
    scale, left, height = 0.55, 150, 30
    body = []
    for number, layout in enumerate(layouts()):
        start, top = float(left), 20 + number * 50
        body.append(f'  <text class="name" x="{left - 12}" y="{top + 20}">{layout.name}</text>')
        for part in layout.parts:
            width = part.length * scale
            frame = f'x="{start:g}" y="{top}" width="{width:g}" height="{height}"'
            body.append(f'  <rect class="{part.kind}" {frame}/><rect class="frame" {frame}/>')
            body.append(f'  <text class="soft" x="{start + width / 2:g}" y="{top + height + 14}">{part.label}</text>')
            start += width
    return _drawing("Sequences from Image GPT to RUDOLPH, drawn to one scale", 20 + len(layouts()) * 50, body)


def drawings() -> dict[str, str]:
    """Return all drawings by the names of their files."""
    whole = "rows look, columns are seen; blue: text or left text, amber: image, green: right text"
    one = "amber: the codes that the black one sees; it also sees the whole text before the picture"
    return {
        "family_layouts.svg": layouts_drawing(),
        "family_masks.svg": _rows_of_panels("Attention masks of the family", mask_panels(), 196, whole),
        "family_sights.svg": _rows_of_panels("What one code of a picture sees", sight_panels(), 196, one),
    }


def main() -> None:
    """Write the drawings, and say where."""
    for name, text in drawings().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(FOLDER / name)


if __name__ == "__main__":
    main()
