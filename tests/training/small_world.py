"""A very small world to train on: its data, its networks, and the settings of a run of a few steps."""

import json
from pathlib import Path

import torch

from data_prep.__main__ import main as data_prep
from models.rudolph import Config
from models.vqgan import VQGAN
from models.weights import save_safetensors
from training.__main__ import main as training

TINY = Config(
    num_layers=2,
    hidden_size=32,
    num_attention_heads=2,
    vocab_size=380,
    l_text_seq_length=80,
    image_tokens_per_dim=8,
    r_text_seq_length=24,
    image_vocab_size=16,
    text_special_tokens=32,
    attention_dropout_prob=0.1,
    output_dropout_prob=0.1,
    init_method_std=0.1,
)
PICTURES = {
    "ch": 32,
    "ch_mult": [1, 1, 1, 1],
    "num_res_blocks": 1,
    "attn_resolutions": [],
    "resolution": 64,
    "z_channels": 8,
    "embed_dim": 8,
    "n_embed": 16,
}
SETTINGS = """
weights: {root}/weights
output: {root}/run
steps: 4
data: {{folder: {root}/world}}
model: {{scratch: {root}/tiny.json}}
optim: {{learning_rate: 1.0e-2, warmup_steps: 1}}
validation: {{every: 4, samples: 2}}
checkpoint: {{every: 2}}
tasks:
  textqa: {{samples: 2, left: 0.02, image: 0.0, right: 1.0}}
  generation: {{samples: 2, left: 0.02, image: 1.0, right: 0.0}}
  captioning: {{samples: 2, left: 0.02, image: 0.0, right: 1.0}}
"""


def make_small_world(root: Path) -> None:
    """Make it in a folder: `world`, `weights`, `tiny.json` and `settings.yaml`."""
    tasks = "textqa,generation,captioning"
    sizes = ["--train", "30", "--validation", "3", "--test", "0"]
    assert data_prep(["synthetic", "--output", str(root / "world"), "--seed", "1", *sizes, "--tasks", tasks]) == 0
    (root / "weights" / "vqgan").mkdir(parents=True)
    (root / "weights" / "vqgan" / "config.json").write_text(json.dumps(PICTURES))
    torch.manual_seed(0)
    save_safetensors(VQGAN(**PICTURES), root / "weights" / "vqgan" / "model.safetensors", torch.float16)
    bpe = root / "weights" / "bpe.model"
    assert training(["bpe", "--data", str(root / "world"), "--output", str(bpe), "--vocab", "300"]) == 0
    TINY.save(root / "tiny.json")
    (root / "settings.yaml").write_text(SETTINGS.format(root=root))
