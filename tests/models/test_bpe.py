"""BPE: the published tokenizer's ids and texts, file errors, and parity with YouTokenToMe itself."""

import json
import pickle
import random
from pathlib import Path

import pytest
import youtokentome  # a development requirement: without it this file must fail, not be skipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.bpe import BPE, WORD_MARK, BPEFormatError

GOLDEN = Path(__file__).parent.parent / "golden" / "models"
CASES = json.loads((GOLDEN / "bpe_golden.json").read_text(encoding="utf-8"))

NASTY = [
    "",
    " ",
    "\t\n\v\f\r ",
    "кот",
    "  кот  пёс ",
    "кот\u00a0пёс",
    "кот\u2003пёс\u3000дом\u0085и\u2028ещё",
    "кот\tпёс\nдом",
    WORD_MARK,
    f"{WORD_MARK}{WORD_MARK}кот{WORD_MARK}пёс{WORD_MARK}",
    "😀",
    "😀😀 😀",
    "кот😀😀пёс😀",
    "漢字 кот漢",
    "漢 字",
    "e\u0301 é й и\u0306",
    "\u200b\u200dкот\ufeff",
    "\x00кот\x00",
    "<UNK> <PAD>",
    "ааааааааа абабабаб",
    "КОТ Кот",
    "x" * 3000,
    "\ufffd\U0010ffff",
]


@pytest.fixture(scope="module", params=["small", "big"])
def golden(request: pytest.FixtureRequest) -> tuple[BPE, dict]:
    case = CASES[request.param]
    return BPE(GOLDEN / case["model"]), case


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[BPE, "youtokentome.BPE"]:
    folder = tmp_path_factory.mktemp("bpe")
    draw = random.Random(7)
    words = ["".join(draw.choices("абвгдекотёп", k=draw.randint(1, 9))) for _ in range(150)]
    lines = [" ".join(draw.choices([*words, "3", "7 x", "x = 1", "(", ")", "."], k=12)) for _ in range(300)]
    (folder / "corpus.txt").write_text("\n".join(lines), encoding="utf-8")
    path = str(folder / "bpe.model")
    youtokentome.BPE.train(str(folder / "corpus.txt"), path, vocab_size=200, n_threads=1)
    return BPE(path), youtokentome.BPE(path, n_threads=1)


def test_golden_vocabulary(golden):
    bpe, case = golden
    assert bpe.vocab_size == case["vocab_size"]
    assert (bpe.pad_id, bpe.unk_id, bpe.bos_id, bpe.eos_id) == (0, 1, 2, 3)
    for index, piece in enumerate(case["vocab"]):
        assert bpe.decode([index]) == piece.replace(WORD_MARK, " ").removeprefix(" ")


def test_golden_encoding(golden):
    bpe, case = golden
    for entry in case["encode"]:
        assert bpe.encode(entry["text"]) == entry["ids"], entry["text"]
        if entry["decoded"] is not None:
            assert bpe.decode(entry["ids"], ignore={0, 1, 2, 3}) == entry["decoded"]
    texts = [entry["text"] for entry in case["encode"]]
    assert bpe.encode_batch(texts) == [entry["ids"] for entry in case["encode"]]


def test_golden_decoding(golden):
    bpe, case = golden
    for entry in case["decode"]:
        assert bpe.decode(entry["ids"], ignore={0, 1, 2, 3}) == entry["decoded_ignore_0123"]
        assert bpe.decode(entry["ids"]) == entry["decoded_noignore"]


def test_decoding_an_id_outside_the_vocabulary_is_an_error_unless_it_is_ignored(golden):
    bpe, case = golden
    quirks = case["quirks"]
    ids = [*bpe.encode("ое"), bpe.vocab_size]
    assert quirks["decode id == vocab_size (in ignore_ids)"] == str([bpe.decode(ids, ignore=[bpe.vocab_size])])
    assert quirks["decode id == vocab_size (not in ignore_ids)"].startswith("ValueError")
    with pytest.raises(ValueError, match=f"id {bpe.vocab_size} is outside the vocabulary"):
        bpe.decode(ids)
    with pytest.raises(ValueError, match="id -1 is outside"):
        bpe.decode([-1])
    assert bpe.decode([-1], ignore=[-1]) == ""
    assert quirks["decode empty list"] == str([bpe.decode([])])
    assert quirks["decode flat list"] == str([bpe.decode(bpe.encode("ое"))])


