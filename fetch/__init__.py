"""Fetches by name what others publish: weights, networks of the metrics, data. Nothing else here opens a socket."""
