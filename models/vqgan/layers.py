"""The building blocks of the VQGAN: residual and attention blocks, encoder, decoder, wavelet decoder.

Architecture: Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", arXiv:2012.09841.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.convolution import Conv3x3, has_kernels
from models.files import ModelFileError

GROUPS = 32
PLACES_AT_ONCE = 96 * 96  # of a batch's maps, on a CPU


class VQGANConfigError(ModelFileError):
    """A configuration that no VQGAN can have; says what is wrong, and with which file if it came from one."""


def _norm(channels: int) -> nn.GroupNorm:
    if channels % GROUPS:
        raise VQGANConfigError(f"every width must be a multiple of {GROUPS} (group normalisation), got {channels}")
    return nn.GroupNorm(GROUPS, channels, eps=1e-6)


def in_parts(work: Callable[[Tensor], Tensor], maps: Tensor, at_once: int) -> Tensor:
    """The work on a batch of pictures or their maps [b, c, h, w]; on a CPU on so many at a time.

    Maps of more do not fit its caches, and take fresh memory each time, which the kernel clears first.
    """
    if maps.device.type != "cpu" or len(maps) <= at_once:
        return work(maps)
    return torch.cat([work(part) for part in maps.split(at_once)])


def at_once(maps: Tensor, zoom: int = 1) -> int:
    """How many of a batch of maps [b, c, h, w] a level takes together, which makes their sides `zoom` times as long.

    Fine maps one by one, as each fills a processor's caches; coarse ones together, as they share their weights. Other
    kernels than those of `Conv3x3` prefer all of them together.
    """
    if torch.is_grad_enabled() or not has_kernels(maps):
        return len(maps)
    return max(1, PLACES_AT_ONCE // max(1, maps[0, 0].numel() * zoom**2)) if len(maps) else 1


def _activated(normed: Tensor) -> Tensor:
    """SiLU of what a norm gave, in its place where no gradient is to come."""
    return F.silu(normed, inplace=not torch.is_grad_enabled())


def _plus(residual: Tensor, x: Tensor) -> Tensor:
    """The sum of what a block made and its input, in the first one's place where no gradient is to come."""
    return residual + x if torch.is_grad_enabled() else residual.add_(x)


class ResnetBlock(nn.Module):
    """Two normalised 3x3 convolutions beside a shortcut: [b, c_in, h, w] -> [b, c_out, h, w]."""

    def __init__(self, channels_in: int, channels_out: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = _norm(channels_in)
        self.conv1 = Conv3x3(channels_in, channels_out)
        self.norm2 = _norm(channels_out)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = Conv3x3(channels_out, channels_out)
        self.nin_shortcut = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else None

    def forward(self, x: Tensor) -> Tensor:
        """[b, c_in, h, w] -> [b, c_out, h, w]."""
        hidden = self.norm2(self.conv1(_activated(self.norm1(x))))  # by no name of its own, a map is freed at once
        hidden = self.conv2(self.dropout(_activated(hidden)))
        return _plus(hidden, x if self.nin_shortcut is None else self.nin_shortcut(x))


class AttentionBlock(nn.Module):
    """Single-head self-attention over all grid places, added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, h, w] -> [b, c, h, w]."""
        channels = x.shape[1]
        normed = self.norm(x)
        query = self.q(normed).flatten(2)  # [b, c, hw]
        key = self.k(normed).flatten(2)
        value = self.v(normed).flatten(2)
        weights = torch.softmax(query.transpose(1, 2) @ key * channels**-0.5, dim=-1)  # [b, hw (query), hw (key)]
        mixed = value @ weights.transpose(1, 2)  # [b, c, hw (query)]
        return _plus(self.proj_out(mixed.reshape(x.shape)), x)


class Downsample(nn.Module):
    """Halves the grid; pads on the right and below only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, h, w] -> [b, c, h/2, w/2]."""
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Doubles the grid by repetition, then smooths it by a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, h, w] -> [b, c, 2h, 2w]."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Middle(nn.Module):
    """Residual block, attention, residual block at the coarsest grid."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, dropout)
        self.attn_1 = AttentionBlock(channels)
        self.block_2 = ResnetBlock(channels, channels, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, h, w] -> [b, c, h, w]."""
        return self.block_2(self.attn_1(self.block_1(x)))


