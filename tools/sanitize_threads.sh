#!/bin/bash
# Look for races in build/threads/lib: tools/sanitize_threads.sh PYTHON [PYTEST-ARGUMENT...]
#
# First two that are planted, which the sanitizer must see; then tests of the core's
# queue, of readers beside writers and of ledgers with a log; then a server that is called
# in every way.
set -euo pipefail

python=$1
shift
reports=build/threads/report
rm -f "$reports".*
usual="exitcode=66 suppressions=tests/core/threads.supp"
sanitized=(env PYTHONMALLOC=malloc SWITCH_TEST_LIB=build/threads/lib
    LD_PRELOAD="$(gcc -print-file-name=libtsan.so)")

sees() {  # FUNCTION COMMAND...: whether a race in it is told
    local function=$1 said
    shift
    said=$("$@" 2>&1) && said="nothing at all"
    grep -q "data race" <<<"$said" && grep -q "$function" <<<"$said" && return
    echo "A planted race in $function was not seen: $said" >&2
    exit 1
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
TSAN_OPTIONS="halt_on_error=1 $usual" \
    sees takers_join "${sanitized[@]}" "$python" -m tests.core.race "$folder"
TSAN_OPTIONS="halt_on_error=1" sees front_new_command build/front/threads race
echo "planted races were seen"

# pytest keeps stderr to itself.
TSAN_OPTIONS="log_path=$reports $usual" "${sanitized[@]}" "$python" -m pytest -q \
    --timeout 1800 tests/core/test_queue.py tests/core/test_queue_threads.py tests/core/test_queue_copies.py \
    tests/core/test_concurrency.py tests/core/test_in_flight.py \
    tests/core/test_replicate.py tests/core/test_follow.py \
    tests/cluster/test_postgres.py "$@" || { cat "$reports".* >&2; exit 1; }
TSAN_OPTIONS="halt_on_error=1" build/front/threads 100000
"$python" -m tests.torture.sanitized threads
