# bash completion for modelfs, modelfs-hub and modelfs-predictor: the programs say what fits.
# shellcheck shell=bash

_modelfs() {
    local line=${COMP_LINE:0:COMP_POINT} word words=() replies=() reply cut
    # bash also parts words at '@', ':' and '=', which stand in names of ours.
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[-1]}
    mapfile -t replies < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
    # What stands before the last of those signs is not part of the word that bash replaces.
    cut=${word%"${word##*[@:=]}"}
    COMPREPLY=()
    for reply in "${replies[@]}"; do
        if [[ $reply == :files ]]; then
            compopt -o default 2>/dev/null
        else
            COMPREPLY+=("${reply#"$cut"}")
        fi
    done
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then compopt -o nospace 2>/dev/null; fi
    return 0
}

complete -F _modelfs modelfs modelfs-hub modelfs-predictor
