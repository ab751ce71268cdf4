#!/usr/bin/env bash
# Without arguments: the container's entrypoint, and nothing else. It installs nothing and needs no network; it reads
# ../input and writes ./output, relative to the folder that it is started in.
# `demo`, `test` and `setup` are for people: they make .venv here when there is none, from the locked requirements.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

# Make .venv from a lock file, once for each state of the locks; what tests need contains what a run needs.
setup() {
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "run.sh: Python 3.11 or newer is needed; found: $(python3 --version 2>&1)" >&2
        exit 1
    }
    local state
    state="$(cd "$here" && cat requirements*.txt requirements*.lock | sha256sum | cut -c1-16)"
    [ -e "$here/.venv/requirements-dev-$state" ] || [ -e "$here/.venv/$1-$state" ] && return
    [ -x "$here/.venv/bin/python" ] || python3 -m venv "$here/.venv"
    echo "run.sh: installing $1 into .venv, once"
    local python="$here/.venv/bin/python" oracle="" status=0
    local pip=("$python" -m pip install --quiet --disable-pip-version-check --no-compile)
    "${pip[@]}" --require-hashes --no-deps -r "$here/$1.lock"
    if [ "$1" = requirements-dev ]; then
        # youtokentome's source imports Cython without asking for it: it must be there, and seen, when it is built.
        # Beside it torch is installed; neither needs the other's files.
        "${pip[@]}" --require-hashes --no-deps --no-build-isolation -r "$here/requirements-bpe.lock" &
        oracle=$!
        trap 'kill "$oracle" 2>/dev/null || true' EXIT
    fi
    "${pip[@]}" -r "$here/$1.txt" || status=$? # all is there but torch, which no lock can hold: docker/lock.sh tells why
    # pip would have compiled one file after the other, of which there are 17,000. As with pip, what is not of this
    # Python's grammar (templates, other versions' files) stays as it is.
    "$python" -m compileall -qq -j 0 "$here/.venv/lib" || true
    [ -z "$oracle" ] || wait "$oracle" || status=$?
    trap - EXIT
    [ "$status" -eq 0 ] || exit "$status"
    touch "$here/.venv/$1-$state"
}

case "${1:-}" in
    "")
        export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
        exec python3 -m submission run --weights "$here/weights"
        ;;
    demo)
        setup requirements
        cd "$here"
        .venv/bin/python -m submission run --input demo --output output --weights weights \
            --emissions output/emissions.csv
        # The published networks of the metrics are not in this repository: the bundled tiny ruCLIP stands in, and says so.
        .venv/bin/python -m evaluation score --predictions output/predictions.json \
            --ground-truth demo/ground_truth.json --ids demo/ids.json --input demo \
            --assets weights --fid-features ruclip --with-emissions output/emissions.csv \
            --json output/scores.json --csv output/scores.csv --html output/report
        echo
        .venv/bin/python -m submission preview --input demo --output output --scores output/scores.json
        ;;
    setup)
        setup requirements-dev
        ;;
    test)
        setup requirements-dev
        cd "$here"
        shift
        .venv/bin/ruff check .
        .venv/bin/ruff format --check .
        # mypy has one process: it works beside the tests, and says after them what it found.
        types="$(mktemp)" status=0
        .venv/bin/mypy >"$types" 2>&1 &
        checking=$!
        trap 'rm -f "$types"; kill "$checking" 2>/dev/null || true' EXIT
        # The networks of the tests are so small that a second thread only waits for the first; a second process helps.
        # The tests of a file stay in one process, so that what they share is made once; tests/conftest.py orders the files.
        OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" .venv/bin/python -m pytest \
            --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder "$@" || status=$?
        wait "$checking" || status=$((status ? status : 1))
        trap 'rm -f "$types"' EXIT
        cat "$types"
        exit "$status"
        ;;
    *)
        echo "usage: bash run.sh          answer ../input/input.json into ./output (the container's entrypoint)" >&2
        echo "       bash run.sh demo     the bundled synthetic test, into output/" >&2
        echo "       bash run.sh test     all checks; further arguments go to pytest" >&2
        echo "       bash run.sh setup    what the checks need, into .venv, without running them" >&2
        exit 2
        ;;
esac
