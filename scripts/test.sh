#!/bin/sh
# Set up and pass the tests, on a fresh Debian 12 with nothing but git:
#
#   scripts/test.sh
#
# Installs what is missing (root or sudo), builds, runs `make test`.
set -eu
cd "$(dirname "$0")/.."
start=$(date +%s)
say() { printf '\n== %s (%s s)\n' "$*" "$(($(date +%s) - start))"; }
say "1/3 install what is missing"
scripts/deps.sh test
say "2/3 build build/tarn"
make -j"$(nproc)" test-programs || { echo "test: the build failed; the compiler's words are above" >&2; exit 1; }
say "3/3 run the tests"
make test
say "done"
