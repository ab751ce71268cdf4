#!/usr/bin/env bash
# The proof on a real Slurm: a controller and four hosts on this machine run the templates as they stand, and what
# docs/many_hosts.md says to type; tasks are killed, and hosts lose their power. A part of CI, and run by hand as well.
#
#   docker/slurm/prove.sh [pytest options]     PYTHON=python3 with requirements-dev.txt installed; .venv otherwise
#                                              LIMIT=360 seconds
#
# As root, for the hosts are Linux namespaces. Where there is no Slurm, Debian's is unpacked; nothing is installed, and
# all of it lies in a temporary folder, which goes in the end.
# Exit status 0: proven. 1: it failed, and that is a failure of this repository. 3: this machine can not prove it.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly least_disk=2000000 # KiB
readonly packages="slurmctld slurmd slurm-client slurm-wlm-basic-plugins libmunge2 libhwloc15 liblua5.1-0"
readonly nodes=(n1 n2 n3 n4)
tests="" fetching=""

finish() {
    [ -z "$fetching" ] || kill "$fetching" 2>/dev/null || true
    [ -z "$tests" ] || kill -KILL -- "-$tests" 2>/dev/null || true
    for host in "$work"/cluster/hosts/*/pid; do
        [ ! -e "$host" ] || kill -KILL "$(cat "$host")" 2>/dev/null || true
    done
}

proof=docker/slurm/prove.sh nothing="NOTHING RAN UNDER SLURM HERE" ours="the templates"
wanted="as root where there is Slurm, or Debian and its packages"
. docker/proof.sh
export CLUSTER="$work/cluster"
mkdir -p "$CLUSTER/hosts" "$CLUSTER/state"

"$python" -c 'import pytest, torch' 2>/dev/null || lacks_packages "; run \`bash run.sh setup\`"
[ "$(id -u)" -eq 0 ] || not_here "only root can make hosts of namespaces"
unshare --uts --mount --pid --fork --kill-child --mount-proc true 2>"$work/unshare.log" ||
    not_here "no host can be made: $(tail -n 1 "$work/unshare.log")"
require_room "$work" "$least_disk"

plugins=""
if command -v slurmctld slurmd sbatch srun >/dev/null; then
    SLURMCTLD="$(command -v slurmctld)" SLURMD="$(command -v slurmd)"
    SLURMSTEPD="$(command -v slurmstepd || echo "$(dirname "$SLURMD")/slurmstepd")"
else
    command -v apt-get dpkg >/dev/null || not_here "there is no Slurm, and no apt-get to fetch it with"
    step "unpacking Slurm"
    mkdir "$work/packages" "$work/slurm"
    chmod 777 "$work/packages" # apt fetches as a user of its own
    # All of it takes a third of the limit at most, however slow the index is. A signal does not wait for it.
    apt() {
        local status=0
        (cd "$work/packages" && exec timeout --kill-after=10 "$((limit / 3 > SECONDS ? limit / 3 - SECONDS : 1))" \
            flock --close "$apt_turn" \
            apt-get -qq -o Acquire::Retries=2 -o Acquire::http::Timeout=20 "$@") >"$work/apt.log" 2>&1 &
        fetching="$!"
        wait "$fetching" || status="$?"
        fetching=""
        return "$status"
    }
    # shellcheck disable=SC2086 # the packages are words
    fetch() { apt download $packages; }
    fetch || { apt update && fetch; } || not_here "Slurm can not be fetched: $(tail -n 1 "$work/apt.log")"
    for package in "$work"/packages/*.deb; do
        dpkg -x "$package" "$work/slurm" 2>"$work/dpkg.log" ||
            not_here "Slurm can not be unpacked: $(tail -n 1 "$work/dpkg.log")"
    done
    plugins="$(echo "$work"/slurm/usr/lib/*/slurm-wlm)"
    export PATH="$work/slurm/usr/bin:$PATH" LD_LIBRARY_PATH="${plugins%/*}:$plugins"
    rm -f "$plugins"/mpi_pmix* # they need a library that nothing here does
    # Under Debian's own names they do not know themselves for daemons, and forget the GPUs of their configuration.
    for daemon in slurmctld slurmd slurmstepd; do
        [ -e "$work/slurm/usr/sbin/$daemon" ] || ln -s "$daemon-wlm" "$work/slurm/usr/sbin/$daemon"
    done
    SLURMCTLD="$work/slurm/usr/sbin/slurmctld" SLURMD="$work/slurm/usr/sbin/slurmd"
    SLURMSTEPD="$work/slurm/usr/sbin/slurmstepd"
