# Read by the templates here. `requeued COMMAND ...` runs a command. Where Slurm is about to end the task (`--signal`), the
# command is asked to stop, and the task begins again where it stopped. A task that somebody cancels is over. One that
# fails by itself begins again if that is worth another try: if it was killed, by its memory or by what it ran, but three
# times at most; a template may say otherwise.
stop_with=TERM # what asks the command to stop
worth_another_try() { [ "$1" -eq 137 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 3 ]; }

requeued() {
    local child='' status=0 told=
    # The last task of an array has the array's own number as its SLURM_JOB_ID, which stands for all of them.
    local task="${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"
    # A job that was cancelled is not RUNNING any more when it is told.
    trap 'told=$(squeue --noheader --jobs "$task" --format %T || true)
        told=${told:-UNKNOWN}
        [ -z "$child" ] || kill -"$stop_with" "$child" 2>/dev/null || true' TERM
    "$@" &
    child=$!
    [ -z "$told" ] || kill -"$stop_with" "$child" 2>/dev/null || true # it was told before there was anybody to tell
    wait "$child" || status=$?
    while kill -0 "$child" 2>/dev/null; do # a signal ended the waiting; the command may still be writing its last files
        status=0
        wait "$child" || status=$?
    done
    if [ "$status" -ne 0 ] && { [ "$told" = RUNNING ] || { [ -z "$told" ] && worth_another_try "$status"; }; }; then
        # It says so where Slurm has done that already, as a node was lost; the status is the command's in every case.
        scontrol requeue "$task" || true
    fi
    return "$status"
}
