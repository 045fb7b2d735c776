#!/usr/bin/env bash
# The unit tests under the thread sanitizer and under the address sanitizer; logs are in out/.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p out
# No program can be wholly static with a sanitizer's runtime in it.
export MODELFS_SANITIZED=1
# Bent inputs by the clock, not by their number: each takes many times as long.
export MODELFS_FUZZ_SECONDS=${MODELFS_FUZZ_SECONDS:-2}
# Each takes ten times as long, and they are all alike.
export MODELFS_TINY_FILES=${MODELFS_TINY_FILES:-3000}
# Swift's own handler of crashes starts a process, which the thread sanitizer does not survive.
export SWIFT_BACKTRACE=enable=no
export LSAN_OPTIONS="suppressions=$PWD/scripts/leaks.supp:print_suppressions=0"
status=0
for sanitizer in ${SANITIZERS:-thread address}; do
    # Their own builds: a sanitizer is compiled into every object.
    code=0
    swift test --sanitize="$sanitizer" --disable-xctest --scratch-path ".build/$sanitizer" \
        >"out/$sanitizer.log" 2>&1 || code=$?
    findings=$(grep -cE 'WARNING: ThreadSanitizer|ERROR: (Address|Leak)Sanitizer' \
        "out/$sanitizer.log" || true)
    grep -E '^✔ Test run|^✘ Test run' "out/$sanitizer.log" || true
    echo "$sanitizer sanitizer: $findings findings, exit code $code"
    if [ "$code" -ne 0 ] || [ "$findings" -ne 0 ]; then status=1; fi
done
exit "$status"
