"""How much memory a VQGAN takes to encode or decode one picture, from its dimensions alone."""

from __future__ import annotations

from models.convolution import has_kernels, workspace_bytes
from models.vqgan.network import VQGAN

# Maps of [channels, height, width] alive while the decoder's finest level computes a residual block; counted.
ALIVE_MAPS = 4.85
# What other kernels of convolutions may take for themselves: a rearranged input and a rearranged output.
WORKSPACE_MAPS = 2.0


def picture_bytes(vqgan: VQGAN, side: int) -> dict[str, int]:
    """Bytes by name that one picture of `side x side` pixels takes at the widest moment of encoding or decoding it."""
    weight = vqgan.encoder.conv_in.weight  # [channels, 3, 3, 3]
    a_map = side**2 * weight.shape[0] * weight.itemsize
    workspace = int(a_map * WORKSPACE_MAPS)
    if has_kernels(weight):
        widths = enumerate(vqgan.encoder.widths)  # each is convolved at its own grid, and at the next finer one
        workspace = max(workspace_bytes(width, side >> max(0, index - 1)) for index, width in widths)
    return {"activations": int(a_map * ALIVE_MAPS), "workspaces": workspace}
