#!/usr/bin/env bash
# Style that tools can see: swift format, and the syntax of scripts. Rules of our own are tests,
# in Tests/TidyTests.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
status=0
swift format lint --strict --parallel --recursive Package.swift Sources Tests Benchmarks || status=1
mapfile -t shells < <(find scripts Tests Benchmarks .ci -type f -exec \
    grep -lE '^#!.*\b(ba)?sh$' {} + | sort)
for script in "${shells[@]}"; do bash -n "$script" || status=1; done
if command -v shellcheck >/dev/null 2>&1; then
    shellcheck --severity=warning "${shells[@]}" || status=1
fi
mapfile -t pythons < <(find scripts Tests Benchmarks -type f -name '*.py' | sort)
python3 - "${pythons[@]}" <<'PROGRAM' || status=1
import sys
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        compile(file.read(), path, "exec")
PROGRAM
exit "$status"
