#!/bin/sh
# Run the concurrent parts' unit tests under ThreadSanitizer, then the planted
# race, which must be found. RocksDB is not instrumented.
#
#   scripts/run-tsan.sh PLANTED TEST...
planted=$1
shift
TSAN_OPTIONS="ignore_noninstrumented_modules=1:halt_on_error=1:second_deadlock_stack=1"
export TSAN_OPTIONS
if "$planted" >/dev/null 2>&1; then
    echo "tsan: the planted race was not found: this run proves nothing" >&2
    echo "tsan: 0 passed, 1 failed, 0 skipped"
    exit 1
fi
echo "ok      the planted race is found"
"$(dirname "$0")/run-unit.sh" "$@"
