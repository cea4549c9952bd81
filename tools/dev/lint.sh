# ./dev lint [--fix]: clang-format and the short clang-tidy list (.clang-tidy), both as errors.

lint_sources() { find src tests tools models bench -type f \( -name '*.cpp' -o -name '*.h' \) 2>/dev/null | sort; }

lint_format() {
    if [ "${1:-}" = --fix ]; then
        lint_sources | xargs -r clang-format-19 -i
        return
    fi
    say "lint: clang-format over $(lint_sources | wc -l) files"
    lint_sources | xargs -r -n 16 -P "$(nproc)" clang-format-19 --dry-run -Werror
}

# A file's verdict holds while it, every header of ours and the list are unchanged: the stamp is their hash.
lint_tidy_one() {
    local file=$1 headers_hash=$2 stamp log
    shift 2
    stamp="build/lint/$(printf '%s %s' "$headers_hash" "$(sha256sum <"$file")" | sha256sum | cut -c1-24)"
    [ -e "$stamp" ] && return 0
    log=$(mktemp build/lint/log.XXXXXX)
    if clang-tidy-19 -p build/debug --quiet --warnings-as-errors='*' "$@" "$file" >"$log" 2>/dev/null; then
        touch "$stamp"
        rm -f "$log"
    else
        cat "$log"
        rm -f "$log"
        return 1
    fi
}

lint_tidy() {
    configure debug || return 1
    mkdir -p build/lint
    # Generated sources are made by the build; without them the files that include them do not parse.
    local files headers_hash fix=()
    if [ "${1:-}" = --fix ]; then fix=(--fix); fi
    files=$(jq -r '.[].file' build/debug/compile_commands.json | grep -E "^$PWD/(src|models|tools)/.*[.]cpp$" | sed "s|^$PWD/||" | sort -u)
    headers_hash=$({ find src -name '*.h' -print0 | sort -z | xargs -0 cat; cat .clang-tidy; } | sha256sum | cut -c1-24)
    say "lint: clang-tidy over $(wc -l <<<"$files") files"
    export -f lint_tidy_one
    xargs -r -P "$(jobs)" -I{} bash -c 'lint_tidy_one "$@"' _ {} "$headers_hash" "${fix[@]}" <<<"$files"
}

lint() {
    local status=0
    lint_format "$@" || status=1
    lint_tidy "$@" || status=1
    if [ $status -eq 0 ]; then say "lint: clean"; else say "lint: see above"; fi
    return $status
}
