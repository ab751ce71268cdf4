"""The organisers' runner: a submission's archive into its container, and out of it a verdict."""
