#!/usr/bin/env bash
# All tests: style, units, then the programs end to end against real mounts and official clients.
# With arguments, only the end-to-end suites whose names contain one of them.
#
# One run at a time for each checkout; what a dead run left is cleaned first; nothing stays
# mounted or running, however this one ends. MODELFS_TEST_SECONDS (2400) bounds the whole, which
# takes half of that on two cores that do nothing else.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
began=$SECONDS
total=${MODELFS_TEST_SECONDS:-2400}
# The name is the same in each run of this checkout, so that leftovers of a dead one are found.
scratch=/tmp/modelfs-test-$(id -u)-$(printf '%s' "$top" | sha256sum | cut -c1-10)

exec 8>"$scratch.lock"
if ! flock --nonblock 8; then
    echo "test: waiting for the other run of this checkout to end"
    flock --wait "$total" 8 || { echo "test: it did not end" >&2; exit 1; }
fi

child=
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    if [ -n "$child" ]; then kill -TERM "$child" 2>/dev/null || true; wait "$child" || true; fi
    python3 scripts/sweep.py "$scratch" || status=1
    rm -rf --one-file-system "$scratch"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# limited SECONDS COMMAND...: ends the command's process group when its time, or ours, is over.
# The lock is not inherited: a child that outlives us must not hold it.
limited() {
    local limit=$1
    shift
    local left=$((total - SECONDS + began))
    if [ "$left" -le 0 ]; then echo "test: $total s are over" >&2; return 124; fi
    timeout --kill-after=10 "$((limit < left ? limit : left))" "$@" 8>&- &
    child=$!
    local status=0
    wait "$child" || status=$?
    child=
    if [ "$status" -eq 124 ]; then echo "test: out of time: $*" >&2; fi
    return "$status"
}

step() {
    printf '\n== %s (%d s)\n' "$*" "$((SECONDS - began))"
}

failed=()
attempt() {
    local name=$1
    shift
    step "$name"
    limited "$@" || failed+=("$name")
}

python3 scripts/sweep.py "$scratch"
rm -rf --one-file-system "$scratch"
mkdir -p "$scratch"

step "versions"
python=$(scripts/venv.sh)
scripts/versions.sh "$python"

export MODELFS_SCRATCH=$scratch
if [ $# -eq 0 ]; then
    attempt "style" 300 scripts/lint.sh
    for script in Tests/Tools/*_test.py; do
        attempt "tools: $(basename "$script" .py)" 120 "$python" "$script"
    done
    step "build"
    limited 900 swift build --build-tests
    attempt "unit tests" 900 scripts/unit-tests.sh
else
    step "build"
fi
limited 900 swift build
bin=$(swift build --show-bin-path)
attempt "suites" "$total" "$python" scripts/run-suites.py --bin "$bin" \
    --scratch "$scratch/suites" --seconds "$((total - SECONDS + began - 15))" -- "$@"

step "result"
if [ ${#failed[@]} -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
echo "all passed"
