"""Scores a run of the first FusionBrain Challenge (2021): four subtasks, their sum, its minima and its prizes."""
