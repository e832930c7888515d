#!/bin/bash
# Run the tests, several processes at a time:
#     tools/run_tests.sh PYTHON PROCESSES [argument of pytest …]
# A file stays with one process, in its order: its tests share servers and counts. Those
# marked `alone` come afterwards: first, two at a time, those that bear another beside
# them, then the rest with the machine to themselves. What only computes (`fills`) has
# what the processors have left while the first of them wait.
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
    local late
    [[ -n ${CLOCK:-} ]] || return 0
    gcc -O2 -shared -fPIC -o "$folder/ahead.so" tests/ahead.c -ldl || return 1
    chmod 755 "$folder/ahead.so"
    late=$(($(TZ=Asia/Kolkata date -d "$CLOCK" +%s) - $(date +%s)))
    ((late >= 0)) || late=$((late + 86400))
    export LD_PRELOAD=$folder/ahead.so AHEAD_S=$late
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
# In a process of its own: with so much of its share of the processors given away.
fill() {
    local niceness=$1
    shift
    exec nice -n "$niceness" "$python" -m pytest --alone fill \
        "${together[@]/"/together"/"/fill"}" "$@"
}
# In front, where somebody may want to look into it.
if ((processes)); then
    fill 19 "$@" >"$disk/filled" 2>&1 &
    filling=$!
fi
"$python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder --alone pair \
    --basetemp "$disk/pair" "$@"
pair=$?
if ((processes)); then
    # Nobody waits beside it any more. On a machine that others use it would go on for an
    # hour with what they leave; who may not give the share back begins again.
    if kill -0 "$filling" 2>/dev/null && ! renice -n 0 -p "$filling" >/dev/null 2>&1; then
        kill "$filling"
        wait "$filling"
        (fill 0 "$@") >"$disk/filled" 2>&1 &
        filling=$!
    fi
    wait "$filling"
    fill=$?
    cat "$disk/filled"
else
    (fill 0 "$@")
    fill=$?
fi
"$python" -m pytest --alone only --basetemp "$disk/alone" "$@"
alone=$?
# The worst of them; a part of which nothing was asked for says nothing.
worst=$nothing_selected
for code in "$ended" "$pair" "$fill" "$alone"; do
    ((code == nothing_selected)) && continue
    ((worst == nothing_selected || code > worst)) && worst=$code
done
finish "$worst"
