"""The commands of the evaluation, one a file: options, order of work, and what is printed.

Each imports what its work needs when it is run, so that no `--help` waits for it.
"""
