"""What will go wrong with a run on this machine, before it does: one module a part of the machine."""