class Level(nn.Module):
    """The blocks of one grid size, each followed by attention if the level has it, and then a change of grid size."""

    def __init__(
        self, channels_in: int, channels_out: int, blocks: int, attention: bool, dropout: float, resample: str | None
    ) -> None:
        super().__init__()
        widths = [channels_in] + [channels_out] * blocks
        self.block = nn.ModuleList(ResnetBlock(widths[i], widths[i + 1], dropout) for i in range(blocks))
        self.attn = nn.ModuleList(AttentionBlock(channels_out) for _ in range(blocks if attention else 0))
        self.downsample = Downsample(channels_out) if resample == "down" else None
        self.upsample = Upsample(channels_out) if resample == "up" else None

    def forward(self, x: Tensor) -> Tensor:
        """[b, c_in, h, w] -> [b, c_out, h', w'], h' being h, h/2 or 2h."""
        for index, block in enumerate(self.block):
            x = block(x)
            if len(self.attn):
                x = self.attn[index](x)
        if self.downsample is not None:
            x = self.downsample(x)
        return x if self.upsample is None else self.upsample(x)


@dataclass(frozen=True)
class Shape:
    """The sizes that encoder and decoder share, by the names of the published configurations."""

    ch: int
    ch_mult: Sequence[int]
    num_res_blocks: int
    attn_resolutions: Sequence[int]
    resolution: int
    z_channels: int
    dropout: float

    @property
    def widths(self) -> list[int]:
        """Channels of each level, the finest first."""
        return [self.ch * factor for factor in self.ch_mult]

    def grid_down(self, index: int) -> int:
        """Side of the encoder's grid after `index` halvings, each rounded down."""
        return self.resolution // 2**index

    def grid_up(self, index: int) -> int:
        """Side of the decoder's grid at level `index`: doubled upwards from the coarsest, so that what was rounded off
        stays lost. Published checkpoints have their attention where this says."""
        last = len(self.ch_mult) - 1
        return self.grid_down(last) * 2 ** (last - index)

    def level(self, grid: int, channels_in: int, channels_out: int, blocks: int, resample: str | None) -> Level:
        """Return a level, with attention if its grid has a size that asks for it."""
        attention = grid in self.attn_resolutions
        return Level(channels_in, channels_out, blocks, attention, self.dropout, resample)


class Encoder(nn.Module):
    """Pictures in [-1, 1] to latent grids: [b, in_channels, H, W] -> [b, z_channels, H/f, W/f], f = 2^(levels-1).

    Whether a level has attention is decided here from `resolution`, not from the pictures that come later.
    """

    def __init__(self, shape: Shape, in_channels: int) -> None:
        super().__init__()
        self.widths = shape.widths
        self.conv_in = Conv3x3(in_channels, shape.ch)
        widths = [shape.ch, *shape.widths]
        last = len(shape.widths) - 1
        self.down = nn.ModuleList(
            shape.level(
                shape.grid_down(i), widths[i], widths[i + 1], shape.num_res_blocks, "down" if i < last else None
            )
            for i in range(len(shape.widths))
        )
        self.mid = Middle(widths[-1], shape.dropout)
        self.norm_out = _norm(widths[-1])
        self.conv_out = Conv3x3(widths[-1], shape.z_channels)

    def forward(self, x: Tensor) -> Tensor:
        """[b, in_channels, H, W] -> [b, z_channels, H/f, W/f]."""
        hidden = in_parts(lambda part: self.down[0](self.conv_in(part)), x, at_once(x))
        for level in self.down[1:]:
            hidden = in_parts(level, hidden, at_once(hidden))
        return self.conv_out(_activated(self.norm_out(self.mid(hidden))))


