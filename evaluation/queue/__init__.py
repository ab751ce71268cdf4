"""Many submissions over many hosts, by a folder that all of them see."""
