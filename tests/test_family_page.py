"""docs/family.md and its drawings: what is drawn is what the models see, and what the tables say is counted."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from torch import Tensor

from docs.images.family_drawings import (
    MALEVICH,
    MALEVICH_V2,
    RUDOLPH,
    RUDOLPH_2_7B,
    VIEWPOINT,
    drawings,
    layouts,
    mask_panels,
    sight_panels,
)
from models.dalle import Config as DalleConfig
from models.dalle import Dalle
from models.rudolph import Config, Rudolph
from models.rudolph.config import SIZES

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "family.md").read_text(encoding="utf-8")
GROUP = "{http://www.w3.org/2000/svg}g"
RUN = re.compile(r"M(\d+) (\d+)h(\d+)v1h-\3z")


def drawn(key: str, shape: tuple[int, ...]) -> Tensor:
    """Read a mask back from the drawing in the tree: the cells that its rectangles cover."""
    for path in sorted((DOCS / "images").glob("family_*.svg")):
        for group in ElementTree.parse(path).iter(GROUP):
            if group.get("id") == key:
                seen = torch.zeros(shape, dtype=torch.bool)
                for part in group:
                    if part.get("class") != "looking":
                        for column, row, length in RUN.findall(part.attrib["d"]):
                            seen[int(row), int(column) : int(column) + int(length)] = True
                return seen
    raise LookupError(key)


def masks_of(config: Config | DalleConfig) -> dict[str, Tensor]:
    """The masks that a network of this geometry holds and applies; its width is made small."""
    small = replace(config, num_layers=1, hidden_size=8, num_attention_heads=1, vocab_size=400, image_vocab_size=8)
    network = Rudolph(small) if isinstance(small, Config) else Dalle(small)
    return {
        name.removesuffix("_mask"): mask.bool()
        for name, mask in network.transformer.named_buffers()
        if name.endswith("_mask")
    }


@pytest.mark.parametrize("name", drawings())
def test_the_script_draws_what_is_in_the_tree(name: str) -> None:
    assert (DOCS / "images" / name).read_text(encoding="utf-8") == drawings()[name]


def test_what_is_drawn_of_rudolph_is_what_it_sees() -> None:
    held = masks_of(RUDOLPH)
    assert held.keys() == {"row", "col", "conv", "last_conv"}
    for kind, mask in held.items():
        assert torch.equal(drawn(f"rudolph-{kind}", mask.shape), mask), kind


@pytest.mark.parametrize(
    ("name", "config", "kinds"),
    [
        ("malevich", MALEVICH, ("row", "col", "conv")),
        ("malevich-v2", MALEVICH_V2, ("conv",)),
        ("rudolph-2.7B", RUDOLPH_2_7B, ("row", "col", "conv", "last_conv")),
    ],
)
def test_what_a_code_is_drawn_to_see_is_what_it_sees(
    name: str, config: Config | DalleConfig, kinds: tuple[str, ...]
) -> None:
    side = config.image_tokens_per_dim
    first = config.text_seq_length + (config.hf_version == "v2") if isinstance(config, DalleConfig) else 384
    code = (side - VIEWPOINT[0]) * side + VIEWPOINT[1]
    held = masks_of(config)
    for kind in kinds:
        seen = held[kind][first + code, first : first + side * side].tolist()
        expected = torch.tensor(seen + [False] * (side * side - len(seen))).view(side, side)
        assert torch.equal(drawn(f"{name}-{kind}", (side, side)), expected), kind


def test_the_ancestors_are_drawn_as_their_papers_define_them() -> None:
    colours = [(query, key) for query in range(36) for key in range(query + 1)]
    rules = {
        "image-gpt": lambda query, key: True,
        "strided-1": lambda query, key: key >= max(0, query - 6),
        "strided-2": lambda query, key: (query - key) % 6 == 0,
    }
    for name, sees in rules.items():
        cells = {(query, key) for query, key in colours if sees(query, key)}
        assert {tuple(cell) for cell in drawn(name, (36, 36)).nonzero().tolist()} == cells, name

    def near(one: int, other: int) -> bool:
        return min((one - other) % 4, (other - one) % 4) <= 1

    dalle = {
        "dalle-row": lambda query, key: query - key < 5,  # the paper's five: the last is the one above
        "dalle-col": lambda query, key: query % 4 == key % 4,
        "dalle-conv": lambda query, key: near(query // 4, key // 4) and near(query % 4, key % 4),
    }
    for name, sees in dalle.items():
        cells = {(query, key) for query in range(22) for key in range(query + 1) if key < 6 or sees(query - 6, key - 6)}
        assert {tuple(cell) for cell in drawn(name, (22, 22)).nonzero().tolist()} == cells, name


def test_every_panel_is_drawn_once_and_has_a_kind_for_each_column() -> None:
    panels = [panel for row in [*mask_panels(), *sight_panels()] for panel in row]
    assert len({panel.key for panel in panels}) == len(panels) == 18
    for panel in panels:
        assert len(panel.kinds) == panel.mask.shape[1]
        assert torch.equal(drawn(panel.key, panel.mask.shape), panel.mask)


def test_layouts_are_as_long_as_the_sequences() -> None:
    lengths = {layout.name: sum(part.length for part in layout.parts) for layout in layouts()}
    assert lengths == {
        "Image GPT": 32 * 32,
        "DALL-E": 1280,
        "ruDALL-E XL, v2": MALEVICH_V2.total_seq_length,
        "ruDALL-E XL, v3": MALEVICH.total_seq_length,
        "RUDOLPH-350M": 64 + 16 * 16 + 64,
        "RUDOLPH-1.3B": 128 + 32 * 32 + 128,
        "RUDOLPH-2.7B": 384 + 24 * 24 + 128,
    }
    (v2,) = (layout for layout in layouts() if layout.name.endswith("v2"))
    assert [part.length for part in v2.parts] == [129, 1023]


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("ruDALL-E XL, v2", MALEVICH_V2),
        ("ruDALL-E XL, v3", MALEVICH),
        *((f"RUDOLPH-{size}", SIZES[size]) for size in ("350M", "1.3B", "2.7B")),
    ],
)
def test_the_table_counts_the_layers(name: str, config: Config | DalleConfig) -> None:
    (row,) = re.findall(rf"^\| {re.escape(name)} \|(.*)\|$", PAGE, re.M)
    layers, in_row, in_column, window, last = (cell.strip() for cell in row.split("|"))
    counts = Counter(config.layer_kinds)
    assert [int(layers), int(in_row), int(in_column)] == [config.num_layers, counts["row"], counts["col"]]
    small, large = config.kernel_size, config.last_kernel_size
    assert last == f"{large} x {large}" + (", wrapped" if config.wraps else "")
    assert window == (f"{counts['conv']} of {small} x {small}" if isinstance(config, Config) else "")
    assert config.layer_kinds[-1] == ("last_conv" if isinstance(config, Config) else "conv")


def test_what_the_page_names_is_there_and_every_number_has_its_source() -> None:
    body, sources = PAGE.split("## Sources")
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", sources, re.M)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {int(number) for number in re.findall(r"\[(\d+)\]", body)} == set(numbers)
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", body):
        assert (DOCS / link).is_file(), link
    for path in re.findall(r"`((?:models|tests)/[\w/.]+)`", body):
        assert (DOCS.parent / path).exists(), path