fi
export SLURMCTLD SLURMD SLURMSTEPD SLURM_CONF="$CLUSTER/slurm.conf"
"$SLURMD" -V >"$work/version.log" 2>&1 || not_here "Slurm does not start: $(tail -n 1 "$work/version.log")"

read -r -a ports <<<"$("$python" -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
print(*(one.getsockname()[1] for one in held))')"
echo "127.0.0.1 localhost head ${nodes[*]}" >"$CLUSTER/hosts.txt"
# Each host has eight GPUs in Slurm's books.
mkdir "$CLUSTER/gpus"
for device in {0..7}; do ln -s /dev/null "$CLUSTER/gpus/nvidia$device"; done
echo "Name=gpu File=$CLUSTER/gpus/nvidia[0-7]" >"$CLUSTER/gres.conf"
# cred_expire: so long does Slurm hold back a job that it queues again; the usual two minutes are for large clusters.
# MinJobAge: so long does it know a job that has ended, which the tests ask for; the usual five minutes may be too few.
# config_overrides: the hosts are believed to have what stands here, and share this machine's processors.
cat >"$SLURM_CONF" <<END_OF_CONF
ClusterName=fbc2
SlurmctldHost=head(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=root
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
MinJobAge=86400
${plugins:+PluginDir=$plugins}
StateSaveLocation=$CLUSTER/state
SlurmdSpoolDir=$CLUSTER/hosts/%n/spool
SlurmdPidFile=$CLUSTER/hosts/%n/slurmd.pid
SlurmctldPidFile=$CLUSTER/slurmctld.pid
SlurmdParameters=config_overrides
SlurmdTimeout=10
ReturnToService=2
KillWait=20
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
GresTypes=gpu
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1
$(for i in "${!nodes[@]}"; do echo "NodeName=${nodes[i]} NodeAddr=127.0.0.1 Port=${ports[i + 1]} CPUs=64 Gres=gpu:8"; done)
PartitionName=all Nodes=ALL Default=YES LLN=YES
END_OF_CONF
step "starting $("$SLURMD" -V) with ${#nodes[@]} hosts"
for host in head "${nodes[@]}"; do
    setsid docker/slurm/host.sh "$host" </dev/null &
    disown "$!" 2>/dev/null || true # so that its end is no news
done
until [ "$(sinfo --noheader --states=idle --format=%D 2>/dev/null)" = "${#nodes[@]}" ]; do
    [ "$SECONDS" -lt "$((limit / 2))" ] || not_here "the hosts do not come up: $(cat "$CLUSTER"/hosts/*/log | tail -n 1)"
    sleep 0.5
done

step "running the templates"
# It stops at the first failure, so that running out of time means: slow, and nothing failed so far.
setsid timeout --kill-after=10 "$((limit > SECONDS ? limit - SECONDS : 1))" \
    "$python" -m pytest -p tests.passed --exitfirst --numprocesses 0 -m slurm --basetemp "$work/tests" \
    tests/cluster "$@" </dev/null &
tests="$!"
status=0
wait "$tests" || status="$?"
! too_long "$status" || out_of_time
[ "$status" -eq 0 ] || exit 1
step "proven, in $SECONDS s"
