"""From source data sets to contest files, and the synthetic world."""
