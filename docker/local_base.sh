#!/usr/bin/env bash
# For a machine that can pull no image: make a base image of Debian's packages (mmdebstrap, which is installed when
# missing) and of the Python 3.11 that runs here. docker/local_base.sh NAME LINKS; pip inside will install from the
# folder or address LINKS alone. Needs root and Debian's package archive.
set -euo pipefail

name="$1" links="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
command -v mmdebstrap >/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mmdebstrap >/dev/null
}
python="${PYTHON:-python3}"
prefix="$("$python" -c 'import sys; print(sys.base_prefix)' 2>/dev/null)" && [ -x "$prefix/bin/python3.11" ] || {
    echo "docker/local_base.sh: $python is not Python 3.11" >&2
    exit 1
}
mapfile -t parts < <(cd "$prefix" && ls -d bin/python3 bin/python3.11 lib/python3.11 lib/libpython3*.so* 2>/dev/null)
tar --create --file "$work/python.tar" --directory "$prefix" --transform 'flags=r;s,^,usr/local/,' \
    --exclude='site-packages/*' --exclude='lib/python3.11/test' --exclude='lib/python3.11/config-*' \
    --exclude='__pycache__' --exclude='*.a' "${parts[@]}"
printf '[global]\nno-index = true\nfind-links = %s\n' "$links" >"$work/pip.conf"
# The libraries are those that Python's own extension modules are linked with, and libgomp, which torch asks for.
mmdebstrap --quiet --variant=minbase --include=ca-certificates,libssl3,libffi8,libsqlite3-0,libbz2-1.0,liblzma5,\
libreadline8,libncursesw6,libuuid1,libexpat1,libgomp1 \
    --customize-hook="tar-in $work/python.tar /" --customize-hook="upload $work/pip.conf /etc/pip.conf" \
    --customize-hook='chroot "$1" ldconfig' bookworm - |
    docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$name" >/dev/null