class Decoder(nn.Module):
    """Latent grids to pictures in about [-1, 1]: [b, z_channels, h, w] -> [b, out_ch, fh, fw].

    `up` is indexed from the finest level and every level has one block more than the encoder's.
    """

    def __init__(self, shape: Shape, out_ch: int) -> None:
        super().__init__()
        widths = [*shape.widths, shape.widths[-1]]  # the coarsest level's input has its own width
        self.conv_in = Conv3x3(shape.z_channels, widths[-1])
        self.mid = Middle(widths[-1], shape.dropout)
        self.up = nn.ModuleList(
            shape.level(shape.grid_up(i), widths[i + 1], widths[i], shape.num_res_blocks + 1, "up" if i > 0 else None)
            for i in range(len(shape.widths))
        )
        self.norm_out = _norm(widths[0])
        self.conv_out = Conv3x3(widths[0], out_ch)

    def forward(self, z: Tensor) -> Tensor:
        """[b, z_channels, h, w] -> [b, out_ch, fh, fw]."""
        return self._upwards(len(self.up) - 1, self.mid(self.conv_in(z)))

    def _upwards(self, index: int, hidden: Tensor) -> Tensor:
        """Maps that level `index` takes to pictures: through it and, as its grid may be too large for all, by parts."""
        if index < 0:
            return self.conv_out(_activated(self.norm_out(hidden)))
        return in_parts(
            lambda part: self._upwards(index - 1, self.up[index](part)), hidden, at_once(hidden, 2 if index else 1)
        )


class HaarSynthesis(nn.Module):
    """Inverse Haar transform of one level; its buffers only name the filters, as published checkpoints do."""

    g0_col: Tensor
    g1_col: Tensor
    g0_row: Tensor
    g1_row: Tensor

    def __init__(self) -> None:
        super().__init__()
        low, high = torch.tensor([0.5, 0.5]).sqrt(), torch.tensor([0.5, 0.5]).sqrt() * torch.tensor([1.0, -1.0])
        self.register_buffer("g0_col", low.reshape(1, 1, 2, 1))
        self.register_buffer("g1_col", high.reshape(1, 1, 2, 1))
        self.register_buffer("g0_row", low.reshape(1, 1, 1, 2))
        self.register_buffer("g1_row", high.reshape(1, 1, 1, 2))

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """low [b, c, h, w], high [b, c, 3, h, w] -> [b, c, 2h, 2w].

        out[2i+a, 2j+b] = (low + (-1)^a high0 + (-1)^b high1 + (-1)^(a+b) high2) / 2. The filters are fixed, so this
        closed form is used and not the buffers, which half precision would round.
        """
        vertical, horizontal, diagonal = high.unbind(2)
        rows = []
        for a in (1, -1):
            even = low + a * vertical + horizontal + a * diagonal
            odd = low + a * vertical - horizontal - a * diagonal
            rows.append(torch.stack((even, odd), dim=-1).flatten(-2))  # [b, c, h, 2w]
        return torch.stack(rows, dim=-2).flatten(-3, -2) / 2  # [b, c, h, 2, 2w] -> [b, c, 2h, 2w]


class WaveletDecoder(nn.Module):
    """A decoder of four Haar subbands, so that pictures have twice the side the plain decoder would give."""

    def __init__(self, decoder: Decoder, embed_dim: int, z_channels: int, out_ch: int) -> None:
        super().__init__()
        self.out_ch = out_ch
        self.decoder = decoder
        self.post_quant_conv = nn.Conv2d(embed_dim, z_channels, 1)
        self.idwt = HaarSynthesis()

    def forward(self, embedded: Tensor) -> Tensor:
        """[b, embed_dim, h, w] -> [b, out_ch, 2fh, 2fw]."""
        subbands = self.decoder(self.post_quant_conv(embedded))  # [b, 4 out_ch, fh, fw]
        low, high = subbands[:, : self.out_ch], subbands[:, self.out_ch :]
        return self.idwt(low, high.unflatten(1, (self.out_ch, 3)))
