# ./dev test: every gate, counted case by case; the last line is `N passed, N failed`.
#
# A case is one GoogleTest case or one source check. A build that fails, a program that crashes, runs out of time or
# fails outside its cases (a leak found at its end) counts as one failure each.

passed=0
failed=0
skipped=0
failures=()
unsteady=()

count_pass() { passed=$((passed + ${1:-1})); }
count_fail() {
    failed=$((failed + 1))
    failures+=("$1")
    say "FAILED: $1"
}

# Runs one gate that is a single case: gate NAME COMMAND...
gate() {
    local name=$1 started=$SECONDS
    shift
    if "$@"; then
        count_pass
        say "$name: passed ($((SECONDS - started)) s)"
    else
        count_fail "$name"
        return 1
    fi
}

# in_time NAME SECONDS COMMAND...: what takes SECONDS on two cores. Where DEV_TEST_SECONDS bounds the whole run (.ci/run) and so much
# is not left, it is left out, said and counted as skipped, so that the rest still has its verdict.
in_time() {
    local name=$1 needs=$2
    shift 2
    if [ -n "${DEV_TEST_SECONDS:-}" ] && [ $((SECONDS + needs)) -gt "$DEV_TEST_SECONDS" ]; then
        skipped=$((skipped + 1))
        say "test: $name is SKIPPED: it takes $needs s, and $((DEV_TEST_SECONDS - SECONDS)) s are left of $DEV_TEST_SECONDS"
        return
    fi
    "$@"
}

# The long gates whose turn changes with the commit, so that where time is short each of them has its turn.
long_gates() {
    local turn i names=(clang-tidy threads gcc)
    turn=$((16#$(git rev-parse --short=4 HEAD 2>/dev/null || printf 0)))
    for ((i = 0; i < 3; ++i)); do
        case ${names[$(((turn + i) % 3))]} in
            clang-tidy) in_time "clang-tidy" 720 gate "clang-tidy" lint_tidy || true ;;
            threads) in_time "the ThreadSanitizer" 1200 labelled tsan threads ;;
            gcc) in_time "GCC" 720 gate "GCC takes each source by itself" gcc_alone || true ;;
        esac
    done
}

# timed NAME COMMAND...: what counts its own cases, with its seconds at the end.
timed() {
    local name=$1 started=$SECONDS
    shift
    "$@"
    say "$name took $((SECONDS - started)) s"
}

# The names ctest knows under a label; NAME is built by the target test_NAME.
tests_labelled() {
    ctest --test-dir "build/$1" -N -L "^$2\$" 2>/dev/null | sed -n 's/^ *Test *#[0-9]*: //p'
}

