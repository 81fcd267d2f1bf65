#!/usr/bin/env bash
# No code of a job runs in a rank: whatever its mf_job does, rank 0 says what happened, and all leave.
source "$(dirname "$0")/support.sh"

cp "$MAPFLEET_BUILD_DIR/tests/jobs/bad_start.so" .
job=$scratch/bad_start.so # processes of this test are known by it

# Sets the variable that says on which rank the job misbehaves.
cat >rank <<'RANK'
#!/usr/bin/env bash
TEST_RANK=$OMPI_COMM_WORLD_RANK exec "$@"
RANK
chmod +x rank

expect_refused() {
    expect_status 2
    expect_in err "$1"
    [ "$(grep -c '^mapfleet: ' err)" -eq 1 ] || fail "not one message"
    [ ! -s out ] || fail "something was printed"
    [ ! -e mapfleet-runs ] || fail "a run directory was made"
}

expect_nothing_left() {
    for _ in $(seq 100); do
        [ -z "$(pgrep -f "$job")" ] && return
        sleep 0.05
    done
    fail "processes are left: $(pgrep -af "$job")"
}

for way in "crash:mf_job of $job ended with SIGSEGV" \
    "exit:mf_job of $job ended its process with exit status 3" \
    "exit-0:mf_job of $job ended its process with exit status 0" \
    "children:mf_job of $job ended with SIGABRT" \
    "exec:mf_job of $job has cut its process off" \
    "close:mf_job of $job has cut its process off"; do
    export BAD_START=${way%%:*}
    rule "an mf_job that does $BAD_START is told of, by tasks and by map"
    run 0 tasks "$job"
    expect_refused "${way#*:}"
    run 0 map "$job:echo" --range 0:3
    expect_refused "${way#*:}"
    expect_nothing_left
done

export BAD_START=scribble
rule "an mf_job that writes into every descriptor does no harm"
timeout -k 2 60 "$mapfleet" tasks "$job" >out 2>err </dev/null
status=$?
expect_status 2
grep -qa "mf_job of $job" err || fail "it is not told what happened"

export BAD_START=crash
rule "a crash is told of once, and all ranks leave"
run 3 map "$job:echo" --range 0:3
expect_refused "mf_job of $job ended with SIGSEGV"
expect_nothing_left

rule "a crash on another rank is told of with its host"
export BAD_START_RANK=2
timeout -k 2 60 mpirun -q -n 3 ./rank "$mapfleet" map "$job:echo" --range 0:3 >out 2>err </dev/null
status=$?
expect_refused "rank 2 on $(hostname) cannot work: mf_job of $job ended with SIGSEGV"
unset BAD_START_RANK

rule "what mf_job prints goes to standard error, once"
export BAD_START=print
run 3 map "$job:echo" --range 0:3 --print --progress none
expect_status 0
expect_lines out "$(seq 0 2)"
[ "$(grep -c 'on standard output' err)" -eq 1 ] || fail "not once"
expect_in err "on standard error"
expect_in err "line 19999"
run 0 tasks "$job"
expect_status 0
expect_lines out "echo: int -> int"
expect_in err "line 19999"

rule "signals that mf_job changes stay its own"
export BAD_START=signals
run 0 map "$job:echo" --range 0:3 --print --progress none
expect_status 0
expect_lines out "$(seq 0 2)"

rule "an mf_job that hangs is given up by tasks"
export BAD_START=hang
run 0 tasks "$job"
expect_status 2
expect_in err "waiting for mf_job of $job to return"
expect_in err "mf_job of $job did not return within 10 s"
expect_nothing_left

rule "and, after a minute or as long as it is told to wait, by map"
MAPFLEET_LOAD_PATIENCE=1s run 0 map "$job:echo" --range 0:3 --run-dir hung
expect_status 2
expect_in err "mf_job of $job did not return within 1 s"
[ ! -e hung ] || fail "it left a folder"
MAPFLEET_LOAD_PATIENCE=1s run 3 map "$job:echo" --range 0:3 --run-dir hung
[ "$status" -eq 2 ] || fail "exit status $status under mpirun"
expect_in err "mf_job of $job did not return within 1 s"
export BAD_START_RANK=2 MAPFLEET_LOAD_PATIENCE=3s
timeout -k 2 60 mpirun -q -n 3 ./rank "$mapfleet" map "$job:echo" --range 0:3 >out 2>err </dev/null
status=$?
expect_status 2
expect_in err "rank 2 on $(hostname) cannot work: mf_job of $job did not return within 3 s"
unset BAD_START_RANK MAPFLEET_LOAD_PATIENCE
MAPFLEET_LOAD_PATIENCE=soon run 0 map "$job:echo" --range 0:3
expect_status 2
expect_in err 'MAPFLEET_LOAD_PATIENCE: "soon"'
expect_nothing_left

rule "map says what it waits for, and can be interrupted"
"$mapfleet" map "$job:echo" --range 0:3 >out 2>err </dev/null &
alone=$!
wait_for_line err "waiting for mf_job of $job to return"
kill -TERM "$alone"
wait "$alone" 2>/dev/null
expect_nothing_left
unset BAD_START
exit 0
