"""Which metric scores which task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from contest.tasks import MetricName, Task
from evaluation.metrics.base import TaskMetric
from evaluation.metrics.cases import Mode
from evaluation.metrics.mathqa import MathQA
from evaluation.metrics.text_recognition import TextRecognition
from evaluation.metrics.textqa import TextQA
from evaluation.metrics.vqa import VisualQA
from evaluation.metrics.wordnet import NO_WORDNET, WordNet, load_wordnet
from evaluation.progress import Progress, silent
from evaluation.settings import FidFeatures

if TYPE_CHECKING:  # with torch, for which nobody waits who scores texts
    from evaluation.assets import Assets
    from evaluation.metrics.features import FeatureNetwork
    from models.ruclip import RuCLIP


@dataclass(frozen=True)
class Metrics:
    """Gives a fresh metric for a task; a hidden task has the metric of the open task that it varies.

    Networks are loaded when the first metric needs them, and once.

    Args:
        mode: `official` or `strict`.
        assets: folder of the networks; None to look where the environment says.
        wordnet: RuWordNet's SQLite file; None to do without synonyms, which the signature says.
        fid_features: the network behind the Frechet distance.
        progress: hears how far the networks have come.

    """

    mode: Mode = "official"
    assets: Path | None = None
    wordnet: Path | None = None
    fid_features: FidFeatures = "inception"
    progress: Progress = silent

    def __call__(self, task: Task) -> TaskMetric:
        """Return the metric of a task. Raises MissingAssetError, AssetError, WordNetError."""
        makers: Mapping[MetricName, Callable[[], TaskMetric]] = {
            "token_f1": lambda: TextQA(mode=self.mode),
            "exact_match": lambda: MathQA(mode=self.mode),
            "ruclip_and_fid": self._generation,
            "meteor_and_ruclip": self._captioning,
            "meteor_with_numbers": lambda: VisualQA(mode=self.mode, wordnet=self._wordnet),
            "one_minus_ned": lambda: TextRecognition(mode=self.mode),
        }
        return makers[task.metric]()

    def _generation(self) -> TaskMetric:
        from evaluation.assets import feature_store, is_contest_ruclip
        from evaluation.metrics.features import ruclip_latents
        from evaluation.metrics.generation import Generation

        return Generation(
            mode=self.mode,
            clip=self._ruclip,
            features=self._features,
            latents=ruclip_latents(self._ruclip),
            comparable=is_contest_ruclip(self._ruclip),
            store=feature_store(),
            progress=self.progress,
        )

    def _captioning(self) -> TaskMetric:
        from evaluation.assets import is_contest_ruclip
        from evaluation.metrics.captioning import Captioning

        return Captioning(
            mode=self.mode,
            clip=self._ruclip,
            wordnet=self._wordnet,
            comparable=is_contest_ruclip(self._ruclip),
            progress=self.progress,
        )

    @property
    def _wordnet(self) -> WordNet:
        return NO_WORDNET if self.wordnet is None else load_wordnet(self.wordnet)

    @cached_property
    def _assets(self) -> Assets:
        from evaluation.assets import Assets

        return Assets.named(self.assets)

    @cached_property
    def _ruclip(self) -> RuCLIP:
        return self._assets.ruclip()

    @cached_property
    def _features(self) -> FeatureNetwork:
        from evaluation.metrics.features import ruclip_features

        if self.fid_features == "ruclip":
            return ruclip_features(self._ruclip)
        return self._assets.features(self.fid_features)
