"""Fine-tuning RUDOLPH, or training it from random weights, on contest task folders."""
