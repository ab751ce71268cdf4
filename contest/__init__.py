"""The contest's own words: items, samples, tasks, limits, typed errors. Imports none of the other rooms."""

VERSION = "0.2.0"
