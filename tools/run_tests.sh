#!/bin/bash
# Run the tests, several processes at a time:
#     tools/run_tests.sh PYTHON PROCESSES [argument of pytest …]
# A file stays with one process, in its order: its tests share servers and counts. Those
# marked `alone` come afterwards, with the machine to themselves.
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
folder=
if ! free_of | awk -v room="$room" '$1 < room {few = 1} END {exit !(few || NR < 2)}'; then
    # By its prefix what a killed run has left is known.
    folder=$(mktemp -d "$memory/payswitch-tests-XXXXXXXX")
    trap 'rm -rf "$folder"' EXIT
    together=(--basetemp "$folder/together" -o tmp_path_retention_policy=failed)
else
    together=()
fi

"$python" -m pytest -n "$processes" --dist loadfile \
    --no-loadscope-reorder --alone without ${together[@]+"${together[@]}"} "$@"
ended=$?
# Interrupted, or asked wrongly.
if ((ended > 1 && ended != nothing_selected)); then
    exit "$ended"
fi
"$python" -m pytest --alone only "$@"
alone=$?
if ((alone == nothing_selected)); then
    exit "$ended"
fi
if ((ended == nothing_selected)); then
    exit "$alone"
fi
exit $((ended > alone ? ended : alone))
