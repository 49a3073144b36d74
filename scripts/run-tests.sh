#!/bin/sh
# `make test` after everything is built: tidy, unit, end-to-end, a few crashes.
# Ends with one line "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/.."
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT

stage() {
    name=$1
    shift
    begun=$(date +%s)
    echo "-- $name"
    { "$@" 2>&1; echo $? >"$log/$name.status"; } | tee "$log/$name"
    status=$(cat "$log/$name.status")
    sum=$(grep -oE '[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?' "$log/$name" | tail -1)
    case $status:$sum in
    0:) sum='1 passed, 0 failed, 0 skipped' ;;
    0:*) ;;
    *' 0 failed'* | *:) sum='0 passed, 1 failed, 0 skipped' ;;
    esac
    echo "$sum" >>"$log/sums"
    echo "   $name: $(($(date +%s) - begun)) s"
}

# Each keeps one core busy, the clients half of one: beside each other, told in turn.
golden() {
    stage fold make -s test-fold
    stage validator make -s test-validator
    stage texts make -s test-validator-texts
    stage mutants make -s test-mutants
    stage profiles make -s test-profiles
}

stage tidy make -s tidy
stage unit make -s test-unit
golden >"$log/golden" 2>&1 &
stage e2e make -s test-e2e
wait
cat "$log/golden"
stage crash make -s test-crash CRASH_ARGS='--rounds 2 --calls 2'
scripts/sum.sh "$log/sums"
