# Completion of mapfleet for bash: verbs, options and their values, files, jobs and their tasks, run
# directories. Installed among bash-completion's files, which loads it when it is needed; by itself:
#
#     source mapfleet.bash

# @tables@

# Folders in which jobs are looked up by name.
_mapfleet_job_folders() {
    local IFS=: program
    printf '%s\n' ${MAPFLEET_JOBS-}
    program=$(type -P -- "$1") || return
    program=$(dirname -- "$(readlink -f -- "$program")")
    printf '%s\n' "$program"/../jobs "$program"/../lib/mapfleet/jobs "$program"/../lib/*/mapfleet/jobs
}

_mapfleet_jobs() {
    local folder file
    _mapfleet_job_folders "$1" | while IFS= read -r folder; do
        for file in "$folder"/*.so; do
            [ -e "$file" ] && file=${file##*/} && printf '%s\n' "${file%.so}"
        done
    done
}

# _mapfleet_registered PROGRAM JOB task|workflow: their names, as `mapfleet tasks` tells.
_mapfleet_registered() {
    local line
    "$1" tasks "$2" 2>/dev/null </dev/null | while IFS= read -r line; do
        case $line in
        ' '*) ;;
        'workflow '*) [ "$3" = workflow ] && line=${line#workflow } && printf '%s\n' "${line%%:*}" ;;
        *) [ "$3" = task ] && printf '%s\n' "${line%%:*}" ;;
        esac
    done
}

# Folders below here, or below mapfleet-runs, that are runs.
_mapfleet_runs() {
    local file
    for file in "$1"*/run.json "$1"*/*/run.json; do
        [ -e "$file" ] && printf '%s\n' "${file%/run.json}"
    done
}

# Lines of standard input that begin with $current become the answer.
_mapfleet_offer() {
    local line
    while IFS= read -r line; do
        [[ $line == "$current"* ]] && COMPREPLY+=("$line")
    done
}

_mapfleet_offer_paths() { # -f or -d
    compopt -o filenames 2>/dev/null
    _mapfleet_offer < <(compgen "$1" -- "$current")
}

_mapfleet_offer_job() { # _mapfleet_offer_job PROGRAM task|workflow|job
    if [[ $current == *:* && $2 != job ]]; then
        local job=${current%%:*} name
        _mapfleet_offer < <(_mapfleet_registered "$1" "$job" "$2" |
            while IFS= read -r name; do printf '%s\n' "$job:$name"; done)
        return
    fi
    compopt -o nospace 2>/dev/null
    if [[ $current == */* || $current == .* ]]; then
        local path
        _mapfleet_offer < <(compgen -f -- "$current" | while IFS= read -r path; do
            if [ -d "$path" ]; then
                printf '%s/\n' "$path"
            elif [[ $path == *.so ]]; then
                [ "$2" = job ] && printf '%s\n' "$path" || printf '%s:\n' "$path"
            fi
        done)
    elif [ "$2" = job ]; then
        _mapfleet_offer < <(_mapfleet_jobs "$1")
    else
        _mapfleet_offer < <(_mapfleet_jobs "$1" | sed 's/$/:/')
    fi
}

# _mapfleet_offer_kind PROGRAM KIND: what a word or a value may be, as the tables say.
_mapfleet_offer_kind() {
    case $2 in
    'words '*) _mapfleet_offer < <(printf '%s\n' ${2#words }) ;;
    'list '*)
        local before=
        [[ $current == *,* ]] && before=${current%,*},
        _mapfleet_offer < <(printf "${before//%/%%}%s\n" ${2#list })
        ;;
    file) _mapfleet_offer_paths -f ;;
    folder) _mapfleet_offer_paths -d ;;
    task | workflow | job) _mapfleet_offer_job "$1" "$2" ;;
    run) _mapfleet_offer < <(_mapfleet_runs "$current") ;;
    verb) _mapfleet_offer < <(printf '%s\n' $_mapfleet_verbs) ;;
    command) _mapfleet_offer < <(compgen -c -- "$current" | sort -u) ;;
    esac
}

# The words up to the cursor: bash has cut them at colons and equals signs, which are part of ours.
# Sets verb, previous, current, words_seen (of the verb, that are no options) and is_ended.
_mapfleet_read_line() {
    local line=${COMP_LINE:0:COMP_POINT} word value
    local -a words
    read -ra words <<<"$line"
    current=${words[-1]}
    [[ $line == *[[:space:]] ]] && current='' && words+=('')
    verb='' previous='' words_seen=0 is_ended=
    for word in "${words[@]:1:${#words[@]}-2}"; do
        if [ -n "$previous" ]; then
            previous=''
        elif [ -n "$is_ended" ]; then
            words_seen=$((words_seen + 1))
        elif [ -z "$verb" ]; then
            verb=$word
        elif [ "$word" = -- ]; then
            is_ended=1
        elif [[ $word == -* ]]; then
            value=$(_mapfleet_value "$verb" "$word")
            [[ -n $value && $value != attached* ]] && previous=$word
        elif [ "$verb" = launch ]; then
            verb=$word
        else
            words_seen=$((words_seen + 1))
            [ "$verb" = exec ] && is_ended=1
        fi
    done
}

_mapfleet() {
    local verb previous current words_seen is_ended kind cut=
    COMPREPLY=()
    _mapfleet_read_line
    local whole=$current
    if [ -z "$verb" ]; then
        _mapfleet_offer < <(printf '%s\n' $_mapfleet_verbs --help --version)
    elif [ "$verb" = help ]; then
        _mapfleet_offer < <(printf '%s\n' $_mapfleet_verbs)
    elif [ -n "$previous" ]; then
        _mapfleet_offer_kind "$1" "$(_mapfleet_value "$verb" "$previous")"
    elif [[ -z $is_ended && $current == --*=* ]]; then
        kind=$(_mapfleet_value "$verb" "${current%%=*}")
        cut=${current%%=*}=
        current=${current#*=}
        _mapfleet_offer_kind "$1" "${kind#attached }"
        COMPREPLY=("${COMPREPLY[@]/#/$cut}")
    elif [[ -z $is_ended && $current == -* ]]; then
        _mapfleet_offer < <(printf '%s\n' $(_mapfleet_options "$verb"))
    elif [ "$words_seen" -eq 0 ]; then
        _mapfleet_offer_kind "$1" "$(_mapfleet_word "$verb")"
    else
        _mapfleet_offer_paths -f
    fi
    _mapfleet_cut_answers
}

# Readline replaces what stands behind the last colon or equals sign, so that answers are to begin
# there too.
_mapfleet_cut_answers() {
    local i separator prefix before=''
    for separator in : =; do
        [[ $COMP_WORDBREAKS == *"$separator"* && $whole == *"$separator"* ]] || continue
        prefix=${whole%"$separator"*}$separator
        [ "${#prefix}" -gt "${#before}" ] && before=$prefix
    done
    for i in "${!COMPREPLY[@]}"; do
        COMPREPLY[i]=${COMPREPLY[i]#"$before"}
    done
}

complete -o bashdefault -F _mapfleet mapfleet
