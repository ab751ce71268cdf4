"""DeepMind Mathematics: linear equations, systems and comparisons, in Russian and with four options."""
