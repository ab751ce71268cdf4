#!/usr/bin/env bash
# One host of the cluster that prove.sh makes on this machine, for as long as this runs: names of its own for machine
# and processes, a disk of its own (/var/tmp), locks of its own. To kill this process is to pull that host's plug.
#
#   CLUSTER=DIR SLURMCTLD=... SLURMD=... SLURMSTEPD=... host.sh NAME     NAME is head, or a node of DIR/slurm.conf
set -euo pipefail
name="$1" own="$CLUSTER/hosts/$1"
rm -rf "$own/spool" # Slurm's own; of a host that lost its power it is of no use
mkdir -p "$own/disk" "$own/locks" "$own/spool"
if [ "$name" = head ]; then
    daemon=("$SLURMCTLD" -D)
else
    daemon=("$SLURMD" -D -N "$name" -d "$SLURMSTEPD")
fi
# Its own name comes first, so that whoever asks for the name of 127.0.0.1 is not told "localhost" by all of them: torchrun
# tells hosts apart by that name and a process id, and in namespaces of their own two may have the same id.
{ echo "127.0.0.1 $name" && cat "$CLUSTER/hosts.txt"; } >"$own/hosts.txt"
echo "$$" >"$own/pid"
# It dies with whoever started it. The daemon's parent is the first process there, which buries what the daemon leaves.
exec setpriv --pdeathsig KILL unshare --uts --mount --propagation private --pid --fork --kill-child --mount-proc \
    bash -c '
        set -euo pipefail
        hostname "$1"
        mount --bind "$2/disk" /var/tmp
        mkdir -p /run/lock
        mount --bind "$2/locks" /run/lock
        mount --bind "$2/hosts.txt" /etc/hosts
        shift 2
        "$@" &
        wait "$!"
    ' host "$name" "$own" "${daemon[@]}" >>"$own/log" 2>&1
