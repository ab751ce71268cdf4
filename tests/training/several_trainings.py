"""Several trainings, one behind the other, by one of two processes: starting Python for each would take minutes.

`python several_trainings.py RANK PORT... -- SETTINGS...`: a port for each training, its `key=value`s as one argument.
"""

import os
import sys

from training.__main__ import main

if __name__ == "__main__":
    rank, *rest = sys.argv[1:]
    ports, trainings = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
    for port, settings in zip(ports, trainings, strict=True):
        os.environ |= {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": port}
        status = main(["tune", *settings.split()])
        print(f"status {status}: {settings}", file=sys.stderr, flush=True)
