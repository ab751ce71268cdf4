"""The model card: what the hub reads of it (YAML in front), and what people do. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from huggingface_hub import ModelCardData

from contest import VERSION
from contest.emissions.training_summary import TrainingEmissions
from evaluation.results import Result
from models.rudolph import Config

GRAMS = 1000  # the hub's field is in grams, eco2AI's file in kilograms


@dataclass(frozen=True)
class CardFacts:
    """What a card says.

    Attributes:
        name: the model's.
        config: its dimensions.
        parameters: their number.
        licence: its identifier on the hub.
        data: ids on the hub of the data it was trained with.
        base: id of the model that the training started from, empty for none.
        emissions: what the training cost, None where it was not measured; and the country it ran in.
        scores: None where nothing was scored.

    """

    name: str
    config: Config
    parameters: int
    licence: str
    data: tuple[str, ...] = ()
    base: str = ""
    emissions: TrainingEmissions | None = None
    country: str = ""
    scores: Result | None = None


def card(facts: CardFacts) -> str:
    """Return the card, README.md of the repository."""
    about = ModelCardData(
        language="ru",
        license=facts.licence,
        library_name="fbc2",
        tags=["rudolph", "multimodal", "fusion-brain-challenge"],
        datasets=list(facts.data) or None,
        base_model=facts.base or None,
        co2_eq_emissions=_co2_field(facts),
    )
    return "\n".join(
        [
            "---",
            about.to_yaml().strip(),
            "---",
            "",
            f"# {facts.name}",
            "",
            *_dimensions(facts),
            "",
            "## Scores",
            "",
            *_scores(facts.scores),
            "",
            "## CO2",
            "",
            *_co2(facts),
            "",
            f"Written by fbc2 {VERSION}.",
            "",
        ]
    )


def _dimensions(facts: CardFacts) -> list[str]:
    config = facts.config
    return [
        f"A RUDOLPH of {facts.parameters:,} parameters: {config.num_layers} layers of width {config.hidden_size}, left "
        f"text {config.l_text_seq_length}, image {config.image_tokens_per_dim} x {config.image_tokens_per_dim}, right "
        f"text {config.r_text_seq_length}.",
        "",
        "`pytorch_model.bin` is in the published form, which the published code loads as well; `model.safetensors` "
        "holds the same numbers. Both are in half precision; one of them, with `config.json`, makes `rudolph/` of a "
        "weights folder.",
    ]


def _scores(scores: Result | None) -> list[str]:
    if scores is None:
        return ["Not scored."]
    lines = [f"By `evaluation score`, mode {scores.mode_name}:", "", "| task | score | 95 % interval | samples |"]
    lines.append("| --- | --- | --- | --- |")
    for key, task in scores.tasks.items():
        mark = "" if task.comparable else " (with a substitute: not comparable)"
        lines.append(f"| {key}{mark} | {task.score:.4f} | {_interval(task.interval)} | {task.n} |")
    if scores.integral is not None:
        samples = sum(task.n for task in scores.tasks.values())
        lines.append(f"| **S** | {scores.integral:.4f} | {_interval(scores.integral_interval)} | {samples} |")
    lines += ["", *(f"* {key}: `{task.signature}`" for key, task in scores.tasks.items())]
    return lines


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"


def _co2_field(facts: CardFacts) -> dict[str, Any] | None:
    cost = facts.emissions
    if cost is None or cost.co2_kg is None:
        return None
    devices = ", ".join(reading.device for reading in cost.readings)
    field = {"emissions": cost.co2_kg * GRAMS, "source": "eco2AI", "geographical_location": facts.country}
    return {**field, **({"hardware_used": devices} if devices else {})}


def _co2(facts: CardFacts) -> list[str]:
    cost = facts.emissions
    if cost is None or cost.co2_kg is None:
        return ["Not measured."]
    whole = "" if cost.final else " The training was not over yet."
    lines = [
        f"{cost.co2_kg:.6g} kg of CO2 and {cost.energy_kwh or 0:.6g} kWh for the training, by eco2AI, country "
        f"{facts.country}.{whole}"
    ]
    return lines + [f"* {problem}" for problem in cost.problems]
