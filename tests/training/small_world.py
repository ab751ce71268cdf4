"""A very small world to train on: its data, its networks, and the settings of a run of a few steps."""

from models.rudolph import Config

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
