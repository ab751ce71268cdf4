"""Low-rank adapters beside frozen weights, by the library peft, and their sum with the weights."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from training.tune.errors import SettingsError
from training.tune.settings import LoraSettings

LAYERS = {
    "attention": ("attention.query_key_value", "attention.dense"),
    "feed_forward": ("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
}
_BASE, _DOWN, _UP = ".base_layer.", ".lora_A.default.weight", ".lora_B.default.weight"


def add_adapters(model: nn.Module, settings: LoraSettings) -> None:
    """Put adapters beside the linear layers that the settings name, in place; only they are trained from now on.

    Raises `SettingsError` if peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise SettingsError(f"lora: needs peft ({error}); pip install -r requirements-tune.txt") from error
    targets = [layer for group, layers in LAYERS.items() if getattr(settings, group) for layer in layers]
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type, unused-ignore]  # fractions work as well
        lora_dropout=settings.dropout,
        target_modules=targets,
    )
    inject_adapter_in_model(config, model)


def adapters_of(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The adapters' own tensors of a state dict."""
    return {name: tensor for name, tensor in state.items() if name.endswith((_DOWN, _UP))}


def merged(state: Mapping[str, Tensor], settings: LoraSettings) -> dict[str, Tensor]:
    """Return a state dict with published names, the adapters added to their weights: W + alpha / rank x up x down."""
    result = {}
    for name, tensor in state.items():
        if name.endswith((_DOWN, _UP)):
            continue
        plain = name.replace(_BASE, ".")
        if plain != name and name.endswith(".weight"):
            layer = name.partition(_BASE)[0]
            up, down = state[layer + _UP], state[layer + _DOWN]
            tensor = tensor + settings.alpha / settings.rank * (up @ down)
        result[plain] = tensor
    return result
