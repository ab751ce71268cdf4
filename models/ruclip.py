"""ruCLIP: Russian texts and pictures as vectors of one space, in the published directory form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from models.bpe import BPE
from models.files import ModelFileError, bounded_int, read_json_object, shown
from models.pixels import to_pixels
from models.weights import WeightsError, find_weights, load_weights, require_finite, save_state_dict, weights_sha256

CONFIG_FILE, WEIGHTS_FILE, BPE_FILE = "config.json", "pytorch_model.bin", "bpe.model"
VISION_HEAD_WIDTH = 64
# Sizes at most: several times those of the contest's ruCLIP.
_MOST = {
    "embed_dim": 16_384,
    "image_resolution": 4096,
    "vision_layers": 512,
    "vision_width": 16_384,
    "vision_patch_size": 4096,
    "context_length": 4096,
    "vocab_size": 4_000_000,
    "transformer_width": 16_384,
    "transformer_heads": 1024,
    "transformer_layers": 512,
}

# What the published predictor wraps a text in; its vector is the mean over them.
TEMPLATES = (
    "{}",
    "фото, на котором изображено {}",
    "изображение с {}",
    "картинка с {}",
    "фото с {}",
    "на фото видно {}",
)


class RuCLIPError(ModelFileError):
    """A ruCLIP directory can not be used; the message names the file and what to do."""


@dataclass(frozen=True)
class RuCLIPConfig:
    """The published config.json. Sizes are positive integers; `mean` and `std` are of RGB channels in [0, 1].

    Raises `RuCLIPError` for sizes that do not fit each other.
    """

    embed_dim: int
    image_resolution: int
    vision_layers: int
    vision_width: int
    vision_patch_size: int
    context_length: int
    vocab_size: int
    transformer_width: int
    transformer_heads: int
    transformer_layers: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("mean", "std"):
                if len(value) != 3 or not all(isinstance(part, int | float) and abs(part) < 1e6 for part in value):
                    raise RuCLIPError(f"{field.name} must be three numbers, not {', '.join(map(shown, value[:4]))}")
                continue
            problem = bounded_int(field.name, value, 1, _MOST[field.name])
            if problem is not None:
                raise RuCLIPError(problem)
        if min(self.std) <= 0:
            raise RuCLIPError(f"std must be positive, not {self.std}")
        if self.vision_width % VISION_HEAD_WIDTH:
            raise RuCLIPError(f"vision_width must be a multiple of {VISION_HEAD_WIDTH}, not {self.vision_width}")
        if self.transformer_width % self.transformer_heads:
            raise RuCLIPError(
                f"{self.transformer_heads} heads do not divide transformer_width {self.transformer_width}"
            )
        if self.image_resolution < self.vision_patch_size:
            raise RuCLIPError(f"a picture of {self.image_resolution} pixels is less than one patch")
        if self.context_length < 2:
            raise RuCLIPError("context_length must hold at least the begin and end tokens")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RuCLIPConfig:
        """Build from the parsed file; keys of other libraries beside ours are ignored. Raises `RuCLIPError`."""
        names = [field.name for field in fields(cls)]
        missing = [name for name in names if name not in values]
        if missing:
            raise RuCLIPError(f"it lacks {', '.join(missing)}")
        for name in ("mean", "std"):
            if not isinstance(values[name], list):
                raise RuCLIPError(f"{name} must be a list, not {shown(values[name])}")
        kept: dict[str, Any] = {name: values[name] for name in names}
        return cls(**kept | {name: tuple(values[name]) for name in ("mean", "std")})


class RuCLIPAttention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        """Return [batch, seq, width] of the same."""
        projected = F.linear(x, self.in_proj_weight, self.in_proj_bias)  # [batch, seq, 3 width]
        heads = projected.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # [3, batch, heads, seq, dim]
        attended = F.scaled_dot_product_attention(heads[0], heads[1], heads[2], is_causal=causal)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two linear layers around the sigmoid approximation of GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, seq, width] of the same."""
        hidden = self.c_fc(x)
        return self.c_proj(hidden * torch.sigmoid(1.702 * hidden))


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = RuCLIPAttention(width, heads)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = FeedForward(width)
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        """Return [batch, seq, width] of the same."""
        x = x + self.attn(self.ln_1(x), causal)
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """A stack of blocks."""

    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads) for _ in range(layers))

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        """Return [batch, seq, width] of the same."""
        for block in self.resblocks:
            x = block(x, causal)
        return x


