#!/usr/bin/env bash
# Coverage-guided fuzzing of every case in Tests/FuzzCases, or of those that are named.
#
# Each runs for FUZZ_SECONDS (600); corpora, logs and what was found are in out/fuzz/. Exits with 1
# when something was found. The toolchain brings libFuzzer and the linker that it needs.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${FUZZ_SECONDS:-600}
scratch=${FUZZ_BUILD:-.build/fuzz}
# The target has no `main` of its own, so it is in the package only here.
export MODELFS_LIBFUZZER=1
swift build -c debug --sanitize=fuzzer -Xswiftc -use-ld=lld --scratch-path "$scratch" \
    --product fuzz-target
# Swift's own handler of crashes would be there before libFuzzer's, which keeps the input.
export SWIFT_BACKTRACE=enable=no
program=$(swift build -c debug --sanitize=fuzzer -Xswiftc -use-ld=lld --scratch-path "$scratch" \
    --product fuzz-target --show-bin-path)/fuzz-target
mkdir -p out/fuzz
cases=("$@")
if [ ${#cases[@]} -eq 0 ]; then
    # The program names its cases when it is given none.
    read -r -a cases <<<"$("$program" -runs=1 2>&1 | sed -n 's/.*is to be one of: //p')"
fi

status=0
for name in "${cases[@]}"; do
    corpus=out/fuzz/$name.corpus
    mkdir -p "$corpus"
    code=0
    MODELFS_FUZZ_CASE=$name MODELFS_FUZZ_SAMPLES=$corpus "$program" -runs=1 \
        >/dev/null 2>&1 || code=$?
    MODELFS_FUZZ_CASE=$name "$program" -max_total_time="$seconds" -max_len=8192 -timeout=20 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="out/fuzz/$name." "$corpus" \
        >"out/fuzz/$name.log" 2>&1 || code=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "out/fuzz/$name.log")
    cover=$(grep -oE 'cov: [0-9]+' "out/fuzz/$name.log" | tail -1 || true)
    echo "$name: ${runs:-?} inputs, ${cover:-no coverage}, exit code $code"
    if [ "$code" -ne 0 ]; then status=1; fi
done
exit "$status"