# Adds up one program's JSON; prints "PASSED FAILED SKIPPED" and, on the lines after, the failed cases.
count_json() {
    jq -r '[.testsuites[].testsuite[]]
        | ([.[] | select(.result == "COMPLETED" and (.failures // [] | length) == 0)] | length) as $passed
        | ([.[] | select((.failures // [] | length) > 0)]) as $failed
        | ([.[] | select(.result == "SKIPPED" or .result == "SUPPRESSED" or .status == "NOTRUN")] | length) as $skipped
        | "\($passed) \($failed | length) \($skipped)", ($failed[] | "\(.classname).\(.name)")' "$1"
}

# second_look PRESET NAME LOG: a program some of whose cases failed is run once more, alone, with the same bounds: most of them start
# servers and wait for them, and a machine may stall for seconds. It is told at the end as unsteady. What a sanitizer reported, a
# crash and a program out of time are never looked at twice.
second_look() {
    local preset=$1 name=$2 log=$3
    grep -qE 'Sanitizer|runtime error:' "$log" && return 1
    say "test: $preset: $name failed; once more, alone"
    if [ "$preset" = release ]; then
        run_with_release "$name"
    else
        ctest --test-dir "build/$preset" --output-on-failure -R "^$name\$"
    fi
}

# count_program PRESET NAME STATUS LOG: by the cases it left, else as one case. STATUS: run, fail or disabled; LOG: what it wrote.
count_program() {
    local preset=$1 name=$2 status=$3 log=$4 json counts p f s
    json="build/$preset/test-results/$name.json"
    if [ ! -s "$json" ] || ! counts=$(count_json "$json" 2>/dev/null); then
        case $status in
            run) count_pass ;;
            disabled) skipped=$((skipped + 1)) ;;
            *) count_fail "$preset: $name (crashed, ran out of time, or did not start)" ;;
        esac
        return
    fi
    read -r p f s <<<"$counts"
    count_pass "$p"
    skipped=$((skipped + s))
    if [ "$f" -gt 0 ] && second_look "$preset" "$name" "$log"; then
        count_pass "$f"
        unsteady+=("$preset: $name: $(tail -n +2 <<<"$counts" | paste -sd' ')")
    elif [ "$f" -gt 0 ]; then
        while read -r case_name; do count_fail "$preset: $name: $case_name"; done < <(tail -n +2 <<<"$counts")
    elif [ "$status" != run ]; then
        count_fail "$preset: $name (its cases passed; the program failed: a sanitizer's report or a crash at its end)"
    fi
}

# count_results PRESET JUNIT: every program ctest ran.
count_results() {
    local preset=$1 junit=$2 name status log
    log="build/$preset/test-results/last.log"
    while read -r name status; do
        awk -v name="$name" 'index($0, "<testcase name=\"" name "\"") { inside = 1 } inside { print } /<\/testcase>/ { inside = 0 }' "$junit" >"$log"
        count_program "$preset" "$name" "$status" "$log"
    done < <(sed -n 's/.*<testcase name="\([^"]*\)".* status="\([^"]*\)".*/\1 \2/p' "$junit")
}

# run_ctest PRESET [CTEST ARGUMENTS...]
run_ctest() {
    local preset=$1 started=$SECONDS
    shift
    local junit="$PWD/build/$preset/test-results.xml"
    rm -rf "build/$preset/test-results" "$junit"
    mkdir -p "build/$preset/test-results"
    say "test: $preset"
    ctest --test-dir "build/$preset" --output-on-failure --no-tests=error --output-junit "$junit" "$@" || true
    if [ ! -s "$junit" ]; then
        count_fail "$preset: ctest did not run"
        return
    fi
    count_results "$preset" "$junit"
    say "test: $preset took $((SECONDS - started)) s"
}

source_checks() {
    local line
    build_preset debug tidegate_tidy || { count_fail "build of tools/tidy"; return; }
    while IFS= read -r line; do
        case $line in
            'ok '*) count_pass ;;
            'not ok '*) count_fail "tidy: ${line#not ok }" ;;
            *) printf '%s\n' "$line" ;;
        esac
    done < <("$(find build/debug -type f -name tidegate_tidy -perm -u+x | head -1)" "$PWD" 2>&1 || true)
}

headers_alone() { cmake --preset debug >build/debug/configure.log 2>&1 && build_preset debug headers_alone; }

# Of the tests of the whole program only those that hang on speed, on crashes and on their timing: the rest is the same code at -O1.
release_programs=(system_first_light system_crash system_speech_crash system_cluster system_load system_night system_content_import system_profile)

# run_with_release NAME: the test program of the debug build against the release server.
run_with_release() {
    local name=$1 program folder
    program=$(find "$PWD/build/debug/tests" -type f -name "test_$name" -perm -u+x | head -1)
    [ -n "$program" ] || { printf 'there is no program test_%s\n' "$name"; return 1; }
    folder=$(dirname "$program")
    rm -f "build/release/test-results/$name.json"
    TIDEGATE_SOURCE_DIR=$PWD TIDEGATE_BINARY=$PWD/build/release/tidegate GTEST_OUTPUT="json:$PWD/build/release/test-results/$name.json" \
        timeout --kill-after=10 600 env -C "$folder" "$program" --gtest_color=no
}

release_tests() {
    local name status log
    rm -rf build/release/test-results
    mkdir -p build/release/test-results
    for name in "${release_programs[@]}"; do
        log="build/release/test-results/$name.log"
        status=run
        run_with_release "$name" >"$log" 2>&1 || status=fail
        if [ "$status" = fail ]; then
            printf '%s\n' "---- $name against the release server:"
            grep -vE '^\[ +(RUN|OK) ' "$log" | tail -60
        fi
        count_program release "$name" "$status" "$log"
    done
}

# labelled PRESET LABEL [TARGET...]: builds and runs the tests under a label.
labelled() {
    local preset=$1 label=$2 names
    shift 2
    configure "$preset" || { count_fail "configure $preset"; return; }
    mapfile -t names < <(tests_labelled "$preset" "$label")
    if [ "${#names[@]}" -eq 0 ]; then
        count_fail "$preset: no test carries the label $label"
        return
    fi
    gate "build $preset" build_preset "$preset" "${names[@]/#/test_}" "$@" || return 0
    run_ctest "$preset" -L "^$label\$"
}

size_is_small() {
    local bytes
    bytes=$(stat -c %s build/release/tidegate) || return 1
    say "test: build/release/tidegate has $bytes bytes"
    [ "$bytes" -lt 25000000 ] && [ -s build/release/tidegate.debug ] && ! readelf -S build/release/tidegate | grep -q '\.debug_info'
}

# In a shell of its own: run_server ends the shell when something is wrong.
first_run() {
    local port=18231
    (set -e; run_server --check --port "$port" --data-dir build/run-check)
}

# 150 required and 72 optimal tests of the suite: more than any product measured (docs/benchmarks.md).
cache_conformance() {
    need_node && tests/cache_conformance/run.sh build/release/tidegate build/cache-conformance --floor 150,72 >build/cache-conformance.log 2>&1 ||
        { tail -25 build/cache-conformance.log; return 1; }
    say "test: cache conformance: $(grep -E '^(required|optimal) ' build/cache-conformance.log | paste -sd' ')"
}

# The web application in a real browser; every check is a case. Without Chromium or npm's registry it is skipped, and said.
dashboard_in_chromium() {
    local log=build/dashboard-test.log status=0 line
    if ! command -v chromium >/dev/null 2>&1; then
        say "test: installing chromium for the dashboard"
        as_root apt-get install -y -q --no-install-recommends chromium >build/chromium.log 2>&1 </dev/null || true
    fi
    if ! command -v chromium >/dev/null 2>&1 || ! need_node || [ ! -s build/web/dashboard.pack ]; then
        skipped=$((skipped + 1))
        say "test: the dashboard is SKIPPED: Chromium or npm is not to be had"
        return
    fi
    tests/dashboard/run.sh build/release/tidegate build/dashboard-test >"$log" 2>&1 || status=$?
    if [ "$status" -eq 77 ]; then
        skipped=$((skipped + 1))
        say "test: the dashboard is SKIPPED: its npm packages cannot be fetched"
        return
    fi
    while IFS= read -r line; do
        case $line in
            'ok '*) count_pass ;;
            'not ok '*) count_fail "dashboard: ${line#not ok }" ;;
        esac
    done <"$log"
    if [ "$status" -ne 0 ] && ! grep -q '^not ok ' "$log"; then
        tail -15 "$log"
        count_fail "dashboard (its test did not end as it should)"
    fi
    say "test: dashboard: $(grep -c '^ok ' "$log") checks passed; pictures in build/dashboard-test/pictures"
}

