"""Networks and tokenizers, which know nothing of the contest."""
