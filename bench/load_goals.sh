#!/usr/bin/env bash
# load_goals: the goals of the performance layer, each with the origin's number beside it, measured by `tidegate load` on two cores that the server, its
# upstream and the generator share.
#
# Use    BINARY=... bench/load_goals.sh [issue] [mixed] [spike] [operations] [dashboard] [soak]     without words: all but soak
#        issue is the traffic that the goal names and nothing else (spike and soak too); mixed has embeddings and floods beside it. Transcription
#        is in neither: it takes seconds of a core, and a mix with it measures nothing else.
#        SECONDS_RUN=30   of a run           SOAK=30m     of the soak          SOAK_RATE=   requests a second instead of 100 users
#        DECISIONS=10000000   of the dashboard     DATA=   a data folder that holds them already, in place of making them
#        CACHE_BYTES=100663296   of memory for kept answers (the server's default is 256 MiB: with it the cache alone fills 268 MB)
#        OUT=bench/results                   writes OUT/load_PART.json (what the tool wrote) and OUT/load_goals.json (goals and what came of them)
# Needs  nginx, curl, python3; ONNX Runtime as ./dev setup fetches it.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${BINARY:-build/release/tidegate}
seconds=${SECONDS_RUN:-30}
soak=${SOAK:-30m}
decisions=${DECISIONS:-10000000}
out=${OUT:-bench/results}
port=${PORT:-18491}
upstream_port=$((port + 1))
# Text detection single and batch, model inference, proxied calls, history, statistics: each by the weight that its service offers.
issue_mix=detect_text,detect_batch,infer_linear,call_stations_id,history,stats,statistics
mixed_mix=$issue_mix,embed,flood_risk,flood_batch
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(issue mixed spike operations dashboard)
[ -x "$binary" ] || { echo "build the release preset first: ./dev build release" >&2; exit 2; }
for tool in nginx curl python3; do command -v "$tool" >/dev/null || { echo "$tool is missing: ./dev setup --bench" >&2; exit 2; }; done

work=$(mktemp -d)
server=
upstream=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; [ -z "$upstream" ] || kill "$upstream" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
mkdir -p "$out"

start() {
  rm -rf "$work/place"
  python3 bench/load_place.py "$work/place" "$port" "$upstream_port" "${CACHE_BYTES:-100663296}" "${1:-}"
  taskset -c 0,1 nginx -p "$work/place" -c "$work/place/nginx.conf" 2>/dev/null &
  upstream=$!
  taskset -c 0,1 "$binary" serve --config "$work/place/tidegate.yaml" >"$work/server.log" 2>&1 &
  server=$!
  for _ in $(seq 300); do curl -sf -o /dev/null "http://127.0.0.1:$port/ready" && return; sleep 0.1; done
  echo "the server does not become ready" >&2; tail -5 "$work/server.log" >&2; exit 1
}
stop() {
  kill "$server" "$upstream"; wait "$server" "$upstream" 2>/dev/null || true
  server=; upstream=
}
load() {  # PART WORDS...: a missed goal (status 3) is a result like another.
  local part=$1 status=0; shift
  echo "== $part" >&2
  taskset -c 0,1 "$binary" load "$@" --target "http://127.0.0.1:$port" --label "$part" --out "$out/load_$part.json" || status=$?
  case $status in 0 | 3) ;; *) exit "$status" ;; esac
}

