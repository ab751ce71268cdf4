"""The commands of `python -m fetch`, which differ in what they fetch alone."""
