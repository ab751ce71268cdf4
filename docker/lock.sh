#!/usr/bin/env bash
# Write the lock files anew: every package that requirements*.txt and docker/*.txt lead to, with its version and the
# SHA-256 of every file of that release, so that pip takes nothing else, whatever the platform and the Python.
#
#   docker/lock.sh             keep the versions that are locked, as far as the requirements still allow them
#   docker/lock.sh --upgrade   take the newest versions that the requirements allow
#
# torch, and the CUDA packages and triton that only torch asks for, are left out: one version of torch is published as
# different files for a CPU and for each CUDA, in indexes of its own, so a lock of one of them would refuse the others.
# torch is pinned by its version in requirements.txt and installed last, when all else that it needs is there.
# Needs the package index that pip uses here, and nothing that is installed in the project's own environment.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv==0.13.9

# uv does not read pip's settings.
setting() { python3 -m pip config get "global.$1" 2>/dev/null || true; }
index="${PIP_INDEX_URL:-$(setting index-url)}" certificates="${PIP_CERT:-$(setting cert)}"
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
[ -z "$certificates" ] || export SSL_CERT_FILE="$certificates"

compile() {
    "$work/venv/bin/uv" pip compile --quiet --no-config --universal --fork-strategy fewest --python-version 3.11 \
        --no-annotate --custom-compile-command docker/lock.sh "$@"
}

# What torch alone brings along and nobody can lock: torch itself, triton and CUDA.
grep '^torch==' requirements.txt >"$work/torch.txt"
compile --output-file "$work/torch.all" "$work/torch.txt"
left_out=()
for name in $(grep -oE '^(torch|triton|cuda-[a-z0-9-]+|nvidia-[a-z0-9-]+)==' "$work/torch.all"); do
    left_out+=(--no-emit-package "${name%==}")
done
locked() { # FILE.lock SOURCE [uv's options]: only a lock that is complete takes the old one's place
    local lock="$1" source="$2"
    shift 2
    [ ! -e "$lock" ] || cp "$lock" "$work/new.lock"
    compile --generate-hashes "${left_out[@]}" --output-file "$work/new.lock" "$source" "$@"
    mv "$work/new.lock" "$lock"
    echo "$lock: $(grep -c '==' "$lock") packages"
}
# The largest first; the others take its versions.
locked requirements-dev.lock requirements-dev.txt "$@"
locked requirements-tune.lock requirements-tune.txt --constraint requirements-dev.lock
locked requirements.lock requirements.txt --constraint requirements-dev.lock
# The source of one package, which is built by itself, with what requirements-dev.lock brings (run.sh).
locked requirements-bpe.lock requirements-bpe.txt --no-deps
locked docker/torch.lock "$work/torch.txt" --constraint requirements.lock
locked docker/submission.lock docker/submission.txt --constraint requirements.lock --constraint "$work/torch.txt"
locked docker/evaluation.lock docker/evaluation.txt --constraint requirements.lock --constraint "$work/torch.txt"
