#!/usr/bin/env bash
# Formats all Swift code in place.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
places=(Package.swift Sources Tests Benchmarks)
swift format --in-place --parallel --recursive "${places[@]}"
swift format lint --parallel --recursive "${places[@]}" 2>&1 | python3 scripts/format-summaries.py
