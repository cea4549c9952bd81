#!/usr/bin/env bash
# load_vs_wrk: `tidegate load` beside wrk on one target: requests a second, and CPU of the generator for each request. The same request, connections and
# time; one thread each on core 1, the server on core 0; pairs in alternating order. Writes bench/results/load_vs_wrk.json; fails over 5 %.
#
# Use    BINARY=... bench/load_vs_wrk.sh [PAIRS] [SECONDS]       TARGET=statistics (the default), tidegate (/live) or nginx
#        Only a target that is slower than both tools compares what they measure; with nginx or /live the generator's own core is the limit.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${BINARY:-build/release/tidegate}
pairs=${1:-7}
seconds=${2:-4}
target=${TARGET:-statistics}
out=${OUT:-bench/results/load_vs_wrk.json}
port=18495
for tool in wrk nginx curl python3; do command -v "$tool" >/dev/null || { echo "$tool is missing: ./dev setup --bench" >&2; exit 2; }; done
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

python3 bench/load_place.py "$work" 18496 "$port"
if [ "$target" = nginx ]; then
  path=/stations/1
  taskset -c 0 nginx -p "$work" -c "$work/nginx.conf" 2>/dev/null &
else
  path=/live
  [ "$target" = tidegate ] || path=/api/compliance/statistics
  taskset -c 0 "$binary" serve --port "$port" --data-dir "$work/data" --server.loops 1 --pipeline.access_log=false >"$work/log" 2>&1 &
fi
server=$!
for _ in $(seq 200); do curl -sf -o /dev/null "http://127.0.0.1:$port$path" && break; sleep 0.1; done

run_wrk() {  # requests a second, CPU us a request
  local TIMEFORMAT='%3U %3S'
  { time taskset -c 1 wrk -t1 "-c$1" "-d${seconds}s" -H 'User-Agent: tidegate-load' "http://127.0.0.1:$port$path" >"$work/wrk"; } 2>"$work/time"
  awk -v cpu="$(awk '{print ($1 + $2) * 1e6}' "$work/time")" '/requests in/ {n = $1} /Requests\/sec/ {r = $2} /Non-2xx|Socket errors/ {bad = 1} END {if (bad || !n) exit 1; print r, cpu / n}' "$work/wrk"
}
run_ours() {
  taskset -c 1 "$binary" load normal --target "http://127.0.0.1:$port" --call "GET $path" --mix call --users "$1" --duration "${seconds}s" --ramp 0s --warm-up 0s \
    --quiet --slo 'errors<=0' --out "$work/ours.json" >/dev/null
  python3 -c 'import json,sys; r = json.load(open(sys.argv[1])); print(r["answers_per_s"], r["generator_cpu_s"] * 1e6 / r["all"]["requests"])' "$work/ours.json"
}
for connections in 8 64; do
  run_wrk "$connections" >/dev/null; run_ours "$connections" >/dev/null
  for i in $(seq "$pairs"); do
    if [ $((i % 2)) = 0 ]; then w=$(run_wrk "$connections"); o=$(run_ours "$connections"); else o=$(run_ours "$connections"); w=$(run_wrk "$connections"); fi
    echo "$connections $w $o" | tee -a "$work/pairs"
  done
done
python3 - "$work/pairs" "$out" "$target" "$seconds" <<'PY'
import json, os, platform, statistics, sys, datetime
rows = [list(map(float, line.split())) for line in open(sys.argv[1])]
cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")
result = {"name": "load_vs_wrk", "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
          "machine": {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(), "load_before": os.getloadavg()},
          "target": sys.argv[3], "seconds_a_run": float(sys.argv[4]), "by_connections": []}
for n in sorted({row[0] for row in rows}):
    mine = [row for row in rows if row[0] == n]
    result["by_connections"].append({
        "connections": int(n), "wrk_rps": [r[1] for r in mine], "ours_rps": [round(r[3], 2) for r in mine],
        "ratio_median": round(statistics.median(r[3] / r[1] for r in mine), 4),
        "wrk_cpu_us_median": round(statistics.median(r[2] for r in mine), 3), "ours_cpu_us_median": round(statistics.median(r[4] for r in mine), 3)})
result["agrees_within_5_percent"] = all(abs(one["ratio_median"] - 1) <= 0.05 for one in result["by_connections"])
with open(sys.argv[2], "w") as file: print(json.dumps(result, indent=1), file=file)
for one in result["by_connections"]: print({k: v for k, v in one.items() if not isinstance(v, list)})
sys.exit(0 if result["agrees_within_5_percent"] else 1)
PY
