#!/usr/bin/env bash
# Without arguments: the container's entrypoint, and nothing else. It installs nothing and needs no network; it reads
# ../input and writes ./output, relative to the folder that it is started in.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

case "${1:-}" in
    "")
        export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
        exec python -m submission run --weights "$here/weights"
        ;;
    *)
        echo "usage: bash run.sh    (no arguments: answer ../input/input.json into ./output)" >&2
        exit 2
        ;;
esac
