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

# Python is started a thousand times: what it runs is compiled once, also where the
# machine's own settings are against that.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX=$PWD/build/pycache

"$python" -m pytest -n "$processes" --dist loadfile --no-loadscope-reorder \
    --alone without "$@"
together=$?
# Interrupted, or asked wrongly.
if ((together > 1 && together != nothing_selected)); then
    exit "$together"
fi
"$python" -m pytest --alone only "$@"
alone=$?
if ((alone == nothing_selected)); then
    exit "$together"
fi
if ((together == nothing_selected)); then
    exit "$alone"
fi
exit $((together > alone ? together : alone))
