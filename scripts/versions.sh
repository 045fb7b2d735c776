#!/usr/bin/env bash
# Prints what a result depends on: machine, kernel, toolchain, libraries, clients, this commit.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${1:-python3}
row() {
    printf '%-12s %s\n' "$1" "$2"
}

processor=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
memory=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
row machine "$(nproc) x ${processor:-$(uname -m)}, $memory"
row kernel "$(uname -s) $(uname -r | cut -d- -f1)"
row system "$(. /etc/os-release && echo "$PRETTY_NAME")"
row swift "$(swift --version 2>/dev/null | head -n 1)"
for library in fuse3 libcurl sqlite3 liblz4 libcrypto libxxhash libmicrohttpd; do
    row "$library" "$(pkg-config --modversion "$library" 2>/dev/null || echo missing)"
done
row python "$("$python" --version 2>&1 | cut -d' ' -f2)"
for package in huggingface_hub hf_xet safetensors numpy; do
    row "$package" "$("$python" -c \
        'import sys, importlib.metadata as m; print(m.version(sys.argv[1]))' "$package" \
        2>/dev/null || echo missing)"
done
if [ -e /dev/fuse ]; then row /dev/fuse present; else row /dev/fuse missing; fi
changed=$(git -C "$top" status --porcelain 2>/dev/null | grep -q . && echo ', with changes' || true)
row commit "$(git -C "$top" rev-parse --short HEAD 2>/dev/null || echo none)$changed"
