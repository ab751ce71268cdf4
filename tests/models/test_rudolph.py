"""RUDOLPH against the published code: logits, stages, prefixes, losses, gradients, names (tests/golden/models)."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.rudolph import SIZES, Config, ConfigError, Rudolph, named, read_config
from models.rudolph.loading import load_rudolph_file
from models.rudolph.transformer import Attend, masked_attention
from models.weights import WeightsMismatchError, save_safetensors

GOLDEN = Path(__file__).parents[1] / "golden" / "models"
LOGITS, HIDDEN, CLAMP = 1e-4, 2e-4, 1e-3  # tolerances of the golden data's README
FACTS = json.loads((GOLDEN / "rudolph_golden.json").read_text())
ARRAYS = np.load(GOLDEN / "rudolph_golden.npz")


def tensors(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """A golden state dict; weights are stored as float16 and used as float32."""
    with np.load(path) as arrays:
        found = {
            name.removeprefix(prefix): torch.from_numpy(arrays[name]) for name in arrays if name.startswith(prefix)
        }
    return {name: value if value.dtype == torch.bool else value.float() for name, value in found.items()}


def golden_model() -> Rudolph:
    model = Rudolph(Config(**FACTS["config"]))
    model.load_state_dict(tensors(GOLDEN / "rudolph_state.npz"))
    return model.eval()


@pytest.fixture(scope="module")
def model() -> Rudolph:
    return golden_model()


@pytest.fixture(scope="module")
def ids() -> Tensor:
    return torch.from_numpy(ARRAYS["input_ids"])


def largest(a: Tensor, b: np.ndarray) -> float:
    return float((a.detach() - torch.from_numpy(b)).abs().max())


def test_state_dict_has_the_published_names_shapes_and_types(model: Rudolph) -> None:
    expected = {name: (kind, tuple(shape)) for name, (kind, shape) in FACTS["state_dict_names"].items()}
    assert {name: (str(t.dtype), tuple(t.shape)) for name, t in model.state_dict().items()} == expected


def test_logits_of_the_full_sequence(model: Rudolph, ids: Tensor) -> None:
    assert largest(model(ids), ARRAYS["logits"]) < LOGITS


def test_logits_of_every_prefix_length(model: Rudolph, ids: Tensor) -> None:
    for n in range(1, ids.shape[1] + 1):
        assert largest(model(ids[:, :n]), ARRAYS["logits"][:, :n]) < LOGITS, n


def test_every_stage_of_the_forward_pass(model: Rudolph, ids: Tensor) -> None:
    seen: dict[str, Tensor] = {}
    handles = [
        module.register_forward_hook(lambda _m, _i, output, name=name: seen.__setitem__(name, output))
        for name, module in model.named_modules()
    ]
    model(ids[:1])
    for handle in handles:
        handle.remove()
    assert largest(model.embed(ids[[0, 3]]), ARRAYS["embeddings"]) < 1e-6
    for layer in range(model.config.num_layers):
        assert largest(seen[f"transformer.layers.{layer}"], ARRAYS["hidden_states"][layer]) < HIDDEN, layer
    for stage in [name for name in ARRAYS if name.startswith("layer1_")]:
        name = f"transformer.layers.1.{stage.removeprefix('layer1_')}"
        assert largest(seen[name], ARRAYS[stage]) < HIDDEN, stage
    assert largest(seen["transformer.final_layernorm"], ARRAYS["final_layernorm_output"]) < HIDDEN


def test_embedding_from_the_middle_equals_the_whole(model: Rudolph, ids: Tensor) -> None:
    whole = model.embed(ids)
    for start in (0, 1, 15, 16, 17, 40, 51, 52, 53, 63):
        for stop in (start + 1, 64):
            assert torch.equal(model.embed(ids[:, start:stop], start), whole[:, start:stop]), (start, stop)


@torch.no_grad()
@pytest.mark.parametrize("last", [1, 5])
def test_the_last_places_alone_equal_those_of_the_whole(model: Rudolph, ids: Tensor, last: int) -> None:
    n, transformer = ids.shape[1], model.transformer
    seen: dict[int, int] = {}

    def attend(layer: int) -> Attend:
        def attend_layer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            seen[layer] = query.shape[2]
            return masked_attention(query, key, value, transformer.mask(layer)[n - query.shape[2] : n, :n])

        return attend_layer

    found = transformer(model.embed(ids), attend, last)
    torch.testing.assert_close(found, model.hidden(ids)[:, -last:], atol=1e-5, rtol=0)
    layers = len(transformer.layers)
    assert seen == {**dict.fromkeys(range(layers), n), layers - 1: last}


def test_head_computes_only_the_rows_asked_for(model: Rudolph, ids: Tensor) -> None:
    hidden = model.hidden(ids)
    logits = model(ids)
    torch.testing.assert_close(model.head(hidden, model.text_rows), logits[..., :304], atol=1e-5, rtol=0)
    torch.testing.assert_close(model.head(hidden, model.image_rows), logits[..., 304:], atol=1e-5, rtol=0)


INPUTS = {
    "full": lambda ids: ids,
    "no_right_text": lambda ids: ids[:, :52],
    "left_text_only": lambda ids: ids[:, :16],
    "left_text_shorter_than_L": lambda ids: ids[:, :13],
    "partial_image": lambda ids: ids[:, :34],
    "partial_right_text": lambda ids: ids[:, :62],
    "right_text_all_padding": lambda ids: torch.cat((ids[:, :52], torch.zeros_like(ids[:, 52:])), 1),
    "zero_image_tokens": lambda ids: torch.cat((ids[:, :16], torch.zeros_like(ids[:, 16:52]), ids[:, 52:]), 1),
    "single_sample_0": lambda ids: ids[0:1],
    "single_sample_1": lambda ids: ids[1:2],
    "single_sample_2": lambda ids: ids[2:3],
    "single_sample_3": lambda ids: ids[3:4],
}


def weights(case: dict) -> dict[str, float]:
    return {
        "left_weight": case["lt_loss_weight"],
        "image_weight": case["img_loss_weight"],
        "right_weight": case["rt_loss_weight"],
    }


@pytest.mark.parametrize("case", FACTS["loss"], ids=lambda case: f"{case['name']}-{list(weights(case).values())}")
def test_published_loss(model: Rudolph, ids: Tensor, case: dict) -> None:
    given = INPUTS[case["name"]](ids)
    if "error" in case:
        with pytest.raises(
            {"ZeroDivisionError": ZeroDivisionError, "RuntimeError": RuntimeError}[case["error"].split(":")[0]]
        ):
            model.loss(given, **weights(case))
        return
    loss, parts = model.loss(given, **weights(case))
    assert loss.item() == pytest.approx(case["loss"], rel=1e-5, nan_ok=True)
    assert list(parts) == list(case["loss_values"])
    for name, value in case["loss_values"].items():
        assert parts[name].item() == pytest.approx(value, rel=1e-5, nan_ok=True)


def test_a_right_text_shorter_than_its_window_counts_what_stands_before_it() -> None:
    """Left text 5, one image code, right text 1 of 5: as published, the left text's padding counts by its own ids."""
    torch.manual_seed(0)
    config = Config(1, 8, 2, 25, l_text_seq_length=5, image_tokens_per_dim=1, r_text_seq_length=5, image_vocab_size=20)
    model = Rudolph(config).eval()
    ids = torch.tensor([[2, 7, 3, 0, 0, 9, 2]])
    _, parts = model.loss(ids)
    targets = torch.tensor([[20 + 3, 20 + 4, 9, 2]])  # the padding ids of positions 3 and 4, the code, the right text
    expected = mean_cross_entropy(model(ids)[:, 2:6, :25], targets)
    assert parts["r_text_loss"].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("tag", ["1_7_1", "1_0.01_7"])
