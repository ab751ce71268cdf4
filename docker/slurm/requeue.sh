# Read by the templates here. `requeued COMMAND ...` runs a command; where Slurm is about to end the task (`--signal`), the
# command is asked to stop, and the task begins again where it stopped.
requeued() {
    local child status=0 asked=
    "$@" &
    child=$!
    trap 'asked=1; kill -TERM "$child" 2>/dev/null || true' TERM
    wait "$child" || status=$?
    if [ -n "$asked" ]; then # the signal ended the waiting; the command may still be writing its last files
        wait "$child" || status=$?
        scontrol requeue "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"
    fi
    return "$status"
}
