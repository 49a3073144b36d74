#!/bin/sh
# Run the fuzz targets that `make fuzz` built, each with its corpus folder and a
# fixed seed (FUZZ_SEED, 1): scripts/run-fuzz.sh SECONDS [name...]   (name: json for fuzz_json)
# New inputs gather under build/fuzz/found/<name>; a crash is left beside them.
cd "$(dirname "$0")/.." || exit 1
seconds=${1:?usage: scripts/run-fuzz.sh SECONDS [name...]}
shift
if [ $# = 0 ]; then
    for program in build/fuzz/fuzz_*; do
        [ -x "$program" ] && set -- "$@" "${program#build/fuzz/fuzz_}"
    done
fi
[ $# = 0 ] && { echo "nothing to run; build with: make fuzz" >&2; exit 1; }
passed=0 failed=0
for name in "$@"; do
    found=build/fuzz/found/$name
    corpus=tests/fuzz/corpus/$name
    mkdir -p "$found"
    [ -d "$corpus" ] || corpus=
    if build/fuzz/fuzz_"$name" -seed="${FUZZ_SEED:-1}" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
        -print_final_stats=1 -artifact_prefix="$found/" "$found" $corpus >"$found.log" 2>&1; then
        passed=$((passed + 1))
        echo "ok      fuzz_$name $(grep -o 'number_of_executed_units: .*' "$found.log")"
    else
        echo "FAILED  fuzz_$name, see $found.log"
        tail -30 "$found.log"
        failed=$((failed + 1))
    fi
done
echo "fuzz: $passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
