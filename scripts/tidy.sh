#!/bin/sh
# `make tidy`: the rules of the house (tools/tidy/tidy.pl says which).
cd "$(dirname "$0")/.." && exec perl tools/tidy/tidy.pl
