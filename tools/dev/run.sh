# ./dev run [--check] [--example] [--port N] [--data-dir DIR]: the release server on its defaults, and a first question to it;
# with --example in front of the FastAPI service of examples/front-a-fastapi-service, started for it.

# A Python environment with what the example's service needs, made once: example_venv FOLDER.
example_venv() {
    local folder=$1 wanted=examples/front-a-fastapi-service/requirements.txt
    if [ -x "$folder/bin/uvicorn" ] && cmp -s "$wanted" "$folder/installed.txt"; then return; fi
    rm -rf "$folder"
    if ! python3 -m venv "$folder" >/dev/null 2>&1; then
        rm -rf "$folder"
        say "installing python3-venv for the example's service"
        as_root apt-get install -y -q --no-install-recommends python3-venv >build/python.log 2>&1 </dev/null && python3 -m venv "$folder" ||
            { tail -5 build/python.log; return 1; }
    fi
    "$folder/bin/pip" install -q --disable-pip-version-check -r "$wanted" >build/python.log 2>&1 || { tail -5 build/python.log; return 1; }
    cp "$wanted" "$folder/installed.txt"
}

# start_example_service: uvicorn on the port that the example's settings name; its pid in $service.
start_example_service() {
    trap 'kill -TERM $service 2>/dev/null || true' EXIT
    example_venv build/example-venv || die "the example's service cannot be installed"
    if (exec 3<>/dev/tcp/127.0.0.1/9000) 2>/dev/null; then die "port 9000, which the example's settings name, is taken"; fi
    build/example-venv/bin/uvicorn --app-dir examples/front-a-fastapi-service app:app --port 9000 --no-access-log >build/example.log 2>&1 </dev/null &
    service=$!
    curl -fsS -o /dev/null --retry 100 --retry-delay 1 --retry-max-time 30 --retry-all-errors http://127.0.0.1:9000/stations/1 2>/dev/null ||
        die "the example's service does not answer; see build/example.log"
}

# Two equal questions through the gateway: the service answers the first, the cache the second.
ask_example() {
    local url=$1 question n
    question='{"rainfall_mm": 120, "river_stage_m": 1.4, "soil_moisture": 0.7}'
    say "run: two equal questions to the FastAPI service behind Tidegate"
    printf "\n$ curl -i %s/predict -H 'Content-Type: application/json' -d '%s'\n\n" "$url" "$question"
    for n in 1 2; do
        curl -sS -i --fail-with-body --max-time 20 "$url/predict" -H 'Content-Type: application/json' -d "$question" |
            tr -d '\r' | grep -iE '^(HTTP|X-Cache|Cache-Status|X-Spend|RateLimit:|\{)' || die "the service behind Tidegate does not answer"
        printf '\n'
    done
    printf '  the upstream, its breaker   %s/health\n' "$url"
    printf '  before and after, measured  tests/examples/front_fastapi.py build/release/tidegate build/example-venv --table 3\n'
}

# The receipt of the first answer, and the whole record, checked by the independent verifier: prove_first_answer URL DATA.
prove_first_answer() {
    local url=$1 data=$2 id
    id=$(jq -r .analysis_id build/first_answer.json)
    say "run: the proof that this answer is in the record, checked without the server"
    # A checkpoint is signed within a second of the record.
    curl -fsS --max-time 20 --retry 5 --retry-delay 1 --retry-all-errors "$url/api/compliance/receipt/$id" -o build/first_receipt.txt 2>/dev/null ||
        die "the receipt of the first answer cannot be had"
    printf "\n$ curl -s %s/api/compliance/receipt/%s >build/first_receipt.txt\n" "$url" "$id"
    printf "$ build/release/tidegate audit receipt build/first_receipt.txt --key %s/checkpoint.key.pub\n" "$data"
    build/release/tidegate audit receipt build/first_receipt.txt --key "$data/checkpoint.key.pub" 2>&1 >/dev/null | sed 's/^/  /' ||
        die "the receipt does not hold"
    printf "$ build/release/tidegate audit verify %s/audit --key %s/checkpoint.key.pub\n" "$data" "$data"
    build/release/tidegate audit verify "$data/audit" --key "$data/checkpoint.key.pub" | sed 's/^/  /' || die "the record does not verify"
    printf '\n'
}

run_server() {
    local check=no example=no port=8000 data=data service="" options=()
    while [ $# -gt 0 ]; do
        case $1 in
            --check) check=yes ;;
            --example) example=yes; options=(--config examples/front-a-fastapi-service/tidegate.yaml) ;;
            --port) port=${2:?--port needs a number}; shift ;;
            --data-dir) data=${2:?--data-dir needs a folder}; shift ;;
            *) die "run takes --check, --example, --port N and --data-dir DIR, not $1" ;;
        esac
        shift
    done
    build_preset release tidegate || die "the server does not build"
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        die "port $port is taken by another program; stop it or choose another: ./dev run --port 8001"
    fi
    mkdir -p build
    local log=build/run.log url="http://127.0.0.1:$port" server
    if [ "$example" = yes ]; then start_example_service; fi
    say "run: build/release/tidegate serve ${options[*]} --port $port --data-dir $data (log in $log)"
    build/release/tidegate serve "${options[@]}" --port "$port" --data-dir "$data" >"$log" 2>&1 </dev/null &
    server=$!
    # shellcheck disable=SC2064
    trap "kill -TERM $server $service 2>/dev/null; wait $server $service 2>/dev/null || true" EXIT
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
    printf '\n'
    prove_first_answer "$url" "$data"
    printf '  the whole answer            build/first_answer.json\n'
    printf '  the routes, with examples   %s/docs\n' "$url"
    printf '  what was decided            %s/api/v1/analyze/history\n' "$url"
    printf '  statistics, exact           %s/api/compliance/statistics\n' "$url"
    printf '  drift                       %s/api/drift/report?format=html\n' "$url"
    printf '  metrics for Prometheus      %s/metrics\n' "$url"
    printf '  the record                  %s\n\n' "$data"
    if [ "$example" = yes ]; then ask_example "$url"; fi
    if [ "$check" = yes ]; then
        curl -fsS -o /dev/null --max-time 5 "$url/api/v1/analyze/history" || die "the history does not answer"
        curl -fsS -o /dev/null --max-time 5 "$url/metrics" || die "the metrics do not answer"
        if [ -n "$service" ]; then kill -TERM "$service"; fi
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
