"""Checks of contest task folders: every rule of the format, and what a person should look at."""