# lines_of NAME COMMAND...: a script that prints `ok ...` and `not ok ...` lines; every line is a case. 77: skipped, its last line says why.
lines_of() {
    local name=$1 log=build/test-lines.log status=0 line
    shift
    "$@" >"$log" 2>&1 || status=$?
    if [ "$status" -eq 77 ]; then
        skipped=$((skipped + 1))
        say "test: $name is SKIPPED: $(tail -1 "$log")"
        return
    fi
    while IFS= read -r line; do
        case $line in
            'ok '*) count_pass ;;
            'not ok '*) count_fail "$name: ${line#not ok }" ;;
        esac
    done <"$log"
    if [ "$status" -ne 0 ]; then
        tail -30 "$log"
        if ! grep -q '^not ok ' "$log"; then count_fail "$name (its test did not end as it should)"; fi
    fi
    say "test: $name: $(grep -c '^ok ' "$log") checks passed"
}

# What deploy/ holds: files against their schemas, the package in a clean Debian 12.
deployment() {
    lines_of "the files of deploy/" tests/deploy/run.sh build/release/tidegate build/deploy-test
    if gate "the Debian packages" make_packages build/release "$PWD/build/release/packages"; then
        lines_of "the Debian package" tests/deploy/deb_test.sh build/release/packages build/deploy-test
    fi
}

# The example in front of the real uvicorn. Without its Python packages (no way to the package index) it is skipped, and said.
front_fastapi() {
    if ! example_venv build/example-venv; then
        skipped=$((skipped + 1))
        say "test: the FastAPI example is SKIPPED: its Python packages cannot be installed"
        return
    fi
    gate "the FastAPI example behind the gate" tests/examples/front_fastapi.py build/release/tidegate build/example-venv --table 2 || true
}

verdict() {
    if [ "$failed" -gt 0 ]; then
        printf '\nFailed:\n'
        printf '  %s\n' "${failures[@]}"
    fi
    if [ "${#unsteady[@]}" -gt 0 ]; then
        printf '\nUnsteady (failed beside others, passed when run again alone; mend them):\n'
        printf '  %s\n' "${unsteady[@]}"
    fi
    printf '\n'
    if [ "$skipped" -gt 0 ]; then
        printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    else
        printf '%d passed, %d failed\n' "$passed" "$failed"
    fi
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

test_one() {
    local name=$1 filter=${2:-*}
    gate "build of test_$name" build_preset debug "test_$name" || { verdict; return; }
    GTEST_FILTER="$filter" run_ctest debug -R "^$name\$"
    verdict
}

run_tests() {
    local quick=no
    if [ "${1:-}" = --quick ]; then
        quick=yes
        shift
    fi
    if [ $# -gt 0 ]; then
        test_one "$@"
        return
    fi
    # What is quick and tells most comes first; each says its seconds.
    gate "clang-format" lint_format || true
    timed "source checks" source_checks
    # Two programs at a time: some of them start servers and time what they answer.
    if gate "build debug" build_preset debug; then run_ctest debug -j "$(jobs)" -E '^tidy$'; fi
    if [ "$quick" = no ]; then
        if gate "build release" build_preset release tidegate; then
            timed "tests against the release server" release_tests
            gate "cache conformance" cache_conformance || true
            timed "the FastAPI example" front_fastapi
            timed "the dashboard" dashboard_in_chromium
            timed "deployment" deployment
            gate "the program is stripped and under 25 MB" size_is_small || true
            gate "docs/ is what the program says (./dev docs)" docs_are_current || true
            gate "dev run" first_run || true
        fi
        in_time "headers alone" 90 gate "headers compile alone" headers_alone || true
        long_gates
    fi
    verdict
}
