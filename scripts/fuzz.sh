#!/usr/bin/env bash
# Coverage-guided fuzzing of every case in Tests/FuzzCases, or of those that are named.
#
# Each gets FUZZ_SECONDS (600) of the processor, however busy the machine is; corpora, logs and what
# was found are in out/fuzz/. Exits with 1 when something was found. The toolchain brings libFuzzer
# and the linker that it needs.
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

# libFuzzer knows the clock alone, so a case runs in turns, each going on from the corpus.
turn=$((seconds < 60 ? seconds : 60))
TIMEFORMAT='%U %S'
status=0
for name in "${cases[@]}"; do
    corpus=out/fuzz/$name.corpus
    mkdir -p "$corpus"
    code=0 runs=0 spent=0
    MODELFS_FUZZ_CASE=$name MODELFS_FUZZ_SAMPLES=$corpus "$program" -runs=1 \
        >/dev/null 2>&1 || code=$?
    while [ "$code" -eq 0 ] && [ "$spent" -lt "$seconds" ]; do
        { time MODELFS_FUZZ_CASE=$name "$program" -max_total_time="$turn" -max_len=8192 \
            -timeout=60 -rss_limit_mb=2048 -print_final_stats=1 \
            -artifact_prefix="out/fuzz/$name." "$corpus" \
            >"out/fuzz/$name.log" 2>&1 || code=$?; } 2>"out/fuzz/$name.time"
        spent=$(awk -v before="$spent" '{ print int(before + $1 + $2 + 0.5) }' \
            "out/fuzz/$name.time")
        more=$(sed -n 's/^stat::number_of_executed_units: *//p' "out/fuzz/$name.log")
        runs=$((runs + ${more:-0}))
    done
    cover=$(grep -oE 'cov: [0-9]+' "out/fuzz/$name.log" | tail -1 || true)
    echo "$name: $runs inputs in $spent s of the processor, ${cover:-no coverage}, exit code $code"
    if [ "$code" -ne 0 ]; then status=1; fi
done
exit "$status"
