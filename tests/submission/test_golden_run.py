"""The whole submission against the published inference: same texts, same codes, same pixels."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from submission.engine import Engine
from submission.loading import load_networks
from submission.profiles import BASELINE
from tests.submission.conftest import GOLDEN, Start

E2E = GOLDEN / "e2e"


def test_baseline_is_the_published_inference(start: Start, weights: Path) -> None:
    run = start(E2E, "--profile", "baseline", "--greedy")
    assert run.status == 0, run.stderr
    expected = json.loads((E2E / "predictions.json").read_text().replace("out_images/", "images/"))
    assert run.predictions == expected
    assert list(run.predictions) == list(expected)
    assert run.pictures == [f"image_{name}.jpg" for name in ("0", "2", "4", "7", "q5")]

    golden = np.load(GOLDEN / "inference_golden.npz")
    order = json.loads((GOLDEN / "inference_golden.json").read_text())["e2e"]["order"]
    drawn = {record["id"]: record["codes"] for record in run.journal if record.get("phase") == "draw"}
    assert drawn == {name: golden["e2e/image_tokens"][order.index(name)].tolist() for name in drawn}

    engine = Engine(load_networks(weights, torch.device("cpu"), torch.float32), BASELINE, seed=0)
    for name, codes in drawn.items():
        (rendered,) = engine.render([torch.tensor(codes)])
        published = golden["e2e/decoded_u8"][order.index(name)]
        published = published if published.shape[-1] == 3 else published.transpose(1, 2, 0)
        assert np.abs(rendered.astype(int) - published).max() <= 1
        with Image.open(run.output / "images" / f"image_{name}.jpg") as picture:
            assert picture.size == (48, 48)

    report = run.report
    assert report["counts"] == {"samples": 8, "text_only": 4, "pictures": 5, "failed": 0}
    assert report["profile"]["name"] == "baseline"
    assert report["profile"]["image"] == {"temperature": 1.0, "top_k": 1, "top_p": 0.975}
    assert report["phases"]["draw"]["steps"] == 5 * 36
    assert set(report["weights_sha256"]) == {
        "bpe.model",
        "rudolph/config.json",
        "rudolph/pytorch_model.bin",
        "vqgan/config.json",
        "vqgan/model.safetensors",
    }


def test_tuned_draws_for_texts_only(submit: Start) -> None:
    run = submit(E2E)
    assert run.status == 0, run.stderr
    kinds = {name: [item["type"] for item in items] for name, items in run.predictions.items()}
    with_picture, without = ["text"], ["text", "image"]
    assert kinds == {
        "0": without,
        "1": with_picture,
        "2": without,
        "id_3": with_picture,
        "4": with_picture,  # a black picture is a picture
        "q5": without,
        "6": with_picture,
        "7": without,
    }
    assert run.predictions["q5"][1]["content"] == "images/image_q5.jpg"
