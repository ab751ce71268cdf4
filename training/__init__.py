"""Fine-tuning, and the small from-scratch trainings behind the bundled weights."""