@pytest.mark.parametrize("text", NASTY)
def test_parity_with_youtokentome_on_nasty_strings(trained, text):
    check_parity(trained, text)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
            st.text("абвгдекотёп37x=.() \t\u00a0▁😀漢", max_size=30),
        ),
        max_size=6,
    )
)
def test_parity_with_youtokentome_on_random_strings(trained, parts):
    check_parity(trained, "".join(parts))


@given(st.lists(st.integers(0, 199), max_size=30), st.sets(st.integers(0, 210), max_size=5))
def test_parity_of_decoding(trained, ids, ignore):
    ours, theirs = trained
    assert ours.decode(ids, ignore=ignore) == theirs.decode([ids], ignore_ids=list(ignore))[0]


def check_parity(trained, text):
    ours, theirs = trained
    expected = theirs.encode([text], output_type=youtokentome.OutputType.ID)[0]
    assert ours.encode(text) == expected
    assert ours.encode_batch([text]) == [expected]
    assert ours.decode(expected) == theirs.decode([expected])[0]


def test_it_can_be_pickled(golden):
    bpe, case = golden
    copy = pickle.loads(pickle.dumps(bpe))
    text = case["encode"][2]["text"]
    assert copy.encode(text) == bpe.encode(text)
    assert (copy.vocab_size, copy.eos_id) == (bpe.vocab_size, bpe.eos_id)


MODEL = ["3 1", "9601 4", "97 5", "98 6", "5 6 7", "1 0 2 3"]


@pytest.mark.parametrize(
    ("lines", "line", "problem"),
    [
        ([], 0, "the file is empty; get it again"),
        (["version https://git-lfs.github.com/spec/v1", "oid sha256:0"], 0, "a Git LFS pointer .*git lfs pull"),
        (["<!DOCTYPE html>", "<p>not found"], 0, "a page of HTML stands in for the file"),
        (["hello"], 1, "2 whole numbers"),
        (["3 1 1", *MODEL[1:]], 1, "2 whole numbers"),
        (["-3 1", *MODEL[1:]], 1, "2 whole numbers"),
        (["99999999999 1", *MODEL[1:]], 1, "2 whole numbers"),
        (MODEL[:5], 5, "file ends"),
        ([*MODEL[:2], "97 4", *MODEL[3:]], 3, "id 4 is defined twice"),
        ([*MODEL[:3], "97 6", *MODEL[4:]], 4, "has two ids"),
        ([*MODEL[:2], "32 5", *MODEL[3:]], 3, "separates words"),
        ([*MODEL[:2], "55296 5", *MODEL[3:]], 3, "not a character"),
        ([*MODEL[:4], "5 9 7", MODEL[5]], 5, "joins id 9"),
        ([*MODEL[:4], "5 6 70", MODEL[5]], 6, "without a gap"),
        ([*MODEL[:5], "1 0 2"], 6, "4 whole numbers"),
        ([*MODEL[:5], "1 0 2 -2"], 6, "4 whole numbers"),
        ([*MODEL[:5], "1 0 2 -1"], 6, "a YouTokenToMe model without EOS; train it with"),
        ([*MODEL[:5], "0 -1 -1 -1"], 6, "a YouTokenToMe model without PAD and BOS and EOS; "),
        (
            ["3 60", *MODEL[1:4], *(f"{n} {n} {n + 1}" for n in range(6, 66)), "1 0 2 3"],
            14,
            "more than 1000 characters",
        ),
        ([*MODEL, "and more"], 7, "after the model's end"),
        (["3 1", "99 4", *MODEL[2:]], 6, "word mark"),
    ],
)
def test_a_damaged_model_file_is_refused_with_its_line(tmp_path, lines, line, problem):
    path = tmp_path / "bpe.model"
    path.write_text("\n".join(lines), encoding="ascii")
    with pytest.raises(BPEFormatError, match=problem) as caught:
        BPE(path)
    assert (caught.value.path, caught.value.line) == (str(path), line)
    assert str(path) in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_the_smallest_model(tmp_path):
    (tmp_path / "bpe.model").write_text("\n".join(MODEL), encoding="ascii")
    bpe = BPE(tmp_path / "bpe.model")
    assert bpe.encode("ab ba ?") == [4, 7, 4, 6, 5, 4, 1]
    assert bpe.decode([4, 7, 4, 6, 5]) == "ab ba"


@pytest.mark.parametrize("content", [b"\x80\x02}q\x00.", "модель".encode(), b"\xff\xfe\x00"])
def test_a_binary_file_is_refused(tmp_path, content):
    (tmp_path / "bpe.model").write_bytes(content)
    with pytest.raises(BPEFormatError, match="ASCII"):
        BPE(tmp_path / "bpe.model")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.model"):
        BPE(tmp_path / "absent.model")
