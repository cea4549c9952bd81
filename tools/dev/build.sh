# ./dev build, docs, bench, fuzz, eval: a thin face on the CMake presets.

# Two gigabytes are what the heaviest translation unit takes under the sanitizers.
jobs() {
    local cores memory_gb
    cores=$(nproc)
    memory_gb=$(awk '/MemAvailable/ {print int($2 / 1048576 / 2)}' /proc/meminfo)
    if [ "$memory_gb" -lt 1 ]; then memory_gb=1; fi
    echo $((cores < memory_gb ? cores : memory_gb))
}

configure() {
    local preset=$1
    if [ ! -e "build/$preset/build.ninja" ] || [ CMakePresets.json -nt "build/$preset/build.ninja" ]; then
        say "configure: build/$preset"
        mkdir -p "build/$preset"
        cmake --preset "$preset" >"build/$preset/configure.log" 2>&1 || { tail -30 "build/$preset/configure.log" >&2; return 1; }
    fi
}

# build_preset PRESET [TARGET...]
build_preset() {
    local preset=$1
    shift
    build_web || return 1
    configure "$preset" || return 1
    say "build: $preset ${*:-everything}"
    ninja -C "build/$preset" -j "$(jobs)" "$@" || return 1
}

build() {
    local preset=${1:-debug}
    shift || true
    case $preset in
        debug | release | tsan | fuzz | coverage | gcc) ;;
        *) die "unknown preset $preset: debug, release, tsan, fuzz, coverage or gcc" ;;
    esac
    if [ "$preset" = release ] && [ $# -eq 0 ]; then set -- tidegate; fi
    build_preset "$preset" "$@" || die "the build failed"
    if [ "$preset" = release ]; then say "build: the server is build/release/tidegate"; fi
}

make_docs() {
    build/release/tidegate config reference >build/settings.md && build/release/tidegate openapi | jq . >build/openapi.json
}

docs_are_current() { make_docs && cmp build/settings.md docs/settings.md && cmp build/openapi.json docs/openapi.json; }

docs() {
    build_preset release tidegate || die "the server does not build"
    make_docs || die "the server does not write its reference"
    local name
    for name in settings.md openapi.json; do
        if cmp -s "build/$name" "docs/$name"; then
            say "docs: docs/$name is up to date"
        else
            cp "build/$name" "docs/$name"
            say "docs: docs/$name is written anew"
        fi
    done
}

bench() {
    local name=${1:-}
    local known
    known=$(find bench -maxdepth 1 \( -name '*.sh' -o -name '*_bench.cpp' \) -printf '%f\n' |
        sed -e 's/\.sh$//' -e 's/_bench\.cpp$//' | sort -u | tr '\n' ' ')
    [ -n "$name" ] || die "bench needs a name: $known"
    shift
    if [ -e "bench/$name.sh" ]; then
        build_preset release tidegate || die "the server does not build"
        # This one measures any server; without a word it measures ours, on one loop.
        if [ "$name" = http_live ] && [ $# -eq 0 ]; then
            set -- "build/release/tidegate serve --port {port} --data-dir build/bench-data --server.loops 1 --pools.cpu_threads 1 --pipeline.access_log=false"
        fi
        exec bash "bench/$name.sh" "$@"
    fi
    [ -e "bench/${name}_bench.cpp" ] || die "no benchmark $name; there are: $known"
    build_preset release "bench_$name" || die "the benchmark does not build"
    exec "$(find build/release -type f -name "bench_$name" | head -1)" "$@"
}

fuzz() {
    local target=${1:-} seconds=${2:-60}
    local known
    known=$(find tests/fuzz -maxdepth 1 -name 'fuzz_*.cpp' -printf '%f\n' 2>/dev/null |
        sed -e 's/^fuzz_//' -e 's/\.cpp$//' | sort | tr '\n' ' ')
    [ -e "tests/fuzz/fuzz_$target.cpp" ] || die "no fuzz target '$target'; there are: $known"
    case $seconds in '' | *[!0-9]*) die "fuzz TARGET SECONDS: $seconds is not a number of seconds" ;; esac
    build_preset fuzz "fuzz_$target" || die "the fuzz target does not build"
    mkdir -p "build/fuzz-corpus/$target"
    say "fuzz: $target for $seconds s; new inputs go to build/fuzz-corpus/$target, a crash to build/fuzz-$target-*"
    local seeds=()
    if [ -d "tests/fuzz/seeds/$target" ]; then seeds=("tests/fuzz/seeds/$target"); fi
    "$(find build/fuzz -type f -name "fuzz_$target" | head -1)" "build/fuzz-corpus/$target" "${seeds[@]}" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="build/fuzz-$target-"
}

evaluate() {
    local name=${1:-}
    [ -n "$name" ] || die "eval needs a name, such as: text"
    shift
    build_preset release tidegate || die "the program does not build"
    if [ $# -eq 0 ]; then
        local data=../shared/data/$name/dev
        [ -d "$data" ] || die "no data at $data; name a folder: ./dev eval $name --data PATH"
        set -- --data "$data"
    fi
    exec build/release/tidegate eval "$name" "$@"
}
