#!/usr/bin/env bash
# Runs SEEDS seeds of the simulation from FIRST_SEED on, SHARDS at a time; logs are in
# out/simulate/.
#
# Each failing seed is printed with the command that runs it alone; the exit code is 1 then.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
seeds=${SEEDS:-10000}
first=${FIRST_SEED:-1}
shards=${SHARDS:-$(nproc)}
# Tests are not built for release; the programs they need are.
swift build -c release --product simulator --scratch-path .build/simulate
program=$(swift build -c release --product simulator --scratch-path .build/simulate \
    --show-bin-path)/simulator
mkdir -p out/simulate
pids=()
each=$(((seeds + shards - 1) / shards))
for ((shard = 0; shard < shards; shard++)); do
    nice "$program" --first $((first + shard * each)) --count "$each" \
        >"out/simulate/shard-$shard.log" 2>&1 &
    pids+=($!)
done
status=0
for pid in "${pids[@]}"; do wait "$pid" || status=1; done
cat out/simulate/shard-*.log
exit "$status"
