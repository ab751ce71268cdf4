"""A procedural world in Russian: samples of all twelve tasks, deterministic, of any size, from no data set at all."""
