"""The work of the published generation loop, written anew for comparison: never used to answer, only to be timed.

At every step it embeds the whole sequence, multiplies dense float masks at every layer, normalises and adds residuals
over the whole sequence, grows four caches a layer by concatenation, and scores the whole vocabulary at every position.
Only the projections, the attention rows and the MLP are limited to the new token. Compiles nothing, skips nothing.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.rudolph import Rudolph
from models.rudolph.sampling import Sampling, filtered_probabilities
from models.rudolph.transformer import HALF_MAX, Attention, Layer

RELAX = 32.0  # PB-relax: scores are divided by it before their maximum is subtracted


class PublishedLoop:
    """One batch on its way: the ids so far and, for every layer, keys, values, attention and MLP outputs."""

    def __init__(self, model: Rudolph, ids: Tensor) -> None:
        """Start behind the ids `[batch, n]` with caches of noise: what a step costs does not depend on their values."""
        config, like = model.config, model.transformer.final_layernorm.weight
        (batch, n), heads = ids.shape, config.num_attention_heads

        def noise(*sizes: int) -> Tensor:
            return torch.randn(sizes, device=like.device, dtype=like.dtype)

        self.model, self.ids = model, ids
        self.masks = [model.transformer.mask(i).to(like.dtype) for i in range(config.num_layers)]
        self.caches = [
            [noise(batch, heads, n - 1, config.head_dim) for _ in range(2)]
            + [noise(batch, n - 1, config.hidden_size) for _ in range(2)]
            for _ in range(config.num_layers)
        ]

    def _grow(self, layer: int, which: int, new: Tensor) -> Tensor:
        self.caches[layer][which] = torch.cat((self.caches[layer][which], new), dim=-2)
        return self.caches[layer][which]

    def _attention(self, i: int, attention: Attention, x: Tensor, mask: Tensor) -> Tensor:
        batch, n, hidden = x.shape
        fused = attention.query_key_value(x[:, -1:]).view(batch, 1, 3, attention.heads, -1)
        query, key, value = fused.permute(2, 0, 3, 1, 4)  # each [batch, heads, 1, head_dim]
        keys, values = self._grow(i, 0, key), self._grow(i, 1, value)
        seen = mask[:, :, -1:, :n]
        scores = (query / query.shape[-1] ** 0.5) @ keys.transpose(-1, -2)
        scores = scores * seen - 10000.0 * (1.0 - seen)
        scores = scores / RELAX
        scores = (scores - scores.amax(dim=(-1, -2), keepdim=True)) * RELAX
        context = (scores.softmax(-1) @ values).transpose(1, 2).reshape(batch, 1, hidden)
        return self._grow(i, 2, attention.dense(context).clamp(-HALF_MAX, HALF_MAX))

    def _layer(self, i: int, layer: Layer, x: Tensor, mask: Tensor) -> Tensor:
        attended = self._attention(i, layer.attention, layer.input_layernorm(x), mask)
        x = x + layer.before_first_addition_layernorm(attended)
        inner = F.gelu(layer.mlp.dense_h_to_4h(layer.post_attention_layernorm(x)[:, -1:]), approximate="tanh")
        transformed = self._grow(i, 3, layer.mlp.dense_4h_to_h(inner))
        return x + layer.before_second_addition_layernorm(transformed)

    def step(self, rows: slice, sampling: Sampling) -> None:
        """Compute the logits of the whole sequence, draw one token from some rows of the last, and append it."""
        model, (batch, n) = self.model, self.ids.shape
        x = model.embed(self.ids)
        causal = torch.ones(batch, 1, n, n, device=x.device, dtype=x.dtype).tril()
        for i, layer in enumerate(model.transformer.layers):
            assert isinstance(layer, Layer)
            x = self._layer(i, layer, x, causal * self.masks[i][:n, :n])
        logits = model.to_logits(model.transformer.final_layernorm(x)).float()  # [batch, n, total_vocab]
        probabilities = filtered_probabilities(logits[:, -1, rows], sampling)
        self.ids = torch.cat((self.ids, torch.multinomial(probabilities, 1)), dim=1)
