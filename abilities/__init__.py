"""What the networks can do beyond the contest, for people: files in, files out."""
