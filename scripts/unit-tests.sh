#!/usr/bin/env bash
# Runs the unit tests that are built, and shows what failed; the whole output is in out/.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p out
status=0
swift test --skip-build --disable-xctest --parallel >out/unit-tests.log 2>&1 || status=$?
grep -vE '^(◇|✔ (Test|Suite) |\[[0-9]+/[0-9]+\]|Build)|^↳ ///' out/unit-tests.log || true
grep -E '^✔ Test run' out/unit-tests.log || true
exit "$status"
