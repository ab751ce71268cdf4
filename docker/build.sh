#!/usr/bin/env bash
# Build an image and print its size: docker/build.sh submission|evaluation|codabench NAME [docker build options]
#
#   docker/build.sh submission registry.example.org/team/rudolph:1.0 \
#       --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126
set -euo pipefail

target="${1:-}" name="${2:-}" most=25000000000 # bytes: the contest's 25 GB
case "$target" in submission | evaluation | codabench) ;; *) target="" ;; esac
[ -n "$target" ] && [ -n "$name" ] || {
    echo "usage: docker/build.sh submission|evaluation|codabench NAME [docker build options]" >&2
    exit 2
}
shift 2
cd "$(dirname "${BASH_SOURCE[0]}")/.."
"${DOCKER:-docker}" build --file docker/Dockerfile --target "$target" --tag "$name" "$@" .
size="$("${DOCKER:-docker}" image inspect --format '{{.Size}}' "$name")"
printf '%s: %d.%02d GB of 25 GB\n' "$name" $((size / 1000000000)) $((size % 1000000000 / 10000000))
[ "$size" -le "$most" ] || {
    echo "docker/build.sh: $name is larger than the contest allows" >&2
    exit 1
}
