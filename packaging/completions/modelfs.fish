# fish completion: the programs say what fits.

function __modelfs_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l replies ($words[1] __complete $words[2..] 2>/dev/null)
    for reply in $replies
        if test "$reply" = ":files"
            __fish_complete_path (commandline -ct)
        else
            echo $reply
        end
    end
end

for program in modelfs modelfs-hub modelfs-predictor
    complete -c $program -f -a '(__modelfs_complete)'
end
