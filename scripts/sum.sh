#!/bin/sh
# Add up the lines "N passed, N failed, N skipped" of a file; exit 1 if any failed.
awk '{ for (i = 1; i < NF; i++) {
         if ($(i + 1) ~ /^passed/) passed += $i
         if ($(i + 1) ~ /^failed/) failed += $i
         if ($(i + 1) ~ /^skipped/) skipped += $i } }
     END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
           exit failed > 0 }' "$1"
