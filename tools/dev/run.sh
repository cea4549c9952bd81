# ./dev run [--check] [--port N] [--data-dir DIR]: the release server on its defaults, and a first question to it.

run_server() {
    local check=no port=8000 data=data
    while [ $# -gt 0 ]; do
        case $1 in
            --check) check=yes ;;
            --port) port=${2:?--port needs a number}; shift ;;
            --data-dir) data=${2:?--data-dir needs a folder}; shift ;;
            *) die "run takes --check, --port N and --data-dir DIR, not $1" ;;
        esac
        shift
    done
    build_preset release tidegate || die "the server does not build"
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        die "port $port is taken by another program; stop it or choose another: ./dev run --port 8001"
    fi
    mkdir -p build
    local log=build/run.log url="http://127.0.0.1:$port" server
    say "run: build/release/tidegate serve --port $port --data-dir $data (log in $log)"
    build/release/tidegate serve --port "$port" --data-dir "$data" >"$log" 2>&1 </dev/null &
    server=$!
    # shellcheck disable=SC2064
    trap "kill -TERM $server 2>/dev/null; wait $server 2>/dev/null || true" EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    local tries=0
    until curl -fsS -o /dev/null --max-time 2 "$url/ready" 2>/dev/null; do
        if ! kill -0 "$server" 2>/dev/null; then
            tail -20 "$log" >&2
            die "the server ended before it was ready"
        fi
        tries=$((tries + 1))
        # A cold start takes well under a second; 30 s allow for a machine that is busy building.
        if [ "$tries" -ge 300 ]; then die "the server is not ready after 30 s; see $log"; fi
        sleep 0.1
    done
    say "run: the server is ready; a first question: was this text written by a machine?"
    local question="curl -s $url/api/v1/detect/text -H 'Content-Type: application/json' -d @tools/dev/first_request.json"
    printf "\n$ %s | jq 'del(.signals, .segments)'\n" "$question"
    curl -sS --fail-with-body --max-time 20 "$url/api/v1/detect/text" -H 'Content-Type: application/json' \
        -d @tools/dev/first_request.json >build/first_answer.json || {
        cat build/first_answer.json >&2
        die "the first question failed"
    }
    jq 'del(.signals, .segments)' build/first_answer.json
    printf '\n  the whole answer            build/first_answer.json\n'
    printf '  the routes, with examples   %s/docs\n' "$url"
    printf '  what was decided            %s/api/v1/analyze/history\n' "$url"
    printf '  metrics for Prometheus      %s/metrics\n' "$url"
    printf '  the record                  %s\n\n' "$data"
    if [ "$check" = yes ]; then
        curl -fsS -o /dev/null --max-time 5 "$url/api/v1/analyze/history" || die "the history does not answer"
        curl -fsS -o /dev/null --max-time 5 "$url/metrics" || die "the metrics do not answer"
        kill -TERM "$server"
        local status=0
        wait "$server" || status=$?
        trap - EXIT
        [ "$status" -eq 0 ] || die "the server ended with status $status"
        say "run: checked and stopped"
        return
    fi
    say "run: the server stays until Ctrl-C"
    wait "$server" || true
}
