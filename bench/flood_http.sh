#!/usr/bin/env bash
# flood_http: requests/s of single uncached flood scores, and how long a batch of 500 places takes. One server core (its loop and its one
# CPU thread together), one client core. Writes bench/results/flood_http.json.
#
# Needs wrk and jq. Run it as: BINARY=build/release/tidegate bench/flood_http.sh
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${BINARY:-build/release/tidegate}
[ -x "$binary" ] || { echo "build the release preset first: ./dev build release" >&2; exit 2; }
for tool in wrk jq; do command -v "$tool" >/dev/null || { echo "$tool is missing: ./dev setup --bench" >&2; exit 2; }; done
work=$(mktemp -d)
server=
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$work"' EXIT

start_server() {  # ARGUMENTS...
  rm -rf "$work/data"; mkdir "$work/data"
  taskset -c 0 "$binary" serve --port 0 --data-dir "$work/data" --server.loops 1 --pools.cpu_threads 1 --pipeline.access_log=false \
    --flood.batch_items_max=500 --flood.cache_ttl_risk_s=0 --flood.cache_ttl_batch_s=0 "$@" 2> "$work/log" &
  server=$!
  for _ in $(seq 1000); do
    port=$(sed -n 's/.*"event":"listening".*"port":\([0-9]*\).*/\1/p' "$work/log")
    [ -n "$port" ] && return
    sleep 0.01
  done
  cat "$work/log" >&2; exit 1
}
stop_server() { kill "$server"; wait "$server" 2>/dev/null || true; server=; }
load() { BATCH=$1 taskset -c 1 wrk -t 1 -c "$2" -d "$3" -s bench/flood_http.lua "http://127.0.0.1:$port" | tail -n 1; }

results=()
for durability in disk process; do
  start_server --audit.durability "$durability"
  load 0 16 1 > /dev/null  # Warm-up.
  for connections in 1 16 64 256; do
    line=$(load 0 "$connections" 4)
    results+=("$(jq -c --arg d "$durability" --argjson c "$connections" '{places: 1, durability: $d, connections: $c} + .' <<< "$line")")
    echo "one place, $durability, $connections connections: $line" >&2
  done
  line=$(load 500 1 4)
  results+=("$(jq -c --arg d "$durability" '{places: 500, durability: $d, connections: 1} + .' <<< "$line")")
  echo "500 places, $durability: $line" >&2
  stop_server
done
mkdir -p bench/results
jq -n --arg date "$(date -u +%FT%TZ)" --arg cpu "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" --arg cores "$(nproc)" \
  --arg load "$(cut -d' ' -f1 /proc/loadavg)" --slurpfile runs <(printf '%s\n' "${results[@]}") \
  '{benchmark: "flood_http", date: $date, machine: {cpu: $cpu, cores: ($cores | tonumber), load_average: ($load | tonumber)},
    command: "bench/flood_http.sh", runs: $runs}' > bench/results/flood_http.json
