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

# A unit's verdict holds while it, the sources it includes (a unity build compiles several as one), every header of ours and the list
# are unchanged: the stamp is their hash.
lint_tidy_one() {
    local unit=$1 headers_hash=$2 stamp log
    shift 2
    stamp="build/lint/$({
        printf '%s\n' "$headers_hash"
        cat "$unit"
        case $unit in */Unity/*) sed -n 's/^#include "\(.*\)"$/\1/p' "$unit" | xargs -r -d '\n' cat ;; esac
    } | sha256sum | cut -c1-24)"
    [ -e "$stamp" ] && return 0
    log=$(mktemp build/lint/log.XXXXXX)
    if clang-tidy-19 -p build/debug --quiet --warnings-as-errors='*' "$@" "$unit" >"$log" 2>/dev/null; then
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
    local units headers_hash fix=()
    if [ "${1:-}" = --fix ]; then fix=(--fix); fi
    units=$(jq -r '.[].file' build/debug/compile_commands.json | grep -E "^$PWD/(build/debug/)?(src|models|tools)/.*[.](cpp|cxx)$" |
        grep -v '/tools/tidy/headers/' | sed "s|^$PWD/||" | sort -u)
    headers_hash=$({ find src -name '*.h' -print0 | sort -z | xargs -0 cat; cat .clang-tidy; } | sha256sum | cut -c1-24)
    say "lint: clang-tidy over $(wc -l <<<"$units") units"
    export -f lint_tidy_one
    xargs -r -P "$(jobs)" -I{} bash -c 'lint_tidy_one "$@"' _ {} "$headers_hash" "${fix[@]}" <<<"$units"
}

# GCC 12 takes every source of src/ by itself, with warnings as errors and without making code of it: so it is shown that GCC builds the
# program, and that each file includes what it needs, which a unity build does not show.
gcc_alone_one() {
    local file=$1 command=$2 headers_hash=$3 stamp
    stamp="build/gcc-alone/stamps/$({ printf '%s %s\n' "$headers_hash" "$command"; cat "$file"; } | sha256sum | cut -c1-24)"
    [ -e "$stamp" ] && return 0
    if eval "$command -fsyntax-only" && touch "$stamp"; then return 0; fi
    printf 'GCC refuses %s by itself\n' "$file"
    return 1
}

gcc_alone() {
    local headers_hash
    mkdir -p build/gcc-alone/stamps
    cmake --preset gcc -B build/gcc-alone -DCMAKE_UNITY_BUILD=OFF -DTIDEGATE_TESTS=OFF -DCCACHE=OFF >build/gcc-alone/configure.log 2>&1 ||
        { tail -30 build/gcc-alone/configure.log; return 1; }
    headers_hash=$(find src -name '*.h' -print0 | sort -z | xargs -0 cat | sha256sum | cut -c1-24)
    say "lint: GCC over $(find src -name '*.cpp' | wc -l) sources, each by itself"
    export -f gcc_alone_one
    jq -j --arg src "$PWD/src/" '.[] | select((.file | startswith($src)) and (.file | endswith(".cpp"))) | "\(.file)\u0000\(.command)\u0000"' \
        build/gcc-alone/compile_commands.json |
        xargs -r -0 -n 2 -P "$(jobs)" bash -c 'gcc_alone_one "$2" "$3" "$1"' _ "$headers_hash"
}

lint() {
    local status=0
    lint_format "$@" || status=1
    lint_tidy "$@" || status=1
    if [ $status -eq 0 ]; then say "lint: clean"; else say "lint: see above"; fi
    return $status
}