class VisionTower(nn.Module):
    """Patches and a class token through a transformer; the class token's state, projected."""

    def __init__(self, config: RuCLIPConfig) -> None:
        super().__init__()
        width, patch = config.vision_width, config.vision_patch_size
        tokens = (config.image_resolution // patch) ** 2 + 1
        self.conv1 = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(tokens, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(width, config.vision_layers, width // VISION_HEAD_WIDTH)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.empty(width, config.embed_dim))

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Return [n, embed_dim] of pictures [n, 3, side, side]."""
        patches = self.conv1(pixel_values).flatten(2).transpose(1, 2)  # [n, patches, width]
        first = self.class_embedding.expand(len(patches), 1, -1)
        x = torch.cat([first, patches], dim=1) + self.positional_embedding
        x = self.transformer(self.ln_pre(x), causal=False)
        return self.ln_post(x[:, 0]) @ self.proj


class RuCLIP(nn.Module):
    """Both towers with their tokenizer. Parameters carry the published names; they are uninitialised until loaded.

    Args:
        config: the sizes.
        bpe: the tokenizer; its vocabulary may be smaller than the embedding's, as in the published model.
        weights_sha256: hash of the file that the weights came from, for signatures and caches.

    """

    def __init__(self, config: RuCLIPConfig, bpe: BPE, weights_sha256: str = "") -> None:
        super().__init__()
        if bpe.vocab_size > config.vocab_size:
            raise RuCLIPError(f"the tokenizer has {bpe.vocab_size} pieces, the network only {config.vocab_size}")
        self.config = config
        self.bpe = bpe
        self.weights_sha256 = weights_sha256
        width = config.transformer_width
        self.positional_embedding = nn.Parameter(torch.empty(config.context_length, width))
        self.text_projection = nn.Parameter(torch.empty(width, config.embed_dim))
        self.logit_scale = nn.Parameter(torch.empty(()))
        self.visual = VisionTower(config)
        self.transformer = Transformer(width, config.transformer_layers, config.transformer_heads)
        self.token_embedding = nn.Embedding(config.vocab_size, width)
        self.ln_final = nn.LayerNorm(width)

    @classmethod
    def from_directory(cls, directory: str | PathLike[str], device: torch.device | str = "cpu") -> RuCLIP:
        """Load `config.json`, `bpe.model` and the one weights file (or its shards); weights become float32.

        Names must fit exactly, and every value must be finite: it is used to score and to choose.

        Raises:
            RuCLIPError: a file is missing, or the config is not one of ruCLIP.
            models.weights.WeightsError: the weights do not fit; every tensor at fault is named.
            models.bpe.BPEFormatError: the tokenizer's file is damaged.

        """
        directory = Path(directory)
        missing = [name for name in (CONFIG_FILE, BPE_FILE) if not (directory / name).is_file()]
        try:
            weights = find_weights(directory)
        except WeightsError as error:
            if list(directory.glob("*.bin")) or not directory.is_dir():
                raise
            raise RuCLIPError(
                f"{directory}: a ruCLIP directory needs {', '.join([*missing, WEIGHTS_FILE])} as well"
            ) from error
        if missing:
            raise RuCLIPError(f"{directory}: a ruCLIP directory needs {', '.join(missing)} as well")
        path = directory / CONFIG_FILE
        try:
            values = read_json_object(path)
        except ModelFileError as error:
            raise RuCLIPError(error.reason, error.remedy) from error
        try:
            config = RuCLIPConfig.from_json(values)
        except RuCLIPError as error:
            raise RuCLIPError(f"{path}: not a ruCLIP configuration: {error.reason}") from error
        bpe = BPE(directory / BPE_FILE)
        with torch.device("meta"):
            network = cls(config, bpe, weights_sha256(weights))
        load_weights(network, weights, device=device, dtype=torch.float32)
        require_finite(network, weights)
        return network.eval().requires_grad_(False)

    def save(self, directory: str | PathLike[str], dtype: torch.dtype | None = None) -> None:
        """Write config.json and pytorch_model.bin (as `dtype`, or as they are); the tokenizer is a file to copy."""
        directory = Path(directory)
        save_state_dict(self, directory / WEIGHTS_FILE, dtype)
        text = json.dumps(asdict(self.config), indent=2)
        (directory / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")

    @property
    def name(self) -> str:
        """Architecture and weights in short, for signatures: layers, width, patch, resolution, start of the hash."""
        config = self.config
        architecture = f"{config.vision_layers}x{config.vision_width}-p{config.vision_patch_size}"
        return f"ruclip-{architecture}-{config.image_resolution}-{self.weights_sha256[:8] or 'unsaved'}"

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Return ids [n, context_length]: begin, the text in lower case (cut to fit), end, padding."""
        ids = torch.full((len(texts), self.config.context_length), self.bpe.pad_id)
        for row, pieces in zip(ids, self.bpe.encode_batch([text.lower() for text in texts]), strict=True):
            kept = [self.bpe.bos_id, *pieces[: self.config.context_length - 2], self.bpe.eos_id]
            row[: len(kept)] = torch.tensor(kept)
        return ids

    def text_features(self, input_ids: Tensor) -> Tensor:
        """Return [n, embed_dim] of ids [n, seq], each row with an end token: the state there, projected.

        Ids may lie on the CPU while the network is on a GPU: nothing is waited for then.
        """
        ends = (input_ids == self.bpe.eos_id).int().argmax(dim=1)
        # Attention is causal and only the end is read: what follows the last end changes nothing.
        device = self.token_embedding.weight.device
        input_ids, ends = input_ids[:, : int(ends.max()) + 1].to(device), ends.to(device)
        x = self.token_embedding(input_ids) + self.positional_embedding[: input_ids.shape[1]]
        x = self.ln_final(self.transformer(x, causal=True))  # [n, seq, width]
        return x[torch.arange(len(x), device=x.device), ends] @ self.text_projection

    def image_features(self, pixel_values: Tensor) -> Tensor:
        """Return [n, embed_dim] of preprocessed pictures [n, 3, side, side]."""
        return self.visual(pixel_values)

    @torch.no_grad()
    def text_latents(self, texts: Sequence[str]) -> Tensor:
        """Return unit vectors [n, embed_dim]: the mean over the templates, then normalised, as published."""
        stripped = [text.lower().strip() for text in texts]
        prompts = [template.format(text) for template in TEMPLATES for text in stripped]
        features = self.text_features(self.tokenize(prompts))
        return F.normalize(features.unflatten(0, (len(TEMPLATES), -1)).mean(dim=0), dim=-1)

    @torch.no_grad()
    def image_latents(self, pixel_values: Tensor) -> Tensor:
        """Return unit vectors [n, embed_dim] of preprocessed pictures [n, 3, side, side]."""
        return F.normalize(self.image_features(pixel_values.to(self.logit_scale.device)), dim=-1)

    def preprocess(self, picture: Image.Image) -> Tensor:
        """Return [3, side, side]: RGB, centre square, Pillow's bilinear resize, normalised channels."""
        scaled = to_pixels(picture.convert("RGB"), self.config.image_resolution)
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.config.mean, self.config.std))
        return (scaled - mean) / std
