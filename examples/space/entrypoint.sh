#!/bin/sh
# Starts a Space: makes /models/REPO@VERSION available, by a mount where that is allowed and by a
# copy where it is not, and serves the model that lies there.
#
# Variables: MODEL_REPO_ID (needed), MODEL_VERSION (main), HF_TOKEN, HF_ENDPOINT,
# MODEL_FOLLOW=1 (go with the branch when it moves), MODELFS_SPACE_WAY=mount|pull (no choice).
set -u

say() { printf 'modelfs-space: %s\n' "$*" >&2; }

repository=${MODEL_REPO_ID:-}
version=${MODEL_VERSION:-main}
if [ -z "$repository" ]; then
    say "MODEL_REPO_ID is not set: in the Space's settings, add the variable MODEL_REPO_ID, such as"
    say "sentence-transformers/all-MiniLM-L6-v2, and MODEL_VERSION for a branch, tag or commit"
    exit 2
fi
# A '/' in a revision is written %2F in a path.
name="$repository@$(printf '%s' "$version" | sed 's|%|%25|g; s|/|%2F|g')"
place="/models/$name"
source="hf://$repository@$version"

# Persistent storage, where the Space has it; else what is there as long as it runs.
if [ -d /data ] && [ -w /data ]; then
    state=/data
else
    state=/tmp
fi
export MODELFS_CACHE="$state/.cache/modelfs"
mkdir -p "$MODELFS_CACHE" || exit 1
chmod 700 "$MODELFS_CACHE"

words=$(mktemp)
trap 'rm -f "$words"' EXIT

# Mounts all models at /models; what it says is in the file.
mounted() { modelfs mount hf://models /models >"$words" 2>&1; }
reason() { head -n 1 "$words" | sed 's/^modelfs mount: //'; }

way=${MODELFS_SPACE_WAY:-}
refused=
if [ "$way" != pull ]; then
    if mounted; then
        way="mounted, $([ "$(id -u)" -eq 0 ] && echo "as root" || echo "by fusermount3")"
    else
        refused=$(reason)
        if [ "${MODELFS_SPACE_INSIDE:-}" != 1 ] && [ -e /dev/fuse ] &&
            unshare --user --map-root-user --mount true 2>/dev/null
        then
            # In a user namespace of its own this script is root, and may mount for itself.
            say "not by itself: $refused; trying a user namespace"
            MODELFS_SPACE_INSIDE=1 exec unshare --user --map-root-user --mount "$0" "$@"
        fi
        if [ "$way" = mount ]; then
            say "it cannot be mounted: $refused"
            exit 3
        fi
        way=pull
    fi
    [ "${MODELFS_SPACE_INSIDE:-}" = 1 ] && [ "$way" != pull ] && way="mounted in a user namespace"
fi
if [ "$way" = pull ]; then
    say "not mounted${refused:+: $refused}"
    if ! modelfs pull "$source" "$place"; then
        say "$source cannot be copied to $place; the lines above say why and what to do"
        exit 1
    fi
    way="copied by modelfs pull"
fi
say "$place is $way; the cache is $MODELFS_CACHE"

set -- "$place" --listen "0.0.0.0:${PORT:-7860}" "$@"
[ "${MODEL_FOLLOW:-}" = 1 ] && set -- "$@" --follow
modelfs-predictor "$@" &
predictor=$!
trap 'kill -TERM "$predictor" 2>/dev/null' TERM INT
wait "$predictor"
code=$?
# A signal ends the first wait early; the predictor drains.
if kill -0 "$predictor" 2>/dev/null; then
    wait "$predictor"
    code=$?
fi
modelfs umount --all --lazy >/dev/null 2>&1
exit "$code"
