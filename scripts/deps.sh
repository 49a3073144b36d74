#!/bin/sh
# Install from Debian 12 what a task needs, and only what is missing.
#
#   scripts/deps.sh build        compiler, make and the libraries of build/tarn
#   scripts/deps.sh test         also what `make test` runs with
#   scripts/deps.sh ci           also clang, sanitizers, fuzzers, browsers' parts
#
# Needs root, or sudo. A package whose command is already there is left alone
# (Debian's npm conflicts with a node that came from elsewhere).
set -eu
what=${1:-build}

say() { printf '%s\n' "deps: $*" >&2; }
die() { say "$*"; exit 1; }

wanted=
want_command() { command -v "$1" >/dev/null 2>&1 || wanted="$wanted $2"; }
want_package() {
    dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed' ||
        wanted="$wanted $1"
}

want_command gcc gcc
want_command make make
want_command pkg-config pkg-config
for package in libc6-dev librocksdb-dev libcurl4-openssl-dev libssl-dev \
    libzstd-dev libxxhash-dev libutf8proc-dev zlib1g-dev; do
    want_package "$package"
done
want_command curl curl
want_package ca-certificates
case $what in
build) ;;
test | ci)
    want_package libcmocka-dev
    want_command perl perl
    want_command python3 python3-minimal
    want_command zstd zstd
    want_command tar tar
    want_command npm npm
    if [ "$what" = ci ]; then
        want_command clang clang
        want_command llvm-symbolizer llvm
        want_package libclang-rt-14-dev
        want_command strace strace
    fi
    ;;
*) die "there is no '$what'; say build, test or ci" ;;
esac

[ -n "$wanted" ] || { say "nothing is missing for '$what'"; exit 0; }
command -v apt-get >/dev/null 2>&1 ||
    die "apt-get is missing. Tarn is set up on Debian 12; elsewhere install by hand:$wanted"

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 ||
        die "root is needed to install:$wanted. Run as root, or install sudo"
    as_root=sudo
fi
say "installing:$wanted"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
install() {
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends $wanted >"$log" 2>&1
}
$as_root apt-get update >"$log" 2>&1 || { tail -5 "$log" >&2; die "apt-get update failed; is the network there?"; }
install || { tail -15 "$log" >&2; die "apt-get could not install:$wanted"; }
say "installed"
