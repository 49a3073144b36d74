#!/bin/sh
# Run the end-to-end tests with the Node that tests/e2e/package.json pins.
#
#   scripts/run-e2e.sh [TEST...]     default: tests/e2e/*.test.mjs
set -u
cd "$(dirname "$0")/../tests/e2e" || exit 1
if [ ! -x node_modules/.bin/node ] || [ ! -e node_modules/.installed ] ||
    [ package-lock.json -nt node_modules/.installed ]; then
    command -v npm >/dev/null 2>&1 || { echo "e2e: npm is missing: run scripts/deps.sh test" >&2; exit 1; }
    echo "e2e: installing the clients (npm ci) ..." >&2
    npm ci --no-audit --no-fund --loglevel=error >/tmp/tarn-npm.$$ 2>&1 ||
        { tail -20 /tmp/tarn-npm.$$ >&2; echo "e2e: npm ci failed; is the network there?" >&2; exit 1; }
    rm -f /tmp/tarn-npm.$$
    touch node_modules/.installed
fi
PATH=$PWD/node_modules/.bin:$PATH
export PATH
[ $# -gt 0 ] || set -- *.test.mjs
log=$(mktemp)
trap 'rm -f "$log"' EXIT
node --test --test-reporter=spec --test-concurrency=1 --test-timeout=600000 "$@" >"$log" 2>&1
status=$?
number() { sed -n "s/^ℹ $1 \([0-9]*\)$/\1/p" "$log" | tail -1; }
if [ $status -ne 0 ]; then cat "$log"; else grep -E '^ *(✔|✖|﹣)' "$log"; fi
passed=$(number pass) failed=$(number fail) skipped=$(number skipped)
[ $status -ne 0 ] && [ "${failed:-0}" = 0 ] && failed=1
echo "e2e: ${passed:-0} passed, ${failed:-0} failed, ${skipped:-0} skipped"
exit $status