def test_gradients(ids: Tensor, tag: str) -> None:
    model = golden_model()
    left, image, right = (float(weight) for weight in tag.split("_"))
    loss, _ = model.loss(ids, left, image, right)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        gradient = parameter.grad.flatten()
        norm, _, probe = FACTS["grad_norm_sum_probe"][tag][name]
        assert gradient.norm().item() == pytest.approx(norm, rel=1e-4), name
        step = max(1, gradient.numel() // 7)
        assert gradient[::step][:7].abs().sum().item() == pytest.approx(probe, rel=2e-3, abs=1e-6), name
    for key in [key for key in ARRAYS if key.startswith(f"grad_{tag}/")]:
        name = key.split("/", 1)[1]
        gradient = model.get_parameter(name).grad
        assert gradient is not None
        assert largest(gradient, ARRAYS[key]) < 1e-5, name


def mean_cross_entropy(logits: Tensor, targets: Tensor) -> float:
    return -logits.log_softmax(-1).gather(-1, targets[..., None]).mean().item()


def test_corrected_loss_trains_the_first_image_code_as_an_image_code(model: Rudolph, ids: Tensor) -> None:
    logits = model(ids).detach()
    _, parts = model.loss(ids, mode="corrected")
    _, published = model.loss(ids)
    left = model.left_ids(ids[:, :16])
    assert parts["l_text_loss"].item() == pytest.approx(mean_cross_entropy(logits[:, :15, :304], left[:, 1:]), rel=1e-5)
    assert parts["image_loss"].item() == pytest.approx(
        mean_cross_entropy(logits[:, 15:51, 304:], ids[:, 16:52]), rel=1e-5
    )
    assert parts["r_text_loss"].item() == published["r_text_loss"].item()


MINIS = {mini["name"]: mini for mini in FACTS["minis"]}


@pytest.mark.parametrize(("name", "tolerance"), [("noflags", LOGITS), ("clamp", CLAMP)])
def test_minis_without_flags_and_with_a_clamp_that_bites(name: str, tolerance: float) -> None:
    model = Rudolph(Config(**MINIS[name]["config"])).eval()
    model.load_state_dict(tensors(GOLDEN / "mini_state.npz", f"{name}/"))
    with np.load(GOLDEN / "mini_golden.npz") as arrays:
        ids, logits = torch.from_numpy(arrays[f"{name}/input_ids"]), arrays[f"{name}/logits"]
    assert largest(model(ids), logits) < tolerance
    for case in MINIS[name]["loss"]:
        if case["name"] == "full" and "loss" in case:
            loss, _ = model.loss(ids, **weights(case))
            assert loss.item() == pytest.approx(case["loss"], rel=1e-5, nan_ok=True), case


def test_half_precision_on_a_cpu_stays_close(model: Rudolph, ids: Tensor) -> None:
    half = golden_model().to(torch.bfloat16)
    with torch.no_grad():
        agree = half(ids).argmax(-1) == model(ids).argmax(-1)
    assert agree.float().mean() > 0.93


@pytest.mark.parametrize(
    ("name", "text", "total", "sequence"),
    [
        ("350M", 16832, 25408, 384),
        ("1.3B", 18560, 26816, 1280),
        ("2.7B", 17792, 27008, 1088),
        ("2.7B-FBC2", 17792, 27008, 1088),
    ],
)
def test_published_sizes(name: str, text: int, total: int, sequence: int) -> None:
    config = named(name)
    assert (config.text_vocab, config.total_vocab, config.total_seq_length) == (text, total, sequence)
    assert config.bpe_vocab == 16384


def test_the_large_size_has_2_7_billion_parameters() -> None:
    with torch.device("meta"):
        model = Rudolph(named("2.7B"))
    assert 2.6e9 < sum(parameter.numel() for parameter in model.parameters()) < 2.8e9


def test_configuration_files_go_both_ways(tmp_path: Path) -> None:
    SIZES["350M"].save(tmp_path / "config.json")
    assert read_config(tmp_path / "config.json") == SIZES["350M"]
    (tmp_path / "named.json").write_text('{"name": "2.7B-FBC2", "num_layers": 2}')
    assert read_config(tmp_path / "named.json").num_layers == 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("", "the file is empty"),
        ("<html><p>not found", "a page of HTML"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        ("\ufeff{}", "it begins with a byte order mark"),
        ('{"name": "3B"}', "unknown size '3B'"),
        ('{"name": "350M", "layers": 3}', "unknown keywords 'layers'"),
        ('{"num_layers": 2}', "missing keywords hidden_size, num_attention_heads, vocab_size"),
        ('{"name": "350M", "hidden_size": 1000, "num_attention_heads": 16}', "not a multiple"),
        ('{"name": "350M", "num_layers": 0}', "num_layers must be 1 to 1024, not 0"),
        ('{"name": "350M", "mlp_activation": "relu"}', "mlp_activation"),
        ('{"name": "350M", "output_dropout_prob": 1.5}', "output_dropout_prob"),
        ('{"name": "350M", "hidden_size": 1024.0}', "hidden_size must be a whole number, not 1024.0"),
        ('{"name": "350M", "num_layers": true}', "num_layers must be a whole number, not true"),
        ('{"name": "350M", "kernel_size": 7.5}', "kernel_size must be a whole number, not 7.5"),
        ('{"name": "350M", "is_bool_mask": "false"}', "is_bool_mask must be true or false, not 'false'"),
        ('{"name": "350M", "init_method_std": null}', "init_method_std must be a number, not null"),
        ('{"name": "350M", "init_method_std": -0.02}', "init_method_std must be a finite number from 0, not -0.02"),
        ('{"name": "350M", "mlp_activation": 1}', "mlp_activation must be a string, not 1"),
        ('{"name": "350M", "init_method_std": 1e999}', "init_method_std must be a finite number"),
        ('{"name": ["350M"]}', "unknown size a list of 1; known sizes: 350M"),
        ('{"name": "350M", "image_tokens_per_dim": 100000}', "image_tokens_per_dim must be 1 to 64, not 100000"),
        pytest.param('{"name": "350M", "kernel_size": 1' + "0" * 400 + "}", "more than twenty digits", id="digits"),
        pytest.param('{"name": "350M", "kernel_size": 1' + "0" * 9999 + "}", "a number is too long", id="more digits"),
        pytest.param("[" * 100_000, "nested too deeply", id="nested"),
        pytest.param('{"a":' * 100_000, "nested too deeply", id="nested objects"),
    ],
)
def test_bad_configurations_are_refused_by_name(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=complaint) as error:
        read_config(path)
    assert str(path) in str(error.value)


