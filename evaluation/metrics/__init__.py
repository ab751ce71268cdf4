"""The metrics, one a file: pure functions, and a thin torchmetrics.Metric over each. Knows nothing of files."""
