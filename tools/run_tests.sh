#!/bin/bash
# Run the tests, several processes at a time:
#     tools/run_tests.sh PYTHON PROCESSES [argument of pytest …]
# A file stays with one process, in its order: its tests share servers and counts. Those
# marked `alone` come afterwards, two at a time.
#
# Whatever tests have started or made has ended and gone when they are through: what is
# left is named, ended and removed, and the run has failed.
#
# CLOCK=23:59:50 lets all programs believe that it is so late (IST) when the run begins.
set -uo pipefail

python=$1
processes=$2
shift 2
nothing_selected=5
memory=/dev/shm
room=$((12 << 20)) # KiB that must be free there, and of memory: a run leaves a third

# Python is started a thousand times: what it runs is compiled once, also where the
# machine's own settings are against that.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX=$PWD/build/pycache

# Where there is much memory the ledgers of all tests are kept in it: what they are asked
# needs no disk, and half of the time went by in waiting for one.
free_of() {
    df --output=avail "$memory" 2>/dev/null | tail -n 1
    sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo
    # What a container may have, where it has a limit; files there count against it.
    awk '{print ($1 ~ /^[0-9]+$/ ? int($1 / 1024) : 2^50)}' \
        /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null
}

export SWITCH_TEST_RUN=run-$$-$RANDOM
# By its prefix what a killed run has left is known. Tests marked `alone` are on the disk.
disk=$(mktemp -d "${TMPDIR:-/tmp}/payswitch-tests-XXXXXXXX") || exit 1
folder=$disk
is_looked_through=
# However the run ends, what it has started ends with it.
trap '[[ $is_looked_through ]] || "$python" -m tests.started "$folder"
    rm -rf "$folder" "$disk"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
together=(--basetemp "$disk/together" -o tmp_path_retention_policy=failed)
if ! free_of | awk -v room="$room" '$1 < room {few = 1} END {exit !(few || NR < 2)}'; then
    folder=$(mktemp -d "$memory/payswitch-tests-XXXXXXXX") || exit 1
    together=(--basetemp "$folder/together" -o tmp_path_retention_policy=failed)
fi

# Every process carries the run's name, and its temporary files are in the run's folder
# (tests/guard.py, tests/started.py).
mkdir "$folder/tmp"
chmod 711 "$folder" "$disk" "$folder/tmp" # PostgreSQL is somebody else
export TMPDIR=$folder/tmp
# What counts bytes that reach a disk needs one.
export SWITCH_TEST_DISK=$disk/tmp
mkdir -p "$SWITCH_TEST_DISK"

clock() {
    local library late
    [[ -n ${CLOCK:-} ]] || return 0
    library=$(find /usr/lib -name libfaketimeMT.so.1 -print -quit)
    if [[ -z $library ]]; then
        echo "CLOCK: libfaketime is not there: apt-get install libfaketime" >&2
        return 1
    fi
    late=$(($(TZ=Asia/Kolkata date -d "$CLOCK" +%s) - $(date +%s)))
    ((late >= 0)) || late=$((late + 86400))
    # Monotonic clocks go on as they are, and so do the times of files.
    export LD_PRELOAD=$library FAKETIME=+${late}s DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1
    export FAKETIME_DISABLE_SHM=1 # a killed program would leave its part in memory
    export ASAN_OPTIONS=verify_asan_link_order=0
    echo "the clock is $late s ahead: $(TZ=Asia/Kolkata date)"
}

# Say what is left, and end it; the exit code of the tests, or 1.
finish() {
    local code=$1
    if [[ -s $folder/left ]]; then
        cat "$folder/left" >&2
        ((code)) || code=1
    fi
    is_looked_through=yes
    if ! "$python" -m tests.started "$folder"; then
        ((code)) || code=1
    fi
    # What was left out is said at the end, where it is seen.
    cat build/skipped/* >&2 2>/dev/null
    exit "$code"
}

clock || exit 2
"$python" -m pytest -n "$processes" --dist loadfile \
    --no-loadscope-reorder --alone without "${together[@]}" "$@"
ended=$?
# Interrupted, or asked wrongly.
if ((ended > 1 && ended != nothing_selected)); then
    finish "$ended"
fi
# They wait more than they compute, and bear one other beside them.
"$python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder --alone only \
    --basetemp "$disk/alone" "$@"
alone=$?
if ((alone == nothing_selected)); then
    finish "$ended"
fi
if ((ended == nothing_selected)); then
    finish "$alone"
fi
finish $((ended > alone ? ended : alone))
