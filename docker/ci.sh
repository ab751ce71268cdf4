#!/usr/bin/env bash
# The proof in real containers: build both images, pack, check, run the bundled test in the container without network
# and score it, and compare with a run outside; then submissions that do harm. Run by hand, or as a CI step of its own.
#
#   docker/ci.sh [pytest options]     PYTHON=python3 with requirements-dev.txt installed; .venv is taken if it is there
#
# Where no Docker engine answers, it is installed (Debian, as root) and started for as long as this runs; where no base
# image can be pulled, one is made (docker/local_base.sh). BASE names another base image, TORCH_INDEX where torch is.
# Exit status 0: proven. 1: it failed, and that is a failure of this repository. 3: no container can be run on this machine.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
work="$(mktemp -d "${TMPDIR:-/tmp}/fbc2-docker-XXXXXX")"
started=() # what this script started, by process id
finish() {
    for process in "${started[@]}"; do
        kill "$process" 2>/dev/null && wait "$process" 2>/dev/null || true
    done
    umount "$work"/engine/exec/netns/* 2>/dev/null || true # the engine leaves it mounted when it ends
    rm -rf "$work" || true
}
trap finish EXIT
step() { printf '%s docker/ci.sh: %s\n' "$(date +%T)" "$*"; }
no_engine() {
    printf '\ndocker/ci.sh: NO CONTAINER CAN BE RUN HERE, SO NOTHING WAS PROVEN: %s\n' "$1" >&2
    printf 'docker/ci.sh: this is the machine, not the submission; run it where an engine and a base image can be had\n' >&2
    exit 3
}

python="${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}"
"$python" -c 'import sys; from importlib.util import find_spec; sys.exit(not (find_spec("pytest") and find_spec("torch")))' || {
    echo "docker/ci.sh: $python lacks requirements-dev.txt; run \`bash run.sh test\` once, or set PYTHON" >&2
    exit 1
}

if ! docker info >/dev/null 2>&1; then
    [ "$(id -u)" -eq 0 ] || no_engine "docker does not answer, and only root can start it"
    if ! command -v dockerd >/dev/null; then
        step "installing the Docker engine"
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io; } \
            >"$work/apt.log" 2>&1 || no_engine "it can not be installed: $(tail -n 1 "$work/apt.log")"
    fi
    step "starting the Docker engine"
    mkdir -p "$work/engine"
    dockerd --data-root "$work/engine/data" --exec-root "$work/engine/exec" --pidfile "$work/engine/pid" \
        --host "unix://$work/engine/sock" --iptables=false --ip6tables=false --ip-forward=false --bridge=none \
        >"$work/engine/log" 2>&1 &
    started+=("$!")
    export DOCKER_HOST="unix://$work/engine/sock"
    export PATH="/usr/bin:$PATH" # the client that came with this engine, before any other
    for _ in $(seq 60); do
        docker info >/dev/null 2>&1 && break
        kill -0 "${started[0]}" 2>/dev/null || no_engine "$(tail -n 1 "$work/engine/log")"
        sleep 1
    done
    docker info >/dev/null 2>&1 || no_engine "it does not answer within a minute"
fi

# One thread is quicker than several for networks this small, and compares with a run outside that has one.
build=(--network=host --build-arg THREADS=1)
base="${BASE:-python:3.11-slim-bookworm}"
if docker image inspect "$base" >/dev/null 2>&1 || docker pull --quiet "$base" >/dev/null 2>&1; then
    build+=(--build-arg "TORCH_INDEX=${TORCH_INDEX-https://download.pytorch.org/whl/cpu}")
else
    step "$base can not be pulled: making a base image here"
    # This machine's pip knows where packages come from; inside the base there is only what it fetched.
    mkdir "$work/wheels"
    "$python" -m pip download -qq --only-binary=:all: --dest "$work/wheels" \
        -r docker/submission.txt -r docker/evaluation.txt -c requirements.txt -c docker/constraints.txt
    "$python" - "$work/wheels" "$work/port" <<'END' &
import functools, http.server, os, sys
class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=sys.argv[1]))
with open(sys.argv[2] + ".new", "w") as stream: stream.write(str(server.server_port))
os.rename(sys.argv[2] + ".new", sys.argv[2])
server.serve_forever()
END
    started+=("$!")
    until [ -e "$work/port" ]; do
        kill -0 "${started[-1]}" 2>/dev/null || exit 1
        sleep 0.1
    done
    base=fbc2-local-base
    PYTHON="$python" docker/local_base.sh "$base" "http://127.0.0.1:$(cat "$work/port")/" || no_engine "no base image can be made"
    build+=(--build-arg TORCH_INDEX=)
fi
# An engine that answers may still be unable to start a container, inside another container for one.
docker run --rm --network=none "$base" true >"$work/probe.log" 2>&1 || no_engine "$(tail -n 1 "$work/probe.log")"

for target in submission evaluation; do
    step "building the image $target"
    docker/build.sh "$target" "fbc2-$target:ci" --build-arg "BASE=$base" "${build[@]}" >"$work/build.log" 2>&1 || {
        tail -n 40 "$work/build.log" >&2
        exit 1
    }
    tail -n 1 "$work/build.log"
done

step "testing in containers"
FBC2_SUBMISSION_IMAGE=fbc2-submission:ci FBC2_EVALUATION_IMAGE=fbc2-evaluation:ci OMP_NUM_THREADS=1 \
    "$python" -m pytest -m docker tests/container "$@"
step "proven"
