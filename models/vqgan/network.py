"""Gumbel VQGAN: pictures to discrete codes and back, in the parameter layout of the published checkpoints.

The quantiser is a 1x1 classifier over the codebook, as in DALL-E."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from errors import UserError
from models.vqgan.layers import Decoder, Encoder, Shape, VQGANConfigError, WaveletDecoder, in_parts

CHECKPOINT_PREFIX = "model."
PIXELS_AT_ONCE = 4 * 192 * 192  # of a batch, on a CPU: what coarse maps share their weights for


class PictureShapeError(UserError):
    """A tensor of pictures or codes has a shape or value that the tokenizer cannot take."""


class GumbelQuantizer(nn.Module):
    """A classifier over the codebook (`proj`) and the codebook itself (`embed`)."""

    def __init__(self, z_channels: int, embed_dim: int, n_embed: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(z_channels, n_embed, 1)
        self.embed = nn.Embedding(n_embed, embed_dim)


def _strip_checkpoint_prefix(module: nn.Module, state_dict: dict[str, Any], prefix: str, *_: Any, **__: Any) -> None:
    """Accept the published form whose every name begins with `model.` (the wrapper's own attribute)."""
    own = [name for name in state_dict if name.startswith(prefix)]
    marked = prefix + CHECKPOINT_PREFIX
    if own and all(name.startswith(marked) for name in own):
        for name in own:
            state_dict[prefix + name[len(marked) :]] = state_dict.pop(name)


class VQGAN(nn.Module):
    """The picture tokenizer. Keywords are those of the published configurations; `wavelet` picks the second decoder.

    Raises `VQGANConfigError` for a configuration the published layout cannot hold.
    """

    def __init__(
        self,
        *,
        ch: int,
        ch_mult: Sequence[int],
        num_res_blocks: int,
        attn_resolutions: Sequence[int],
        resolution: int,
        z_channels: int,
        embed_dim: int,
        n_embed: int,
        in_channels: int = 3,
        out_ch: int = 3,
        dropout: float = 0.0,
        double_z: bool = False,
        wavelet: bool = False,
    ) -> None:
        super().__init__()
        if double_z:
            raise VQGANConfigError("double_z=True belongs to a VAE; a Gumbel VQGAN has double_z=False")
        if not ch_mult:
            raise VQGANConfigError("ch_mult must have a width for at least one level")
        if z_channels != embed_dim:
            raise VQGANConfigError(f"z_channels ({z_channels}) must equal embed_dim ({embed_dim})")
        self.n_embed = n_embed
        self.resolution = resolution
        self.in_channels = in_channels
        self.out_ch = out_ch
        self.factor = 2 ** (len(ch_mult) - 1)
        shape = Shape(ch, ch_mult, num_res_blocks, attn_resolutions, resolution, z_channels, dropout)
        self.encoder = Encoder(shape, in_channels)
        self.quant_conv = nn.Conv2d(z_channels, embed_dim, 1)
        self.quantize = GumbelQuantizer(z_channels, embed_dim, n_embed)
        # A wavelet checkpoint holds this convolution too, though only the one inside its decoder is used.
        self.post_quant_conv = nn.Conv2d(embed_dim, z_channels, 1)
        decoder = Decoder(shape, 4 * out_ch if wavelet else out_ch)
        self.decoder: nn.Module = WaveletDecoder(decoder, embed_dim, z_channels, out_ch) if wavelet else decoder
        self.wavelet = wavelet
        self.register_load_state_dict_pre_hook(_strip_checkpoint_prefix)  # type: ignore[no-untyped-call]

    def latents(self, images: Tensor) -> Tensor:
        """Pictures in [0, 1], [b, 3, H, W], to latents before quantisation, [b, embed_dim, H/f, W/f].

        Raises PictureShapeError unless the sides are multiples of the factor f.
        """
        if images.dim() != 4 or images.shape[1] != self.in_channels:
            raise PictureShapeError(f"pictures must be [b, {self.in_channels}, H, W], got {list(images.shape)}")
        if images.shape[2] % self.factor or images.shape[3] % self.factor:
            raise PictureShapeError(f"picture sides must be multiples of {self.factor}, got {list(images.shape[2:])}")
        return self.quant_conv(self.encoder(images * 2 - 1))

    def logits(self, images: Tensor) -> Tensor:
        """Pictures in [0, 1], [b, 3, H, W], to scores of the codes, [b, n_embed, H/f, W/f]."""
        return self.quantize.proj(self.latents(images))

    def encode(self, images: Tensor) -> Tensor:
        """Pictures in [0, 1], [b, 3, H, W], to the most probable codes, int64 [b, h*w], row by row."""
        pixels = max(1, images[0, 0].numel()) if images.dim() == 4 and len(images) else 1
        at_once = max(1, PIXELS_AT_ONCE // pixels)
        return in_parts(lambda part: self.logits(part).argmax(dim=1).flatten(1), images, at_once)

    def sample_codes(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """Codes drawn from softmax(logits) by inverse CDF: int64 [b, h*w].

        The published encoder adds Gumbel noise and takes the argmax, which is this same draw; here the caller gives
        the random numbers `uniforms` [b, h*w] in [0, 1), so that a sample's codes don't depend on its batch.
        """
        logits = self.logits(images).flatten(2).transpose(1, 2)  # [b, hw, n_embed]
        if uniforms.shape != logits.shape[:2]:
            raise PictureShapeError(f"uniforms must be {list(logits.shape[:2])}, got {list(uniforms.shape)}")
        cumulative = torch.softmax(logits.float(), dim=-1).cumsum(-1)
        # Scaled by the last entry, as a long sum in single precision ends only near 1.
        targets = uniforms.to(cumulative).unsqueeze(-1) * cumulative[..., -1:]
        return torch.searchsorted(cumulative, targets, right=True).squeeze(-1).clamp_(max=self.n_embed - 1)

    def synthesize(self, embedded: Tensor) -> Tensor:
        """Codebook vectors [b, embed_dim, h, w] to pictures in about [-1, 1], not clamped, [b, 3, H, W]."""
        embedded = embedded.to(self.post_quant_conv.weight.dtype)
        pixels: Tensor = self.decoder(embedded if self.wavelet else self.post_quant_conv(embedded))
        return pixels.to(self.quantize.embed.weight.dtype)

    def render_in(self, dtype: torch.dtype) -> None:
        """Compute pictures from codes in another precision; codes from pictures, and what comes out, keep theirs."""
        self.post_quant_conv.to(dtype)
        self.decoder.to(dtype)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [b, n] of a square grid to pictures in [0, 1], [b, 3, H, W]; H = f sqrt(n), twice that with wavelets.

        Codes may lie on the CPU while the network is on a GPU: their values are checked where they are, and there the
        check waits for nothing. Raises PictureShapeError if n is no square or a code lies outside the codebook.
        """
        if codes.dim() != 2:
            raise PictureShapeError(f"codes must be [b, n], got {list(codes.shape)}")
        side = int(codes.shape[1] ** 0.5)
        if side == 0 or side * side != codes.shape[1]:
            raise PictureShapeError(f"only square grids can be decoded, got {codes.shape[1]} codes a picture")
        if codes.numel() and (int(codes.min()) < 0 or int(codes.max()) >= self.n_embed):
            raise PictureShapeError(f"codes must lie in 0..{self.n_embed - 1}")
        embedded = (
            self.quantize.embed(codes.to(self.quantize.embed.weight.device))
            .unflatten(1, (side, side))
            .permute(0, 3, 1, 2)
        )
        at_once = max(1, PIXELS_AT_ONCE // (side * self.factor) ** 2)
        return (in_parts(self.synthesize, embedded, at_once).clamp(-1, 1) + 1) / 2
