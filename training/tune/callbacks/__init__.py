"""Who watches a fine-tuning run: logs, plots, answers to read. The training knows only the `Watcher` protocol."""
