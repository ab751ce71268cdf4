"""Energy and CO2: measuring a run with eco2AI, reading and writing its CSV files, and summing up a training."""
