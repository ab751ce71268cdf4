"""From contest files to batches of a training: tables, examples, image codes and their cache, sampling, prefetching."""