for part in "${parts[@]}"; do
  case $part in
    issue)
      start
      load issue normal --users 50 --duration "${seconds}s" --repeats 72% --mix "$issue_mix" --slo 'rps>=15000,p95<10ms,errors<=0'
      stop ;;
    mixed)
      start
      load mixed normal --users 50 --duration "${seconds}s" --repeats 72% --mix "$mixed_mix" --slo 'rps>=15000,p95<10ms,errors<=0'
      stop ;;
    spike)
      start
      # Memory is judged by the most that the server held, not by what it held when the spike was over.
      load spike spike --duration "${seconds}s" --mix "$issue_mix" --slo 'errors<=0,p99<150ms'
      awk '/^VmHWM:/ {printf "{\"peak_resident_bytes\": %d}\n", $2 * 1024}' "/proc/$server/status" >"$out/load_spike_peak.json"
      stop ;;
    operations)
      # One operation at a time: the server's CPU a request by operation.
      start
      for operation in detect_text detect_batch embed infer_linear call_stations_id history stats statistics; do
        load "op_$operation" normal --users 50 --duration "$((seconds / 3 + 1))s" --ramp 0s --warm-up 1s --mix "$operation"
      done
      stop ;;
    dashboard)
      start "${DATA:-}"
      if [ -z "${DATA:-}" ]; then
        echo "== $decisions decisions" >&2
        python3 bench/load_place.py --decisions "$decisions" | "$binary" ingest - --server "http://127.0.0.1:$port" --connections 2 >&2
      fi
      # Analyses among them, for the history to show.
      load dashboard_fill normal --users 20 --duration 5s --ramp 0s --warm-up 0s --mix detect_text
      # What the pages Live and Decisions ask: all that is counted, the day, the newest page (with an event that says who read it), the newest errors.
      asks=(normal --rate 50 --arrivals constant --connections 8 --duration "${seconds}s" --ramp 0s --slo 'p50<2ms,p95<10ms,errors<=0')
      load dashboard "${asks[@]}" --mix statistics
      load dashboard_day "${asks[@]}" --mix call --call "GET /api/compliance/statistics?from=$(date -u +%Y-%m-%dT00:00:00Z)"
      load dashboard_newest "${asks[@]}" --mix call --call 'POST /api/compliance/query {"limit":50}'
      load dashboard_errors "${asks[@]}" --mix call --call 'POST /api/compliance/query {"limit":50,"status":"error"}'
      load history normal --rate 50 --arrivals constant --connections 8 --duration "${seconds}s" --ramp 0s --mix history --slo 'p50<1ms,p95<5ms,errors<=0'
      stop ;;
    soak)
      start "${DATA:-}"
      # What is bounded fills first: kept answers, and the chunks of the columns that stay loaded (8 of 4 MiB), which a filter that nobody
      # matches walks through where DATA is long enough. Then memory has no reason to grow.
      curl -sf -o /dev/null -H 'Content-Type: application/json' -d '{"limit":1,"actor":"nobody at all"}' "http://127.0.0.1:$port/api/compliance/query"
      load soak_fill normal --users 50 --duration "${SOAK_FILL:-60s}" --ramp 0s --warm-up 0s --mix "$issue_mix"
      pid=$server
      # Kilobytes, descriptors, and those of them that are indexes of sealed segments (256 of them stay open).
      (while sleep 5; do
         awk -v files="$(ls "/proc/$pid/fd" | wc -l)" -v indexes="$(ls -l "/proc/$pid/fd" | grep -c '\.index$')" '/^VmRSS:/ {print $2, files, indexes}' "/proc/$pid/status"
       done) >"$out/load_soak_memory.txt" 2>/dev/null &
      sampler=$!
      if [ -n "${SOAK_RATE:-}" ]; then
        load soak soak --rate "$SOAK_RATE" --connections 100 --mix "$issue_mix" --duration "$soak" --slo 'errors<=0'
      else
        load soak soak --users 100 --think 20ms --mix "$issue_mix" --duration "$soak" --slo 'errors<=0'
      fi
      kill "$sampler"
      stop ;;
    *) echo "there is no part $part" >&2; exit 2 ;;
  esac
done

python3 - "$out" <<'PY'
import glob, json, os, sys
out = sys.argv[1]
read = lambda part: json.load(open(f"{out}/load_{part}.json")) if os.path.exists(f"{out}/load_{part}.json") else None
rows, operations = [], []

def row(what, origin, goal, run, measured, met):
    rows.append({"what": what, "origin": origin, "goal": goal, "measured": measured, "met": met, "began": run["began"], "commit": run["machine"]["commit"],
                 "machine": run["machine"], "result": f"load_{run['label']}.json"})

for part, what in (("issue", "mixed traffic as the goal names it, 50 users, 72 % repeats"), ("mixed", "the same with embeddings and floods")):
  if run := read(part):
    latency = run["all"]["latency"]
    row(what, "650 req/s, p95 75 ms, p99 180 ms", "15,000 req/s, p95 < 10 ms", run,
        {"answers_per_s": run["answers_per_s"], "p50_ms": latency["p50_ms"], "p95_ms": latency["p95_ms"], "p99_ms": latency["p99_ms"],
         "errors": run["all"]["errors"], "repeat_share": run["repeat_share"], "server_cpu_us_per_request": run["server_metrics"]["cpu_us_per_request"],
         "generator_cpu_us_per_request": run["generator_cpu_s"] * 1e6 / max(1, run["all"]["requests"] + run["warm_up_requests"])},
        all(slo["met"] for slo in run["slo"]))
