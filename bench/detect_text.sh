#!/usr/bin/env bash
# detect_text: requests/s and latency of POST /api/v1/detect/text with real texts of 2 KB and 50,000 characters, memory at
# rest and time from exec to the first answer. One server core, one client core. Writes bench/results/detect_text.json.
#
# Needs wrk, jq, curl and ../shared/data/text/dev (the texts). Run it as: ./dev bench detect_text
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${BINARY:-build/release/tidegate}
data=../shared/data/text/dev/dev.jsonl
[ -x "$binary" ] || { echo "build the release preset first: ./dev build release" >&2; exit 2; }
[ -r "$data" ] || { echo "the texts are absent: $data" >&2; exit 2; }
for tool in wrk jq curl; do command -v "$tool" >/dev/null || { echo "$tool is missing: ./dev setup --bench" >&2; exit 2; }; done

work=$(mktemp -d)
server=
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$work"' EXIT

# Texts cut to exactly 2,000 bytes where that is a character's border; the long one is texts joined up to 50,000 characters.
jq -c 'select((.text | utf8bytelength) >= 2000) | {text: .text[0:2000]} | select((.text | utf8bytelength) <= 2060)' "$data" | sed -n '1,400p' > "$work/2kb"
jq -sc '[.[].text] | join(" ") | {text: .[0:50000]}' "$data" > "$work/50k"

start_server() {  # ARGUMENTS...
  rm -rf "$work/data"; mkdir "$work/data"
  began=$(date +%s%N)
  taskset -c 0 "$binary" serve --port 0 --data-dir "$work/data" --server.loops 1 --pools.cpu_threads 1 --pipeline.access_log=false --provenance.cache_ttl_s=0 "$@" 2> "$work/log" &
  server=$!
  for _ in $(seq 500); do
    port=$(sed -n 's/.*"event":"listening".*"port":\([0-9]*\).*/\1/p' "$work/log")
    [ -n "$port" ] && break
    sleep 0.01
  done
}
stop_server() { kill "$server"; wait "$server" 2>/dev/null || true; server=; }

first_answer() {  # Milliseconds from exec to a whole answer, polled every 2 ms.
  local best= took from
  for _ in 1 2 3 4 5; do
    rm -rf "$work/cold"; mkdir "$work/cold"
    local from; from=$(date +%s%N)
    taskset -c 0 "$binary" serve --port 18431 --data-dir "$work/cold" 2> /dev/null &
    server=$!
    until taskset -c 1 curl -sf -o /dev/null -H 'Content-Type: application/json' -d @"$work/one" http://127.0.0.1:18431/api/v1/detect/text; do sleep 0.002; done
    local took=$(( ($(date +%s%N) - from) / 1000 ))
    stop_server
    { [ -z "$best" ] || [ "$took" -lt "$best" ]; } && best=$took
    echo "$took"
  done
}
head -n 1 "$work/2kb" > "$work/one"
cold=$(first_answer | jq -sc 'sort | {runs_ms: map(. / 1000), median_ms: (.[2] / 1000)}')

load() {  # BODIES CONNECTIONS SECONDS
  BODIES=$1 taskset -c 1 wrk -t 1 -c "$2" -d "$3" -s bench/detect_text.lua "http://127.0.0.1:$port" | tail -n 1
}
resident_kb() { awk '/^VmRSS/ {print $2}' "/proc/$server/status"; }

results=()
for durability in disk process; do
  start_server --audit.durability "$durability"
  rest_kb=$(resident_kb)
  load "$work/2kb" 4 2 > /dev/null  # Warm-up.
  for connections in 1 2 4 16 64; do
    line=$(load "$work/2kb" "$connections" 4)
    results+=("$(jq -c --arg d "$durability" --argjson c "$connections" '{text: "2 KB", durability: $d, connections: $c} + .' <<< "$line")")
    echo "2 KB, $durability, $connections connections: $line" >&2
  done
  line=$(load "$work/50k" 1 4)
  results+=("$(jq -c --arg d "$durability" '{text: "50,000 characters", durability: $d, connections: 1} + .' <<< "$line")")
  echo "50,000 characters, $durability: $line" >&2
  loaded_kb=$(resident_kb)
  stop_server
done

mkdir -p bench/results
jq -n --arg date "$(date -u +%FT%TZ)" --arg cpu "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" --arg cores "$(nproc)" \
  --argjson cold "$cold" --argjson rest "$rest_kb" --argjson loaded "$loaded_kb" --slurpfile runs <(printf '%s\n' "${results[@]}") \
  '{benchmark: "detect_text", date: $date, machine: {cpu: $cpu, cores: ($cores | tonumber)},
    command: "./dev bench detect_text", cold_start_to_first_answer: $cold,
    resident_at_rest_mb: ($rest / 1024), resident_after_load_mb: ($loaded / 1024), runs: $runs}' > bench/results/detect_text.json
jq -r '"cold start to first answer: \(.cold_start_to_first_answer.median_ms) ms; at rest \(.resident_at_rest_mb) MB"' bench/results/detect_text.json
