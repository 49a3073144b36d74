#!/bin/sh
# Make spec/ again from the published package and compare: the committed text
# must be what make-spec.mjs gives. Needs node, npm, tar and a registry.
#   spec/check.sh [PACKAGE FOLDER]
set -e
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
node make-spec.mjs "$folder" ${1:+"$1"}
for file in "$folder"/*; do
    diff -u "$(basename "$file")" "$file" || { echo "spec: $(basename "$file") differs" >&2; exit 1; }
done
echo "spec: as published"
