"""What runs in the organisers' container: read, encode, answer and draw, journal, write."""
