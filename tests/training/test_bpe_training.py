"""The tokenizer's training: which texts it reads, how it prepares them, and that it is deterministic."""

import json

import pytest
import youtokentome  # a development requirement: without it this file must fail, not be skipped

from models.bpe import BPE
from training.__main__ import main
from training.bpe import ALPHABET, texts_of_tasks, train_bpe, training_text


def write_world(folder):
    def write(name, value):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")

    def text(content):
        return {"type": "text", "content": content}

    write("textqa/textqa_train.json", {"0": [text("Иван живёт в Калуге. Пётр живёт в Туле."), text("Где живёт Иван?")]})
    write("textqa/textqa_train_answer.json", {"0": [text(["в Калуге", "Калуга"])]})
    write("textqa/textqa_train_grade.json", {"0": "easy"})
    write("textqa/textqa_val.json", {"0": [text("Тайна")]})
    write("vqa/vqa_train.json", {"0": [text("Сколько кругов?"), {"type": "image", "content": "images/0.jpg"}]})
    write("vqa/vqa_train_answer.json", {"0": text("3")})
    write("generation/generation_train.json", {"0": [text("Красный круг на белом фоне")] * 3})
    write("generation/generation_train_answer.json", {"0": [{"type": "image", "content": "images/1.jpg"}]})


@pytest.mark.parametrize(
    ("raw", "prepared"),
    [
        ("  Калуге.  ", "калуге ."),
        ("x=-12,5", "x = - 1 2 , 5"),
        ("a) Да;\tb) Нет", "a ) да ; b ) нет"),
        ("«Ёж»", "« ёж »"),
        ("", ""),
    ],
)
def test_punctuation_and_digits_stand_alone(raw, prepared):
    assert training_text(raw) == prepared


def test_all_texts_and_answers_are_read(tmp_path):
    write_world(tmp_path)
    assert list(texts_of_tasks(tmp_path)) == [
        *["Красный круг на белом фоне"] * 3,
        "Иван живёт в Калуге. Пётр живёт в Туле.",
        "Где живёт Иван?",
        "Сколько кругов?",
        "в Калуге",
        "Калуга",
        "3",
    ]


def test_the_command_writes_the_same_usable_model_each_time(tmp_path):
    write_world(tmp_path / "data")
    for name in ("one", "two"):
        arguments = ["bpe", "--data", str(tmp_path / "data"), "--output", str(tmp_path / name / "bpe.model")]
        assert main([*arguments, "--vocab", "170"]) == 0
    assert (tmp_path / "one" / "bpe.model").read_bytes() == (tmp_path / "two" / "bpe.model").read_bytes()
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["bpe.model"]
    bpe = BPE(tmp_path / "one" / "bpe.model")
    assert bpe.vocab_size == 170
    assert (bpe.pad_id, bpe.unk_id, bpe.bos_id, bpe.eos_id) == (0, 1, 2, 3)
    assert bpe.unk_id not in bpe.encode(ALPHABET)
    word = bpe.encode("живёт")
    assert bpe.encode("живёт.")[: len(word)] == word, "the full stop merged into the word"
    assert bpe.encode("漢")[-1] == bpe.unk_id


@pytest.mark.parametrize(("vocab", "reason"), [("20", "at least"), ("5000", "at most"), ("1", "at least")])
def test_impossible_vocabulary_is_named_and_writes_nothing(tmp_path, capsys, vocab, reason):
    write_world(tmp_path / "data")
    out = tmp_path / "out" / "bpe.model"
    assert main(["bpe", "--data", str(tmp_path / "data"), "--output", str(out), "--vocab", vocab]) == 2
    assert reason in capsys.readouterr().err
    assert not out.parent.exists()


def test_a_folder_without_training_files_is_told(tmp_path, capsys):
    assert main(["bpe", "--data", str(tmp_path), "--output", str(tmp_path / "bpe.model")]) == 2
    assert "no file ending in _train.json" in capsys.readouterr().err


def test_youtokentome_reads_the_model_and_agrees(tmp_path):
    texts = ["аааа ааа аа", "абаб бабаб x12", "кот, кот и коты: 3.", "абвабвабв вабвабваб"] * 5
    path = tmp_path / "bpe.model"
    train_bpe(texts, path, 140)
    theirs = youtokentome.BPE(str(path), n_threads=1)
    ours = BPE(path)
    assert theirs.vocab_size() == 140
    for text in [*texts, "Кот и 3 кота.", "ааааа бабв"]:
        assert ours.encode(text) == theirs.encode([text])[0]


def test_ties_do_not_depend_on_the_order_of_texts(tmp_path):
    texts = [f"{first}{second}{third}" for first in "абвгд" for second in "еёжз" for third in "ийк"]
    train_bpe(texts, tmp_path / "one", 170)
    train_bpe(reversed(texts), tmp_path / "two", 170)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