SIZED = (
    "num_layers hidden_size num_attention_heads vocab_size l_text_seq_length image_tokens_per_dim r_text_seq_length "
    "image_vocab_size text_special_tokens image_special_tokens kernel_size last_kernel_size"
)


@pytest.mark.parametrize("name", SIZED.split())
def test_absurd_sizes_are_refused_by_name_before_anything_is_made(name: str) -> None:
    for size in (10**9, 10**400, -(10**400)):
        with pytest.raises(ConfigError, match=rf"^{name} must be [01] to \d+, not "):
            replace(SIZES["350M"], **{name: size})


def test_masks_of_a_file_that_the_configuration_does_not_give_are_refused(tmp_path: Path) -> None:
    """Kernel sizes are in no tensor's shape: drawing would go wrong in silence."""
    config = Config(4, 8, 2, 20, 3, image_tokens_per_dim=5, r_text_seq_length=2, image_vocab_size=9, kernel_size=5)
    save_safetensors(Rudolph(config), tmp_path / "model.safetensors")
    assert load_rudolph_file(tmp_path / "model.safetensors", config).config == config
    with pytest.raises(WeightsMismatchError) as caught:
        load_rudolph_file(tmp_path / "model.safetensors", replace(config, kernel_size=3))
    assert [line.partition(":")[0] for line in caught.value.mismatched] == ["transformer.conv_mask"]


def test_a_sequence_longer_than_the_model_is_refused(model: Rudolph, ids: Tensor) -> None:
    with pytest.raises(ValueError, match="1 to 64 tokens, not 65"):
        model(torch.cat((ids, ids[:, :1]), dim=1))
