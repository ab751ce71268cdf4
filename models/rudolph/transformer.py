"""The RUDOLPH decoder: embeddings, sparse transformer, output head.

Parameter and buffer names are those of the published checkpoints, so that weights go both ways.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts, noop_context_fn

from models.rudolph.block_attention import block_attention
from models.rudolph.config import Config
from models.rudolph.dropout import Dropout
from models.rudolph.gelu import gelu
from models.rudolph.geometry import Geometry, MaskKind
from models.rudolph.linear import TrainableLinear
from models.rudolph.loss import LossParts, segment_loss
from models.rudolph.masks import grouped_positions, sequence_mask
from models.rudolph.packed import PackedLinear
from models.rudolph.piecewise_attention import PiecewiseAttention

LAYER_NORM_EPS = 1e-5
HALF_MAX = 65504.0  # largest finite float16: the published model clamps every attention output to it
# What multiplies by a layer's weights; attention's own products are of batches (bmm, or fused).
PRODUCTS = [torch.ops.aten.mm.default, torch.ops.aten.addmm.default]
if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
    PRODUCTS.append(torch.ops.mkldnn._linear_pointwise.default)
EMBEDDING_GRADIENT = 0.1  # CogView's trick: the embeddings receive a tenth of the gradient

# (query, key, value), each [batch, heads, new, head_dim] -> as the query; of the query perhaps only the last places
Attend: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]


def masked_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, dropout: float = 0.0, order: Tensor | None = None
) -> Tensor:
    """Scaled dot-product attention under a boolean mask `[queries, keys]`; see `block_attention` for `order`.

    The published scores `s * mask - 10000 * (1 - mask)` amount to the same: every row sees at least itself.
    """
    if query.device.type == "cpu" and query.requires_grad:
        # On a CPU the fused kernel has no dropout, its backward in bfloat16 is slow, and it scores keys that none sees.
        return block_attention(query, key, value, mask, dropout, order)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)


class Attention(nn.Module):
    """Self-attention with one fused projection; which keys are seen is the caller's `attend`."""

    def __init__(self, config: Geometry) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.query_key_value = TrainableLinear(config.hidden_size, 3 * config.hidden_size)
        self.dense = TrainableLinear(config.hidden_size, config.hidden_size)
        self.output_dropout = Dropout(config.output_dropout_prob)

    def forward(self, x: Tensor, attend: Attend, last: int | None = None) -> Tensor:
        """Attend from the `last` places of `x` `[batch, new, hidden]`, or from all; returns `[batch, last, hidden]`."""
        batch, new, hidden = x.shape
        fused = self.query_key_value(x).view(batch, new, 3, self.heads, hidden // self.heads)
        query, key, value = fused.permute(2, 0, 3, 1, 4)  # each [batch, heads, new, head_dim]
        query = query if last is None else query[:, :, -last:]
        context = attend(query, key, value).transpose(1, 2).reshape(batch, query.shape[2], hidden)
        # As `clamp`, whose backward pass takes four operations.
        output: Tensor = self.output_dropout(F.hardtanh(self.dense(context), -HALF_MAX, HALF_MAX))
        return output if output.dtype == x.dtype else output.to(x.dtype)


class MLP(nn.Module):
    """Hidden -> 4 hidden -> hidden with the tanh form of GELU."""

    def __init__(self, config: Geometry) -> None:
        super().__init__()
        self.dense_h_to_4h: nn.Module = TrainableLinear(config.hidden_size, 4 * config.hidden_size)
        self.dense_4h_to_h = TrainableLinear(4 * config.hidden_size, config.hidden_size)
        self.output_dropout = Dropout(config.output_dropout_prob)

    def forward(self, x: Tensor) -> Tensor:
        """Transform `[batch, new, hidden]`."""
        first = self.dense_h_to_4h
        wide = first.gelu(x) if isinstance(first, PackedLinear) else gelu(first(x))
        output: Tensor = self.output_dropout(self.dense_4h_to_h(wide))
        return output if output.dtype == x.dtype else output.to(x.dtype)


class Layer(nn.Module):
    """A pre-norm transformer layer, with CogView's sandwich norms where the configuration has them."""

    def __init__(self, config: Geometry) -> None:
        super().__init__()
        norm = [nn.LayerNorm(config.hidden_size, eps=LAYER_NORM_EPS) for _ in range(4)]
        self.input_layernorm = norm[0]
        self.sandwich = config.cogview_sandwich_layernorm
        if self.sandwich:
            self.before_first_addition_layernorm = norm[1]
            self.before_second_addition_layernorm = norm[2]
        self.attention = Attention(config)
        self.post_attention_layernorm = norm[3]
        self.mlp = MLP(config)

    def forward(self, x: Tensor, attend: Attend, last: int | None = None) -> Tensor:
        """Transform `[batch, new, hidden]`, or only its `last` places; keys and values are those of all."""
        attended = self.attention(self.input_layernorm(x), attend, last)
        x = x if last is None else x[:, -last:]
        x = x + (self.before_first_addition_layernorm(attended) if self.sandwich else attended)
        transformed = self.mlp(self.post_attention_layernorm(x))
        return x + (self.before_second_addition_layernorm(transformed) if self.sandwich else transformed)


class SparseTransformer(nn.Module):
    """The stack of layers, its final norm, and the masks (buffers such as `row_mask`, as published)."""

    def __init__(self, config: Geometry) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        self.final_layernorm = nn.LayerNorm(config.hidden_size, eps=LAYER_NORM_EPS)
        self.keeps_products = False  # with gradient checkpointing: what the layers' weights gave is not computed again
        self.piecewise: PiecewiseAttention | None = None  # how passes that keep gradients attend on a GPU, if so
        self.kinds = config.layer_kinds
        for kind in config.mask_kinds:
            self.register_buffer(f"{kind}_mask", self._published_mask(kind))

    @property
    def keys_like(self) -> Tensor:
        """A tensor of the precision and on the device of keys and values: those of the projections they come from,
        which may differ from the rest's."""
        bias: Tensor = self.layers[0].attention.query_key_value.bias  # type: ignore[union-attr, assignment]
        return bias.detach()

    def _published_mask(self, kind: MaskKind) -> Tensor:
        mask = sequence_mask(kind, self.config)
        return mask if self.config.is_bool_mask else mask.float()

    def rebuild_masks(self, device: torch.device | str) -> None:
        """Make the masks anew: after the module was built on the meta device, or for a checkpoint without them."""
        with torch.device(device):
            for kind in self.config.mask_kinds:
                setattr(self, f"{kind}_mask", self._published_mask(kind))

    def mask(self, layer: int) -> Tensor:
        """Boolean mask of a layer: `[total_seq, total_seq]`."""
        mask: Tensor = getattr(self, f"{self.kinds[layer]}_mask")
        return mask if mask.dtype == torch.bool else mask.bool()

    def order(self, layer: int, n: int) -> Tensor | None:
        """See `grouped_positions`, of a layer's mask."""
        return grouped_positions(self.kinds[layer], self.config, n)

    def forward(self, x: Tensor, attend: Callable[[int], Attend], last: int | None = None) -> Tensor:
        """Run all layers over `[batch, new, hidden]`; `attend(layer)` gives each layer its attention.

        With `last`, only so many of the last places come out: nobody reads the others of the last layer.
        """
        save_memory = self.config.gradient_checkpointing is not None and self.training and torch.is_grad_enabled()
        chosen = partial(create_selective_checkpoint_contexts, PRODUCTS) if self.keeps_products else noop_context_fn
        for i, layer in enumerate(self.layers):
            inputs = x, attend(i), last if i + 1 == len(self.layers) else None
            x = checkpoint(layer, *inputs, use_reentrant=False, context_fn=chosen) if save_memory else layer(*inputs)
        output: Tensor = self.final_layernorm(x)
        return output


def damped(x: Tensor) -> Tensor:
    """Embeddings as they are, of whose gradient a tenth is passed on."""
    return x * EMBEDDING_GRADIENT + x.detach() * (1.0 - EMBEDDING_GRADIENT) if x.requires_grad else x


class SparseDecoder(nn.Module):
    """What all decoders of the family share behind their embeddings: the transformer and the output head."""

    config: Geometry
    text_embeddings: nn.Embedding
    image_embeddings: nn.Embedding
    image_row_embeddings: nn.Embedding
    image_col_embeddings: nn.Embedding
    to_logits: nn.Sequential
    transformer: SparseTransformer

    def reset_parameters(self) -> None:
        """Draw fresh weights: normal with `init_method_std`, outputs of residual branches scaled by depth, no bias."""
        std = self.config.init_method_std
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                residual = name.endswith(("attention.dense", "dense_4h_to_h"))
                scale = std / math.sqrt(2 * self.config.num_layers) if residual else std
                nn.init.normal_(module.weight, 0.0, scale)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def left_ids(self, ids: Tensor, start: int = 0) -> Tensor:
        """Replace every 0 of the left text from `start` on (padding, also an interior 0) by its position's own id."""
        first = self.config.text_vocab - self.config.l_text_seq_length + start
        padding = torch.arange(first, first + ids.shape[1], device=ids.device)
        return torch.where(ids == 0, padding, ids)

    def embed(self, ids: Tensor, start: int = 0) -> Tensor:
        """Embed the tokens of positions `start ..`: ids `[batch, new]` -> `[batch, new, hidden]`."""
        raise NotImplementedError

    def grid_embeddings(self, start: int, stop: int) -> Tensor:
        """Embeddings of the places of some of the image's codes in its rows and columns: `[stop - start, hidden]`."""
        codes = torch.arange(start, stop, device=self.image_row_embeddings.weight.device)
        dim = self.config.image_tokens_per_dim
        places: Tensor = self.image_row_embeddings(codes // dim) + self.image_col_embeddings(codes % dim)
        return places

    def embed_codes(self, codes: Tensor, places: Tensor) -> Tensor:
        """Embed codes at their own places in the image: both int64 `[batch, new]` -> `[batch, new, hidden]`."""
        dim = self.config.image_tokens_per_dim
        grid = self.image_row_embeddings(places // dim) + self.image_col_embeddings(places % dim)
        return damped(self.image_embeddings(codes) + grid)

    def embed_right(self, ids: Tensor, places: Tensor) -> Tensor:
        """Embed ids at their own places in the right text: both int64 `[batch, new]` -> `[batch, new, hidden]`."""
        raise NotImplementedError

    def hidden(self, ids: Tensor) -> Tensor:
        """Hidden states behind the final norm for ids `[batch, n]`, 1 <= n <= total length: `[batch, n, hidden]`."""
        n = ids.shape[1]
        if not 1 <= n <= self.config.total_seq_length:
            raise ValueError(f"a sequence has 1 to {self.config.total_seq_length} tokens, not {n}")
        dropout = self.config.attention_dropout_prob if self.training else 0.0

        piecewise = self.transformer.piecewise if torch.is_grad_enabled() else None

        def attend(layer: int) -> Attend:
            if piecewise is not None:
                return partial(piecewise, kind=self.transformer.kinds[layer], dropout=dropout)
            mask, order = self.transformer.mask(layer)[:n, :n], self.transformer.order(layer, n)
            return lambda query, key, value: masked_attention(query, key, value, mask, dropout, order)

        output: Tensor = self.transformer(self.embed(ids), attend)
        return output

    def head(self, x: Tensor, rows: slice = slice(None)) -> Tensor:
        """Logits of the given rows of the output table only: `[..., hidden]` -> `[..., rows]`."""
        norm, linear = self.to_logits[0], self.to_logits[1]
        assert isinstance(linear, nn.Linear)
        return F.linear(norm(x), linear.weight[rows], linear.bias[rows])

    @property
    def text_rows(self) -> slice:
        """Rows of the output table that score text ids."""
        return slice(0, self.config.text_vocab)

    @property
    def image_rows(self) -> slice:
        """Rows of the output table that score image ids, special ones included."""
        return slice(self.config.text_vocab, self.config.total_vocab)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits for ids `[batch, n]` of any length up to the full sequence: `[batch, n, total_vocab]`."""
        return self.head(self.hidden(input_ids))


class Rudolph(SparseDecoder):
    """RUDOLPH (RUssian Decoder On Language Picture Hyper-modality): [left text | image | right text]."""

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden_size
        self.text_embeddings = nn.Embedding(config.text_vocab, hidden)
        self.image_embeddings = nn.Embedding(config.image_vocab, hidden)
        self.l_text_pos_embeddings = nn.Embedding(config.l_text_seq_length + 1, hidden)
        self.r_text_pos_embeddings = nn.Embedding(config.r_text_seq_length + 1, hidden)
        self.image_row_embeddings = nn.Embedding(config.image_tokens_per_dim, hidden)
        self.image_col_embeddings = nn.Embedding(config.image_tokens_per_dim, hidden)
        self.to_logits = nn.Sequential(nn.LayerNorm(hidden, eps=LAYER_NORM_EPS), nn.Linear(hidden, config.total_vocab))
        self.transformer = SparseTransformer(config)
        self.reset_parameters()

    def embedding_tables(self, n: int) -> list[nn.Embedding]:
        """The tables that the first `n` positions of a sequence are looked up in."""
        tables = [self.text_embeddings, self.l_text_pos_embeddings] if n else []
        if n > self.config.l_text_seq_length:
            tables += [self.image_embeddings, self.image_row_embeddings, self.image_col_embeddings]
        if n > self.config.prefix_length:
            tables.append(self.r_text_pos_embeddings)
        return tables

    def _embed_texts(self, texts: Sequence[Tensor]) -> Sequence[Tensor]:
        if len(texts) < 2:
            return [self.text_embeddings(text) for text in texts]
        # At once: the gradient of each look-up is as large as the table.
        found = self.text_embeddings(torch.cat(list(texts), dim=1))
        return found.split([text.shape[1] for text in texts], dim=1)

    def embed(self, ids: Tensor, start: int = 0) -> Tensor:
        """Embed the tokens of positions `start ..`: ids `[batch, new]` -> `[batch, new, hidden]`."""
        left, prefix = self.config.l_text_seq_length, self.config.prefix_length
        stop = start + ids.shape[1]
        begin, end = max(start, left), max(start, prefix)  # of the image, of the right text, as far as they are asked
        texts = [ids[:, end - start :]] if stop > prefix else []
        if start < left:
            texts.insert(0, self.left_ids(ids[:, : left - start], start))
        found = iter(self._embed_texts(texts))
        parts = []
        if start < left:
            parts.append(next(found) + self.l_text_pos_embeddings.weight[start : min(stop, left)])
        if start < prefix and stop > left:
            codes = self.image_embeddings(ids[:, begin - start : prefix - start])
            parts.append(codes + self.grid_embeddings(begin - left, min(stop, prefix) - left))
        if stop > prefix:
            parts.append(next(found) + self.r_text_pos_embeddings.weight[end - prefix : stop - prefix])
        x = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        return damped(x)

    def embed_right(self, ids: Tensor, places: Tensor) -> Tensor:
        """Embed ids at their own places in the right text: both int64 `[batch, new]` -> `[batch, new, hidden]`."""
        return damped(self.text_embeddings(ids) + self.r_text_pos_embeddings(places))

    def loss(
        self,
        input_ids: Tensor,
        left_weight: float = 1.0,
        image_weight: float = 7.0,
        right_weight: float = 1.0,
        mode: Literal["published", "corrected"] = "published",
    ) -> tuple[Tensor, LossParts]:
        """Weighted cross-entropy of the segments of ids `[batch, n]`; returns the loss and its unweighted parts.

        See `models.rudolph.loss` for what the two modes count.
        """
        logits = self(input_ids)
        left = self.left_ids(input_ids[:, : self.config.l_text_seq_length])
        return segment_loss(self.config, logits, left, input_ids, (left_weight, image_weight, right_weight), mode)
