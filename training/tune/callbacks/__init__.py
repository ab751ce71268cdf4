"""What happens at each event of a fine-tuning run: logs, plots, answers to read. The loop knows only `Callback`."""
