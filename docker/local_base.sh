#!/usr/bin/env bash
# For a machine that can pull no image: make a base image of Debian's packages (mmdebstrap, which is installed when
# missing), Debian's Python 3.11 among them. docker/local_base.sh NAME LINKS; pip inside will install from the folder or
# address LINKS alone. Needs root and Debian's package archive.
set -euo pipefail

name="$1" links="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
command -v mmdebstrap >/dev/null || DEBIAN_FRONTEND=noninteractive flock --close /var/lib/dpkg sh -c '
    apt-get update -qq && apt-get install -y -qq --no-install-recommends mmdebstrap' >/dev/null # docker/proof.sh: why
printf '[global]\nno-index = true\nfind-links = %s\n' "$links" >"$work/pip.conf"
# libgomp: torch asks for it.
mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3,python3-venv,libgomp1 \
    --customize-hook="upload $work/pip.conf /etc/pip.conf" bookworm - |
    docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$name" >/dev/null
