"""What a training cost in CO2: the contest's two plots, a page, and a summary for the leaderboard."""
