#!/bin/sh
# Tarn's main job on sample records, on a fresh Debian 12 with nothing but git:
#
#   scripts/try.sh            set up, build, run; leaves store and sandbox running
#   scripts/try.sh --stop     stop them and remove their data
#   scripts/try.sh --once     the same run, stopped at the end (for checks)
#
# Everything it makes lies in build/try (TARN_TRY_DIR). Ports: TARN_PORT (8080),
# FLEXPA_PORT (8081).
set -eu
cd "$(dirname "$0")/.."
place=${TARN_TRY_DIR:-build/try}
port=${TARN_PORT:-8080}
source_port=${FLEXPA_PORT:-8081}
begun=$(date +%s)

say() { printf '\n\033[1m== %s\033[0m (%s s)\n' "$*" "$(($(date +%s) - begun))"; }
die() { printf 'try: %s\n' "$*" >&2; exit 1; }

stop() {
    for name in serve sandbox; do
        [ -f "$place/$name.pid" ] || continue
        pid=$(cat "$place/$name.pid")
        # The number may be another program's by now.
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != tarn ] || kill "$pid" 2>/dev/null || true
        # It still holds its port and writes its files until it is gone.
        waited=0
        while [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = tarn ] && [ $waited -lt 100 ]; do
            sleep 0.1
            waited=$((waited + 1))
        done
        rm -f "$place/$name.pid"
    done
}

# ready NAME FILE WORD: wait until a server has printed WORD, or say why not.
ready() {
    tries=0
    until grep -q "$3" "$2" 2>/dev/null; do
        tries=$((tries + 1))
        if [ $tries -gt 100 ] || ! kill -0 "$(cat "$place/$1.pid")" 2>/dev/null; then
            cat "$2" >&2
            stop
            die "tarn $1 did not start. Is port $port or $source_port taken? Set TARN_PORT, FLEXPA_PORT"
        fi
        sleep 0.1
    done
}

case ${1:-} in
--stop) stop; rm -rf "$place"; echo "stopped; $place is removed"; exit 0 ;;
--once | '') ;;
*) die "usage: scripts/try.sh [--stop | --once]" ;;
esac

say "1/6 install what is missing"
scripts/deps.sh build

say "2/6 build build/tarn"
make -s -j"$(nproc)" all || die "the build failed; the compiler's words are above"

# What this shell has of AWS and Flexpa is for other stores than this one.
unset AWS_SESSION_TOKEN AWS_PROFILE FLEXPA_ACCESS_TOKEN
unset TARN_ROOT_ACCESS_KEY_ID TARN_ROOT_SECRET_ACCESS_KEY
export AWS_REGION=us-east-1

say "3/6 start the record store and a sandbox that plays Flexpa"
stop
rm -rf "$place"
mkdir -p "$place"
build/tarn serve --data "$place/data" --listen "127.0.0.1:$port" >"$place/serve.log" 2>&1 &
echo $! >"$place/serve.pid"
build/tarn sandbox --listen "127.0.0.1:$source_port" --consents-file "$place/consents" \
    >"$place/sandbox.log" 2>&1 &
echo $! >"$place/sandbox.pid"
ready serve "$place/serve.log" '^data store'
ready sandbox "$place/sandbox.log" 'listening on'
cat "$place/serve.log"
grep 'listening on' "$place/sandbox.log"

# What a developer would put into .env, under the guide's names.
endpoint=$(sed -n 's/^data store [^ ]* //p' "$place/serve.log")
key_file=$(find "$place/data" -name 'root*' -type f | head -1)
[ -f "$key_file" ] || die "no root key file below $place/data"
HEALTHLAKE_ENDPOINT=$endpoint
FLEXPA_API_BASE=http://127.0.0.1:$source_port
AWS_ACCESS_KEY_ID=$(sed -n 's/^aws_access_key_id *= *//p' "$key_file")
AWS_SECRET_ACCESS_KEY=$(sed -n 's/^aws_secret_access_key *= *//p' "$key_file")
export HEALTHLAKE_ENDPOINT FLEXPA_API_BASE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY

say "4/6 sync every consent of the two members"
build/tarn sync --consents "$place/consents" || die "the sync failed; its report is above"

say "5/6 the payer sends an update; sync again: only what changed is new"
curl -fsS -X POST "http://127.0.0.1:$source_port/sandbox/advance" >/dev/null ||
    die "the sandbox does not answer"
build/tarn sync --consents "$place/consents" || die "the second sync failed; its report is above"

say "6/6 one member's record, as the store has it"
user=$(sed -n '/^[^#]/{s/,.*//p;q;}' "$place/consents")
build/tarn everything --user "$user" --consents "$place/consents" --format summary

consent=$(sed -n '/^[^#]/{s/^[^,]*, *\([^,]*\),.*/\1/p;q;}' "$place/consents")
base=${endpoint%/}
cat <<TXT

Open these in a browser or with curl; they are signed and live for an hour:
  Patients of one consent
    $(build/tarn presign --expires 3600 "$base/Patient?_tag=https://fhir.flexpa.com/identifiers/ConsentId%7C$consent")
  What the store can do
    $(build/tarn presign --expires 3600 "$base/metadata")

The store: $endpoint   root key: $key_file
Data and logs: $place     Stop and remove: scripts/try.sh --stop
TXT
if [ "${1:-}" = --once ]; then
    url=$(build/tarn presign --expires 60 "$base/metadata")
    curl -fsS "$url" >/dev/null || die "the presigned URL is not accepted"
    stop
    echo "stopped (--once)"
fi
