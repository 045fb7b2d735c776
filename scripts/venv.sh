#!/usr/bin/env bash
# Makes the Python environment of the tests and the demo, and prints the path of its python.
#
# It is made anew only when a requirements file or the interpreter has changed. The place is
# .venv at the top of the checkout, or $MODELFS_VENV. Everything but the path goes to stderr.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${MODELFS_VENV:-$top/.venv}
requirements=$top/scripts/requirements.txt
data=$top/scripts/requirements-data.txt
stamp=$venv/modelfs-stamp

fail() {
    printf 'venv: %s\n' "$*" >&2
    exit 1
}

# The first interpreter that is new enough and can make environments with pip in them.
base=
for candidate in python3 /usr/bin/python3; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' \
        >/dev/null 2>&1; then
        base=$(command -v "$candidate")
        break
    fi
done
[ -n "$base" ] || fail "no python3 of 3.9 or later with its venv module; run: make deps"

version=$("$base" -c 'import sys; print(sys.executable, sys.version)')
wanted=$( (printf '%s\n' "$version"; cat "$requirements" "$data") | sha256sum)
mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ] || [ ! -x "$venv/bin/python" ]; then
    printf 'venv: making %s\n' "$venv" >&2
    rm -rf "$venv"
    "$base" -m venv "$venv" >&2
    pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 5)
    "${pip[@]}" --upgrade --requirement "$requirements" >&2 ||
        fail "pip could not install scripts/requirements.txt: is the network reachable?"
    "${pip[@]}" --no-deps --requirement "$data" >&2 ||
        fail "pip could not install scripts/requirements-data.txt: is the network reachable?"
    printf '%s\n' "$wanted" >"$stamp"
fi
printf '%s\n' "$venv/bin/python"