if (run := read("spike")) and (peak := read("spike_peak")):
    memory = peak["peak_resident_bytes"] / 1e6
    row("500 users spike", "85-95 % CPU", "no error, p99 < 150 ms, memory < 300 MB", run,
        {"errors": run["all"]["errors"], "p99_ms": run["all"]["latency"]["p99_ms"], "resident_peak_mb": memory},
        all(slo["met"] for slo in run["slo"]) and memory < 300)
for part, what, origin, goal in (("dashboard", "dashboard query over 10 million decisions: statistics", "50/200 ms (p50/p95)", "2/10 ms"),
                                 ("dashboard_day", "the same: statistics of the day", "50/200 ms (p50/p95)", "2/10 ms"),
                                 ("dashboard_newest", "the same: the newest 50 decisions", "50/200 ms (p50/p95)", "2/10 ms"),
                                 ("dashboard_errors", "the same: the newest 50 errors", "50/200 ms (p50/p95)", "2/10 ms"),
                                 ("history", "history page", "30/100 ms", "1/5 ms")):
    if run := read(part):
        latency = run["all"]["latency"]
        row(what, origin, goal, run, {"p50_ms": latency["p50_ms"], "p95_ms": latency["p95_ms"], "p99_ms": latency["p99_ms"], "errors": run["all"]["errors"]},
            all(slo["met"] for slo in run["slo"]))
if run := read("soak"):
    series, view = [one for one in run["series"][:-1] if one["good"]], run["server_metrics"]
    third = max(1, len(series) // 3)
    middle = lambda values: sorted(values)[len(values) // 2]
    early, late = middle([one["p99_ms"] for one in series[:third]]), middle([one["p99_ms"] for one in series[-third:]])
    # Kilobytes and descriptors every five seconds, of the whole run. The log grows by what is asked, and the indexes that stay open with it.
    samples = [list(map(int, line.split())) for line in open(f"{out}/load_soak_memory.txt")]
    part = max(1, len(samples) // 3)
    mean = lambda rows, column: sum(one[column] for one in rows) / len(rows)
    growth = mean(samples[-part:], 0) / mean(samples[:part], 0) - 1
    indexes = mean(samples[-part:], 2) - mean(samples[:part], 2)
    files = mean(samples[-part:], 1) - mean(samples[:part], 1) - indexes
    row("soak", "", "memory flat within 2 %, no descriptor leak, p99 no worse at the end", run,
        {"seconds": run["window_s"], "requests": run["all"]["requests"], "errors": run["all"]["errors"], "memory_growth": growth, "resident_mb": [s[0] / 1000 for s in samples[:: max(1, len(samples) // 30)]], "open_files_more": files, "open_indexes_more": indexes,
         "p99_ms_first_third": early, "p99_ms_last_third": late},
        abs(growth) <= 0.02 and files <= 1 and late <= early * 1.05 and run["all"]["errors"] == 0)
for path in sorted(glob.glob(f"{out}/load_op_*.json")):
    run = json.load(open(path))
    operations.append({"operation": run["label"][3:], "answers_per_s": run["answers_per_s"], "p50_ms": run["all"]["latency"]["p50_ms"],
                       "p95_ms": run["all"]["latency"]["p95_ms"], "errors": run["all"]["errors"],
                       "server_cpu_us_per_request": run["server_metrics"]["cpu_us_per_request"]})
with open(f"{out}/load_goals.json", "w") as file: print(json.dumps({"name": "load_goals", "command": "bench/load_goals.sh", "goals": rows, "by_operation": operations}, indent=1), file=file)
for one in rows: print(one["what"], "| goal", one["goal"], "|", {k: round(v, 3) for k, v in one["measured"].items() if not isinstance(v, list)}, "|", "met" if one["met"] else "MISSED")
for one in operations: print("%-18s %9.0f/s  p50 %7.3f  p95 %7.3f ms  %7.1f us of CPU" % (one["operation"], one["answers_per_s"], one["p50_ms"], one["p95_ms"], one["server_cpu_us_per_request"]))
PY
