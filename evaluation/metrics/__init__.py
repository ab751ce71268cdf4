"""The metrics, one a file: pure functions, and a thin class over each."""
