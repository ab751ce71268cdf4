"""Scores predictions as the contest does, and what a leaderboard needs around it. Never loads RUDOLPH."""
