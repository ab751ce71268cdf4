#!/usr/bin/env bash
# The proof in real containers: build the images, pack, check, run the bundled test in the container without network
# and score it, and compare with a run outside; then submissions that do harm. A part of CI, and run by hand as well.
#
#   docker/ci.sh [pytest options]     PYTHON=python3 with requirements-dev.txt installed; .venv otherwise, which is
#                                     made first where it is missing: minutes, once, which count towards no limit
#                                     LIMIT=360 seconds for everything after that
#
# Where no Docker engine answers, it is installed (Debian, as root) and started for as long as this runs; where no base
# image can be pulled, one is made (docker/local_base.sh). BASE names another base image, TORCH_INDEX where torch is.
# Exit status 0: proven. 1: it failed, and that is a failure of this repository. 3: this machine can not prove it: it
# has no engine, no disk, no package index, or is so slow that time ran out while no test had failed.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly least_disk=8000000 least_disk_without_layers=25000000 # KiB
engine="" wheels="" running="" beside="" # what this script started, by process id

finish() {
    [ -z "$beside" ] || kill -KILL -- "-$beside" 2>/dev/null || true
    if [ -n "$running" ] && kill "$running" 2>/dev/null; then
        for _ in 1 2 3 4 5; do kill -0 "$running" 2>/dev/null && sleep 1; done
        kill -KILL -- "-$running" 2>/dev/null || true
    fi
    [ -z "$engine" ] || kill -KILL "$engine" 2>/dev/null || true
    [ -z "$wheels" ] || kill "$wheels" 2>/dev/null || true
}

proof=docker/ci.sh nothing="NO CONTAINER WAS TESTED HERE" ours="the submission"
wanted="where there is an engine, disk, and the package index"
. docker/proof.sh
export TMPDIR="$work"

# allowed SECONDS: how many of them are left, at least one, as `timeout 0` bounds nothing. They are those of the usual
# limit, and grow with it.
allowed() {
    local most=$(($1 * limit / 360)) rest=$((limit - SECONDS))
    most=$((most < rest ? most : rest))
    echo $((most > 1 ? most : 1))
}

# bounded SECONDS COMMAND...: its exit status, or 124 (137 for a stubborn one) where it or everything took too long.
bounded() {
    local status=0
    [ "$SECONDS" -lt "$limit" ] || return 124
    timeout --kill-after=10 "$(allowed "$1")" "${@:2}" </dev/null &
    running=$!
    wait "$running" || status=$?
    kill -KILL -- "-$running" 2>/dev/null || true # timeout leads a group of its own: what the command left behind goes
    running=""
    return "$status"
}

can_test() {
    [ -n "$(command -v "$python")" ] && "$python" -c 'import sys; from importlib.util import find_spec
sys.exit(not all(map(find_spec, ("hypothesis", "pytest", "torch"))))' 2>/dev/null
}
if ! can_test; then
    [ -z "${PYTHON:-}" ] || lacks_packages "; install them, or leave PYTHON unset"
    step "making .venv, which the limit of $limit s does not count"
    bash run.sh setup >"$work/setup.log" 2>&1 || not_here ".venv can not be made: $(tail -n 1 "$work/setup.log")"
    can_test || lacks_packages ", though they were installed"
    step ".venv is made, in $SECONDS s; from here on the $limit s count"
    SECONDS=0
fi

engine_answers() { bounded 20 docker info >/dev/null 2>&1; }
if ! engine_answers; then
    [ "$(id -u)" -eq 0 ] || not_here "docker does not answer, and only root can start it"
    if ! command -v dockerd >/dev/null; then
        step "installing the Docker engine"
        apt="apt-get -qq -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o DPkg::Lock::Timeout=60"
        DEBIAN_FRONTEND=noninteractive bounded 150 flock --close "$apt_turn" \
            sh -c "$apt update && $apt install -y --no-install-recommends docker.io" >"$work/apt.log" 2>&1 ||
            not_here "the Docker engine can not be installed: $(tail -n 1 "$work/apt.log")"
    fi
    step "starting the Docker engine"
    mkdir "$work/engine"
    # In namespaces of its own: when it is killed, so is everything in it, and no mount stays. It dies with this script.
    setpriv --pdeathsig KILL unshare --mount --propagation slave --pid --fork --kill-child --mount-proc \
        dockerd --data-root "$work/engine/data" --exec-root "$work/engine/exec" --pidfile "$work/engine/pid" \
        --host "unix://$work/engine/sock" --iptables=false --ip6tables=false --ip-forward=false --bridge=none \
        >"$work/engine/log" 2>&1 &
    engine="$!"
    export DOCKER_HOST="unix://$work/engine/sock"
    export PATH="/usr/bin:$PATH" # the client that came with this engine, before any other
    until engine_answers; do
        kill -0 "$engine" 2>/dev/null || not_here "the Docker engine ended: $(tail -n 1 "$work/engine/log")"
        [ "$SECONDS" -lt "$((limit / 2))" ] || not_here "the Docker engine does not answer"
        sleep 1
    done
