"""The ruDALL-E decoder: [text | image], embeddings and loss; layers, masks and output head are RUDOLPH's.

Parameter and buffer names are those of the published checkpoints, so that weights go both ways.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.dalle.config import Config
from models.rudolph.transformer import LAYER_NORM_EPS, SparseDecoder, SparseTransformer, damped
from models.rudolph.vocabulary import BOS


class Dalle(SparseDecoder):
    """ruDALL-E: ids of a text, then an image's codes, row by row.

    `input_ids` are `[text_seq_length ids | up to I codes]` in both versions. What version 2 makes of them, `sequence`
    tells; `embed`, `hidden` and the caches take such sequences.
    """

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden_size
        self.text_embeddings = nn.Embedding(config.vocab_size, hidden)
        self.image_embeddings = nn.Embedding(config.image_vocab_size, hidden)
        self.text_pos_embeddings = nn.Embedding(config.text_seq_length + 1, hidden)
        self.image_row_embeddings = nn.Embedding(config.image_tokens_per_dim, hidden)
        self.image_col_embeddings = nn.Embedding(config.image_tokens_per_dim, hidden)
        self.to_logits = nn.Sequential(nn.LayerNorm(hidden, eps=LAYER_NORM_EPS), nn.Linear(hidden, config.total_vocab))
        self.transformer = SparseTransformer(config)
        self.reset_parameters()

    def sequence(self, input_ids: Tensor) -> Tensor:
        """The sequence that the network sees of ids `[batch, n]`.

        Version 2 has BOS in front of the text once more: one id longer, so that the last code of a whole image has no
        place and is dropped. To the masks the text's last id is then the image's first position, as published.
        """
        if not self.config.doubles_bos:
            return input_ids
        return F.pad(input_ids, (1, 0), value=BOS)[:, : self.config.total_seq_length]

    def embed(self, ids: Tensor, start: int = 0) -> Tensor:
        """Embed the ids of a sequence's positions `start ..`: `[batch, new]` -> `[batch, new, hidden]`."""
        text = self.config.prompt_length
        stop = start + ids.shape[1]
        parts = []
        if start < text:
            end = min(stop, text)
            tokens = self.left_ids(ids[:, : end - start], start - self.config.doubles_bos)
            parts.append(self.text_embeddings(tokens) + self.text_pos_embeddings.weight[start:end])
        if stop > text:
            begin = max(start, text)
            parts.append(
                self.image_embeddings(ids[:, begin - start :]) + self.grid_embeddings(begin - text, stop - text)
            )
        return damped(torch.cat(parts, dim=1) if len(parts) > 1 else parts[0])

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits for ids `[batch, n]`, n at most L + I, behind each position of their `sequence`."""
        return self.head(self.hidden(self.sequence(input_ids)))

    def loss(
        self, input_ids: Tensor, mode: Literal["published", "corrected"] = "published"
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy of whole ids `[batch, L + I]`: (text + weight * image) / (1 + weight), and its two parts.

        As published, version 3 is trained to give the first code as a *text* id (so is RUDOLPH), and never as a code.
        Corrected, and in version 2, each id is scored behind the position before it, in its own vocabulary.
        Raises ValueError for ids of another length.
        """
        config = self.config
        length = config.text_seq_length
        if input_ids.shape[1] != config.total_seq_length:
            raise ValueError(f"a loss needs {config.total_seq_length} ids, not {input_ids.shape[1]}")
        logits = self(input_ids)
        text, codes = self.left_ids(input_ids[:, :length]), input_ids[:, length:]
        start = config.prompt_length - 1  # behind it stands the first code
        if not config.doubles_bos:
            text = text[:, 1:]
            if mode == "published":
                text, codes, start = torch.cat((text, codes[:, :1]), dim=1), codes[:, 1:], start + 1
        image_logits = logits[:, start : start + codes.shape[1], config.text_vocab :]
        parts = {
            "text": _cross_entropy(logits[:, : text.shape[1], : config.text_vocab], text),
            "image": _cross_entropy(image_logits, codes),
        }
        loss = (parts["text"] + config.loss_img_weight * parts["image"]) / (1 + config.loss_img_weight)
        return loss, {name: part.detach() for name, part in parts.items()}


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over all tokens of the batch; logits `[batch, n, ids]`, targets `[batch, n]`."""
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
