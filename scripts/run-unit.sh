#!/bin/sh
# Run each unit-test program named; print one line each and the sum.
# A program that hangs is ended after TEST_SECONDS (300) and counts as failed.
# A program's cmocka output goes to <program>.log and is shown when it fails.
passed=0 failed=0 skipped=0
for program in "$@"; do
    if timeout "${TEST_SECONDS:-300}" "$program" >"$program.log" 2>&1; then state=ok; else state=FAILED; fi
    p=$(grep -c '^\[       OK \]' "$program.log")
    f=$(grep -c '^\[  FAILED  \] .*[a-z]' "$program.log")
    s=$(grep -c '^\[  SKIPPED \] .*[a-z]' "$program.log")
    [ "$state" = FAILED ] && [ "$f" = 0 ] && f=1
    # cmocka names failing and skipped tests once more in its summary.
    [ "$f" -gt 1 ] && f=$((f / 2))
    [ "$s" -gt 1 ] && s=$((s / 2))
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    printf '%-7s %4d passed  %s\n' "$state" "$p" "${program#*tests/}"
    [ "$state" = FAILED ] && cat "$program.log"
done
echo "unit: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