fi

told="$(bounded 20 docker info --format '{{.Driver}} {{.DockerRootDir}}')" || not_here "the Docker engine stopped answering"
least="$([ "${told%% *}" = vfs ] && echo "$least_disk_without_layers" || echo "$least_disk")"
for folder in "$work" "${told#* }"; do
    require_room "$folder" "$least"
done

# Whether a container of the base runs, and gets packages (if it has a pip yet) from where the build will get them.
base_works() {
    bounded 60 docker run --rm --network=none "$base" true || return 1
    for index in "" ${torch_index:+"$torch_index"}; do
        bounded 60 docker run --rm --network=host --env "INDEX=$index" "$base" sh -c '
            python3 -m pip --version >/dev/null 2>&1 || exit 0
            python3 -m pip download --quiet --no-cache-dir --retries 1 --timeout 10 --no-deps --dest /tmp/probe \
                ${INDEX:+--index-url "$INDEX"} typing-extensions' || return 1
    done
}

base="${BASE:-python:3.11-slim-bookworm}" torch_index="${TORCH_INDEX-https://download.pytorch.org/whl/cpu}"
bounded 20 docker image inspect "$base" >/dev/null 2>&1 || bounded 60 docker pull --quiet "$base" >/dev/null 2>&1 || base=""
if [ -z "$base" ] || ! base_works >"$work/probe.log" 2>&1; then
    step "${BASE:-python:3.11-slim-bookworm} can not be used: making a base image here"
    # This machine's pip knows where packages come from; inside the base there is only what it fetched.
    mkdir "$work/wheels"
    "$python" - "$work/wheels" "$work/port" <<'END' &
import functools, http.server, os, sys
class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=sys.argv[1]))
with open(sys.argv[2] + ".new", "w") as stream: stream.write(str(server.server_port))
os.rename(sys.argv[2] + ".new", sys.argv[2])
server.serve_forever()
END
    wheels="$!"
    until [ -e "$work/port" ]; do
        kill -0 "$wheels" 2>/dev/null || exit 1
        sleep 0.1
    done
    # The base is made while the packages come. In a namespace of its own, so that no mount of it stays, however it ends.
    base=fbc2-local-base torch_index=""
    timeout --kill-after=10 "$(allowed 180)" unshare --mount \
        docker/local_base.sh "$base" "http://127.0.0.1:$(cat "$work/port")/" </dev/null >"$work/base.log" 2>&1 &
    beside="$!"
    fetch=("$python" -m pip download -qq --only-binary=:all: --dest "$work/wheels")
    locks=(-r docker/torch.lock -r docker/submission.lock -r docker/evaluation.lock)
    fetch_all() {
        bounded 120 "${fetch[@]}" --require-hashes --no-deps "${locks[@]}" &&
            bounded 120 "${fetch[@]}" "$(grep '^torch==' requirements.txt)"
    }
    fetch_all || fetch_all || {
        too_long "$?" && not_here "fetching packages took too long"
        bounded 60 "${fetch[@]}" --no-deps typing-extensions || not_here "the package index does not answer"
        exit 1 # it does: so it is our pins that can not be had
    }
    wait "$beside" || not_here "no base image can be made: $(tail -n 1 "$work/base.log")"
    beside=""
    # An engine that answers may still be unable to start a container, inside another container for one.
    base_works >"$work/probe.log" 2>&1 || not_here "no container can be started: $(tail -n 1 "$work/probe.log")"
fi

for target in submission evaluation codabench; do
    step "building the image $target"
    # One thread is quicker than several for networks this small, and compares with a run outside that has one.
    bounded 180 docker/build.sh "$target" "fbc2-$target:ci" --network=host --build-arg "BASE=$base" \
        --build-arg "TORCH_INDEX=$torch_index" --build-arg THREADS=1 >"$work/build.log" 2>&1 || {
        status=$?
        tail -n 40 "$work/build.log" >&2
        too_long "$status" && not_here "building the image $target took too long"
        base_works >/dev/null 2>&1 || not_here "the engine or the package index failed while $target was built"
        exit 1
    }
    tail -n 1 "$work/build.log"
done

step "testing in containers"
# It stops at the first failure, so that running out of time means: slow, and nothing failed so far. A test that hangs
# is not slow: each has a bound of its own (tests/container/conftest.py), and passing that is a failure.
export LIMIT="$limit"
FBC2_SUBMISSION_IMAGE=fbc2-submission:ci FBC2_EVALUATION_IMAGE=fbc2-evaluation:ci \
    FBC2_CODABENCH_IMAGE=fbc2-codabench:ci OMP_NUM_THREADS=1 \
    bounded "$limit" "$python" -m pytest -p tests.passed --exitfirst -m docker tests/container "$@" || {
    too_long "$?" && out_of_time
    exit 1
}
step "proven, in $SECONDS s"
