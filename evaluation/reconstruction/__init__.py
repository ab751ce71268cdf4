"""How well a picture tokenizer keeps pictures: originals against what it makes of their codes, by domain."""
