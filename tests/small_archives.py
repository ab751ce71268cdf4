"""Small archives of all sources, named and laid as README.md names the downloaded ones, and a translator module."""

from pathlib import Path

from tests.data_prep.conversions import paint, write_document, write_lines
from tests.data_prep.sources import test_coco as coco
from tests.data_prep.sources import test_muserc as muserc
from tests.data_prep.sources import test_sberquad as sberquad
from tests.data_prep.sources import test_start as start
from tests.data_prep.sources import test_visual_genome as visual_genome

TRANSLATOR = '''"""Stands in for a translator: the small archives are Russian already."""


def translate(texts: list[str]) -> list[str]:
    return texts
'''


def lay_archives(folder: Path) -> None:
    """Write them below a folder."""
    for name in ("sberquad", "MuSeRC", "mathematics_dataset-v1.0/train-easy", "annotations", "START", "SberIDP"):
        (folder / name).mkdir(parents=True)
    (folder / "my_module.py").write_text(TRANSLATOR, "utf-8")
    sberquad.as_parquet(folder / "sberquad/train.parquet")
    for number, name in enumerate(("train", "val")):
        write_lines(folder / f"MuSeRC/{name}.jsonl", [muserc.passages(f"{muserc.PASSAGE} (4) Глава {number}.")])
    problems = "".join(f"Solve {i}*x = {i * (i + 1)} for x.\n{i + 1}\n" for i in range(2, 12))
    (folder / "mathematics_dataset-v1.0/train-easy/algebra__linear_1d.txt").write_text(problems, "utf-8")
    write_document(folder / "annotations/captions_train2014.json", coco.document())
    for number in coco.CAPTIONS:
        paint(folder / "coco/train2014" / coco.name_of(number), (number, 0, 0))
    write_document(folder / "question_answers.json", visual_genome.questions())
    write_document(folder / "image_data.json", visual_genome.image_data())
    for picture in visual_genome.COCO_IDS:
        paint(folder / "vg" / f"VG_100K{'_2' if picture % 2 else ''}" / f"{picture}.jpg", (picture % 256, 0, 0))
    write_document(folder / "START/annotations.json", start.TEXTS)
    start.table(folder / "SberIDP/labels.csv", ",")
    for source, extra in (("START", 0), ("SberIDP", 100)):
        for number, name in enumerate(start.TEXTS):
            paint(folder / source / "images" / name, (number + extra, 0, 0), size=(40 + number, 10))
