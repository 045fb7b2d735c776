#!/usr/bin/env bash
# Installs what the build and the tests need from Debian, and nothing when all of it is there.
# With arguments, these packages too: what benchmarks compare with, and PyTorch, are wanted seldom.
#
# Asks dpkg first, so a machine that is ready needs neither root nor network. Works as root, or
# with sudo. Never installs the Swift toolchain: it says where to get it.
set -euo pipefail

# Libraries to link, programs that the tests and the demo call.
packages=(
    libfuse3-dev fuse3 libcurl4-openssl-dev libsqlite3-dev liblz4-dev libssl-dev libxxhash-dev
    libmicrohttpd-dev libopenblas-dev pkg-config python3 python3-venv ca-certificates
    attr curl gcc git libc6-dev make nghttp2-proxy procps rsync tar util-linux "$@"
)

fail() {
    printf 'bootstrap: %s\n' "$*" >&2
    exit 1
}

command -v swift >/dev/null 2>&1 || fail "no 'swift' in PATH: install the Swift 6.3 toolchain" \
    "from https://www.swift.org/install/linux/ and run this again"

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    if pkg-config --exists fuse3 libcurl sqlite3 liblz4 libcrypto libxxhash libmicrohttpd \
        openblas; then
        exit 0
    fi
    fail "this machine has no apt; install the equivalents of: ${packages[*]}"
fi

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    if [ "$state" != installed ]; then missing+=("$package"); fi
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || fail "missing packages: ${missing[*]}." \
        "Neither root nor sudo is at hand; as root, run: apt-get install ${missing[*]}"
    as_root=(sudo)
fi

printf 'bootstrap: installing %s\n' "${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
install=(apt-get install --yes --quiet --no-install-recommends
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120)
"${as_root[@]}" apt-get update --quiet || fail "apt-get update failed: is the network reachable?"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" "${missing[@]}" ||
    fail "could not install: ${missing[*]}"
