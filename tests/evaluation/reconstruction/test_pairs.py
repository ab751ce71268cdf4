"""Which pictures are compared, and what is said of folders and domains that do not go together."""

from pathlib import Path

import pytest

from evaluation.reconstruction.pairs import PairingError, find_pairs, read_domains


def folder(root: Path, name: str, *pictures: str) -> Path:
    for picture in pictures:
        (root / name / picture).parent.mkdir(parents=True, exist_ok=True)
        (root / name / picture).touch()
    (root / name).mkdir(exist_ok=True)
    return root / name


def test_pairs_by_name(tmp_path: Path) -> None:
    before = folder(tmp_path, "before", "b.jpg", "a.PNG", "in/c.1.webp", "notes.txt")
    after = folder(tmp_path, "after", "a.png", "b.png", "in/c.1.png")
    pairs = find_pairs(before, after)
    assert [pair.name for pair in pairs] == ["a", "b", "in/c.1"]
    assert (pairs[1].original, pairs[1].reconstruction) == (before / "b.jpg", after / "b.png")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (["a.png"], ["b.png"], "2 pictures have no other half"),
        (["a.png", "b.png"], ["a.png"], "1 picture has no other half; the first is .*b.png"),
        (["a.png", "a.jpg"], ["a.png"], "have one name"),
        ([], ["a.png"], "there is no picture"),
    ],
)
def test_folders_that_do_not_go_together(tmp_path: Path, before: list[str], after: list[str], said: str) -> None:
    with pytest.raises(PairingError, match=said):
        find_pairs(folder(tmp_path, "before", *before), folder(tmp_path, "after", *after))


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(PairingError, match="no such folder"):
        find_pairs(tmp_path / "none", tmp_path)


def test_domains_in_the_table_s_order(tmp_path: Path) -> None:
    path = tmp_path / "domains.json"
    path.write_text('{"a.png": ["face", "person"], "b": "zoo", "c": ["indoor", "face"], "d": []}')
    assert read_domains(path, ["a", "b", "c", "d"]) == {
        "indoor": ("c",),
        "person": ("a",),
        "face": ("a", "c"),
        "zoo": ("b",),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ('{"x": "face"}', "there is no picture 'x'"),
        ('{"a": 5}', "has no list of domains"),
        ('{"a": [""]}', "has no list of domains"),
        ('{"a": ["all"]}', "has no list of domains"),
    ],
)
def test_domains_that_are_none(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "domains.json"
    path.write_text(text)
    with pytest.raises(PairingError, match=said):
        read_domains(path, ["a"])
