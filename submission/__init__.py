"""What runs in the organisers' container: read, encode, answer and draw, journal, write."""

VERSION = "0.2.0"
