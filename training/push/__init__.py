"""A trained RUDOLPH for others: a folder as people expect it on the hub, and on its way there."""
