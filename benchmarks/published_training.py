"""The work of a step of the published trainer, written anew for comparison: never used to train, only to be timed.

Each task of the batch goes through the network by itself, in the weights' own dtype; every layer multiplies the scores
by dense float masks and normalises them by PB-relax; the whole vocabulary is scored at every position, in single
precision; the tasks' losses are the published ones. Compiles nothing, skips nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.published_loop import RELAX
from models.rudolph import Rudolph
from models.rudolph.loss import segment_loss
from models.rudolph.transformer import HALF_MAX, Attention, Layer
from training.tune.settings import TaskSettings


class PublishedTraining:
    """A network, its optimiser, and what a step does with a batch that is sorted by task."""

    def __init__(self, model: Rudolph, tasks: Mapping[str, TaskSettings], clip: float) -> None:
        self.model = model.train()
        self.tasks = tasks
        self.clip = clip
        dtype = model.text_embeddings.weight.dtype
        self.masks = [model.transformer.mask(i).to(dtype) for i in range(model.config.num_layers)]
        self.optimizer = torch.optim.Adam(model.parameters(), 2e-5)

    def _attention(self, attention: Attention, x: Tensor, mask: Tensor) -> Tensor:
        batch, n, hidden = x.shape
        fused = attention.query_key_value(x).view(batch, n, 3, attention.heads, -1)
        query, key, value = fused.permute(2, 0, 3, 1, 4)  # each [batch, heads, n, head_dim]
        scores = (query / query.shape[-1] ** 0.5) @ key.transpose(-1, -2)  # [batch, heads, n, n]
        scores = scores * mask - 10000.0 * (1.0 - mask)
        scores = scores / RELAX
        scores = (scores - scores.detach().amax(dim=(-1, -2), keepdim=True)) * RELAX
        probabilities = F.dropout(scores.softmax(-1), self.model.config.attention_dropout_prob)
        context = (probabilities @ value).transpose(1, 2).reshape(batch, n, hidden)
        return self._dropped(attention.dense(context).clamp(-HALF_MAX, HALF_MAX))

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.model.config.output_dropout_prob)

    def _layer(self, layer: Layer, x: Tensor, mask: Tensor) -> Tensor:
        attended = self._attention(layer.attention, layer.input_layernorm(x), mask)
        x = x + layer.before_first_addition_layernorm(attended)
        grown = layer.mlp.dense_h_to_4h(layer.post_attention_layernorm(x))
        transformed = layer.mlp.dense_4h_to_h(F.gelu(grown, approximate="tanh"))
        return x + layer.before_second_addition_layernorm(self._dropped(transformed))

    def logits(self, ids: Tensor) -> Tensor:
        """Logits of all positions: ids `[batch, n]` -> `[batch, n, total_vocab]`."""
        model, (batch, n) = self.model, ids.shape
        x = model.embed(ids)
        causal = torch.ones(batch, 1, n, n, device=x.device, dtype=x.dtype).tril()
        for layer, mask in zip(model.transformer.layers, self.masks, strict=True):
            assert isinstance(layer, Layer)
            x = self._layer(layer, x, causal * mask[:n, :n])
        output: Tensor = model.to_logits(model.transformer.final_layernorm(x))
        return output

    def loss(self, batches: Mapping[str, Tensor]) -> Tensor:
        """Weighted sum of the tasks' losses; ids `[samples, n]` by task, n without right text for generation."""
        config, losses = self.model.config, []
        for task, ids in batches.items():
            weights, logits = self.tasks[task], self.logits(ids)
            left = self.model.left_ids(ids[:, : config.l_text_seq_length])
            segments = (weights.left, weights.image, weights.right)
            losses.append(weights.weight * segment_loss(config, logits, left, ids, segments)[0])
        return torch.stack(losses).sum()

    def step(self, batches: Mapping[str, Tensor]) -> float:
        """Make a step; returns the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(batches)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        return float(loss.detach())
