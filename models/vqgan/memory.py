"""How much memory a VQGAN takes to encode or decode one picture, from its dimensions alone."""

from __future__ import annotations

from models.vqgan.network import VQGAN

# Maps of [channels, height, width] alive while the finest level's residual block applies its activation; counted.
ALIVE_MAPS = 5.1
# What convolution kernels may take for themselves: a rearranged input and a rearranged output.
WORKSPACE_MAPS = 2.0


def picture_bytes(vqgan: VQGAN, side: int) -> dict[str, int]:
    """Bytes by name that one picture of `side x side` pixels takes at the widest moment of encoding or decoding it."""
    weight = vqgan.encoder.conv_in.weight  # [channels, 3, 3, 3]
    a_map = side**2 * weight.shape[0] * weight.itemsize
    return {"activations": int(a_map * ALIVE_MAPS), "workspaces": int(a_map * WORKSPACE_MAPS)}
