# What the proofs that this machine may be unable to give have in common: docker/ci.sh and docker/slurm/prove.sh read
# it. They say before: `proof`, their name; `nothing`, what did not happen where there is no proof; `ours`, what is not at
# fault then; `wanted`, where there would be one. And they have a function `finish`, which ends what they have started.
readonly limit="${LIMIT:-360}" # seconds
work="$(mktemp -d "${TMPDIR:-/tmp}/fbc2-proof-XXXXXX")"
chmod 711 "$work" # apt fetches as a user of its own
python="${PYTHON:-.venv/bin/python}"
export PASSED="$work/passed" FAILED="$work/failed" # a line for each test that has passed; what failed, and how
# What the proofs lock when they want packages, at once perhaps: apt waits for no other that reads its lists.
readonly apt_turn=/var/lib/dpkg

remove_work() {
    finish
    wait 2>/dev/null || true
    for _ in 1 2 3 4 5; do # the last processes may still be ending
        rm -rf --one-file-system "$work" 2>/dev/null && break
        sleep 1
    done
}
trap remove_work EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() { printf '%s %s: %s\n' "$(date +%T)" "$proof" "$*"; }

# box HEADLINE REASON: this machine can not prove it, or not all of it.
box() {
    local rule="################################################################################"
    printf '\n%s\n# %s:\n# %s\n' "$rule" "$1" "$2" >&2
    printf '# This is the machine, not %s. Run %s\n# %s.\n%s\n' "$ours" "$proof" "$wanted" "$rule" >&2
    exit 3
}

not_here() { box "$nothing, SO NOTHING WAS PROVEN" "$1"; }

# Tests that stop at their first failure took too long: how many had passed stands in $PASSED (tests/passed.py). Where
# one had failed, and what came behind it took so long, it is a failure all the same.
out_of_time() {
    local passed=()
    [ ! -e "$FAILED" ] || {
        cat "$FAILED" >&2
        exit 1
    }
    [ ! -e "$PASSED" ] || mapfile -t passed <"$PASSED"
    [ "${#passed[@]}" -gt 0 ] || not_here "no test was done in $limit s"
    box "TIME RAN OUT AFTER ${#passed[@]} TESTS, WHICH PASSED, SO NOT ALL WAS PROVEN" "the others were not done in $limit s"
}

lacks_packages() {
    echo "$proof: $python lacks packages of requirements-dev.txt$1" >&2
    exit 1
}

# require_room FOLDER KIB
require_room() {
    local free
    free="$(df --output=avail --block-size=1024 "$1" 2>/dev/null | tail -n 1)" || return 0 # another machine's folder
    [ "$free" -ge "$2" ] || not_here "$1 has $((free / 1000)) MB free; $(($2 / 1000)) MB are needed"
}

too_long() { [ "$1" -eq 124 ] || [ "$1" -eq 137 ]; } # a status of `timeout --kill-after`
