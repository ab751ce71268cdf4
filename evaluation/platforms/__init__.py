"""Scores and test sets in the forms of other platforms: Codabench, the hub, lm-evaluation-harness."""
