"""A procedural world in Russian: samples of all twelve tasks, deterministic and of any size. Needs no data set and no network."""
