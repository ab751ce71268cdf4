"""The parts of `benchmarks/gpu.py`: each a generator of rows, run in a process of its own."""
