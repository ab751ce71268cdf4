"""The published data sets, one module each."""
