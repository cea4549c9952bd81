#!/usr/bin/env bash
# GET /live against nginx's `return 200` of the same size: one core server, one core client, paired runs.
#
# Each pair is one run of nginx and one of ours, back to back and in alternating order, so that what else the machine does
# hits both. The result is the ratio of each pair and the median of the ratios; absolute figures are the machine's.
# Also: system calls a request (strace counts over a short run) and bytes of memory an idle connection.
#
# Use    bench/http_live.sh SERVER_COMMAND [PAIRS] [SECONDS]
#        SERVER_COMMAND is run as it stands; `{port}` in it becomes the port. URL path: LIVE_PATH (default /live).
set -euo pipefail
cd "$(dirname "$0")/.."

command_line=${1:?use: bench/http_live.sh SERVER_COMMAND [PAIRS] [SECONDS]}
pairs=${2:-5}
seconds=${3:-4}
path=${LIVE_PATH:-/live}
out=${LIVE_OUT:-bench/results/http_live.json}
connections=64
our_port=18471
nginx_port=18472

work=$(mktemp -d)
our_pid=
nginx_pid=
trap 'kill $our_pid $nginx_pid 2>/dev/null || true; rm -rf "$work"' EXIT

taskset -c 0 ${command_line//\{port\}/$our_port} >"$work/ours.log" 2>&1 &
our_pid=$!
for _ in $(seq 100); do
  curl -so "$work/body" "http://127.0.0.1:$our_port$path" && break
  sleep 0.1
done
body_bytes=$(stat -c %s "$work/body")
# nginx sends the very same body, with its own headers.
cat >"$work/nginx.conf" <<CONF
worker_processes 1; daemon off; pid $work/nginx.pid; error_log $work/error.log;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; tcp_nodelay on;
  client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work; uwsgi_temp_path $work; scgi_temp_path $work;
  server { listen 127.0.0.1:$nginx_port; location / { default_type text/plain; return 200 '$(tr -d "'" <"$work/body" | sed 's/\$/_/g')'; } }
}
CONF
taskset -c 0 nginx -p "$work" -c "$work/nginx.conf" 2>/dev/null &
nginx_pid=$!
for _ in $(seq 100); do
  curl -so "$work/peer" "http://127.0.0.1:$nginx_port$path" && break
  sleep 0.1
done
[ "$(stat -c %s "$work/peer")" = "$body_bytes" ] || { echo "the peer's body has another size" >&2; exit 1; }

# CPU seconds of a process and its children so far, in nanoseconds: from the scheduler, not from the 10 ms ticks.
cpu_ns() {
  local total=0 pid task spent
  for pid in "$1" $(pgrep -P "$1" || true); do
    for task in /proc/"$pid"/task/*/schedstat; do
      read -r spent _ <"$task" || spent=0
      total=$((total + spent))
    done
  done
  echo "$total"
}
# One run: requests a second and CPU microseconds a request.
measure() {
  local port=$1 pid=$2 before after
  before=$(cpu_ns "$pid")
  taskset -c 1 wrk -t1 -c"$connections" -d"$seconds" "http://127.0.0.1:$port$path" >"$work/wrk"
  after=$(cpu_ns "$pid")
  awk -v cpu=$((after - before)) '/requests in/ {n = $1} /Requests\/sec/ {r = $2} /Non-2xx|Socket errors/ {bad = 1}
    END {if (bad || !n) exit 1; printf "%s %.3f", r, cpu / 1000 / n}' "$work/wrk"
}
measure "$our_port" "$our_pid" >/dev/null
measure "$nginx_port" "$nginx_pid" >/dev/null
for i in $(seq "$pairs"); do
  if [ $((i % 2)) = 0 ]; then
    ours=$(measure "$our_port" "$our_pid"); peer=$(measure "$nginx_port" "$nginx_pid")
  else
    peer=$(measure "$nginx_port" "$nginx_pid"); ours=$(measure "$our_port" "$our_pid")
  fi
  echo "$ours $peer" | tee -a "$work/pairs"
done

# System calls a request: counted by strace over a run of its own, because counting slows everything down.
strace -f -c -o "$work/strace" -p "$our_pid" &
strace_pid=$!
sleep 1
taskset -c 1 wrk -t1 -c"$connections" -d2 "http://127.0.0.1:$our_port$path" >"$work/wrk"
kill -INT "$strace_pid"; wait "$strace_pid" || true
traced=$(awk '/requests in/ {print $1}' "$work/wrk")

# Bytes of resident memory an idle keep-alive connection that has been served once.
idle=$(python3 - "$our_port" "$path" "$our_pid" <<'PY'
import socket, sys, time
port, path, pid = int(sys.argv[1]), sys.argv[2], sys.argv[3]
def resident():
    return next(int(line.split()[1]) * 1024 for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))
def connect(count):
    held = []
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        client.recv(65536)
        held.append(client)
    return held
warm = connect(100); time.sleep(0.3); before = resident()
held = connect(800); time.sleep(0.3)
print(round((resident() - before) / len(held)))
PY
)

python3 - "$work" "$out" "$body_bytes" "$connections" "$seconds" "$traced" "$idle" "$command_line" <<'PY'
import datetime, json, os, platform, re, statistics, subprocess, sys
work, out, body, connections, seconds, traced, idle, command = sys.argv[1:9]
rows = [list(map(float, line.split())) for line in open(f"{work}/pairs")]
calls = {}
for line in open(f"{work}/strace"):
    fields = line.split()
    if len(fields) >= 5 and re.fullmatch(r"[\d.]+", fields[0]) and fields[-1] != "total":
        calls[fields[-1]] = int(fields[3])
calls = {name: round(count / int(traced), 3) for name, count in sorted(calls.items(), key=lambda c: -c[1])}
cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")
version = lambda *c: subprocess.run(c, capture_output=True, text=True, check=False)
result = {
    "name": "http_live",
    "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "machine": {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(), "load_before": os.getloadavg()},
    "peer": version("nginx", "-v").stderr.strip(),
    "client": "wrk, 1 thread, %s connections, core 1; server on core 0" % connections,
    "server": os.path.basename(command.split()[0]),
    "body_bytes": int(body), "seconds_a_run": int(seconds),
    "pairs": [{"ours_rps": a, "ours_cpu_us": b, "nginx_rps": c, "nginx_cpu_us": d, "ratio_rps": round(a / c, 3),
               "ratio_cpu": round(d / b, 3)} for a, b, c, d in rows],
    "ratio_rps_median": round(statistics.median(a / c for a, _, c, _ in rows), 3),
    "ratio_requests_per_cpu_median": round(statistics.median(d / b for _, b, _, d in rows), 3),
    "goal_ratio": 0.9,
    "syscalls_per_request": calls,
    "syscalls_per_request_total": round(sum(calls.values()), 3),
    "bytes_per_idle_connection": int(idle),
}
os.makedirs(os.path.dirname(out), exist_ok=True)
with open(out, "w") as file:
    json.dump(result, file, indent=2)
    file.write("\n")
print(json.dumps({k: v for k, v in result.items() if k != "pairs"}, indent=2))
PY
