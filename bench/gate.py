#!/usr/bin/env python3
"""The gate against its peers, one run on one machine: cache hit, proxy, herd, and a FastAPI service alone and behind us.

Each pair is one run of the peer and one of ours, back to back, in alternating order; what counts is the median of the ratios.
Server on core 0, load generator and origin on core 1. Everything listens on 127.0.0.1, every run is bounded.

Use    bench/gate.py BINARY [--pairs N] [--seconds S] [--venv FOLDER]     writes bench/results/gate.json
       FOLDER holds a Python environment with fastapi and uvicorn; without it that part is left out and said so.
Needs  nginx, wrk, curl.
"""

import argparse
import collections
import http.client
import http.server
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OURS, NGINX, ORIGIN, APP = 18481, 18482, 18483, 18484
BODY = json.dumps({"answer": "x" * 1000, "n": 1})
LUA = """
wrk.method = "POST"; wrk.headers["Content-Type"] = "application/json"
local n = 0
request = function()
  n = n + 1
  -- 72 of 100 from 20 questions that repeat, 28 that nobody has asked before.
  local mm = (n %% 100 < 72) and (n %% 20) or (1000 + %d + n * 0.001)
  return wrk.format(nil, "/predict", nil, string.format(
    '{"rainfall_mm": %%.3f, "river_stage_m": 1.5, "soil_moisture": 0.5}', mm %% 2000))
end
"""

BATCHING_APP = """
import threading, time
from fastapi import Body, FastAPI

app = FastAPI()
model = threading.Lock()

def compute(items):
    with model:
        time.sleep(0.010 + 0.0002 * len(items))
    return [{"flood_probability": round(item["rainfall_mm"] / 2000, 6)} for item in items]

@app.post("/predict")
def predict(item: dict = Body()) -> dict:
    return compute([item])[0]

@app.post("/predict/many")
def many(body: dict = Body()) -> dict:
    return {"results": compute(body["items"])}

@app.get("/stations/{station}")
def station(station: int) -> dict:
    return {}
"""


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
    return path


class Bench:
    def __init__(self, args, work):
        self.args, self.work, self.processes = args, work, []

    def start(self, core, command, port, path="/"):
        log = open(os.path.join(self.work, f"log-{port}"), "w")
        process = subprocess.Popen(["taskset", "-c", str(core)] + command, stdout=log, stderr=log, cwd=self.work)
        self.processes.append(process)
        for _ in range(150):
            if subprocess.run(["curl", "-so", "/dev/null", f"http://127.0.0.1:{port}{path}"]).returncode == 0:
                return process
            time.sleep(0.1)
        raise RuntimeError(f"{command[0]} did not answer on {port}: {open(log.name).read()[-500:]}")

    def stop(self, process):
        process.terminate()
        process.wait(20)
        self.processes.remove(process)

    def nginx(self, core, name, port, body):
        folder = os.path.join(self.work, name)
        os.makedirs(folder, exist_ok=True)
        temp = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf = write(f"{folder}/nginx.conf", f"""user root; worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; tcp_nodelay on; {temp} {body} }}""")
        return self.start(core, ["nginx", "-p", folder, "-c", conf], port)

    def tidegate(self, name, config, path="/live"):
        conf = write(os.path.join(self.work, name + ".yaml"), config)
        return self.start(0, [self.args.binary, "serve", "--config", conf, "--data-dir", os.path.join(self.work, name),
                              f"--server.port={OURS}", "--server.loops=1", "--pipeline.access_log=false", "--log.level=warn"],
                          OURS, path)

    def wrk(self, port, path, headers=(), lua=None, connections=64, seconds=None):
        command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds or self.args.seconds}", "--latency"]
        for header in headers:
            command += ["-H", header]
        if lua:
            command += ["-s", lua]
        text = subprocess.run(command + [f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in text:
            raise RuntimeError("not every answer was 200:\n" + text)
        unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}
        latency = {p: float(v) * unit[u] for p, v, u in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)", text)}
        return {"rps": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), "p50_ms": latency["50"],
                "p99_ms": latency["99"]}

    def pairs(self, peer, ours):
        peer(), ours()  # Warm.
        rows = []
        for i in range(self.args.pairs):
            order = (peer, ours) if i % 2 else (ours, peer)
            first, second = order[0](), order[1]()
            rows.append((second, first) if i % 2 == 0 else (first, second))
        def middle(side, key):
            return statistics.median(row[side][key] for row in rows)
        return {"peer": {key: middle(0, key) for key in rows[0][0]}, "ours": {key: middle(1, key) for key in rows[0][0]},
                "ratio": {key: round(statistics.median(row[1][key] / row[0][key] for row in rows), 3) for key in rows[0][0]}}


def cache_hit(bench):
    origin = bench.nginx(1, "origin", ORIGIN, f"""server {{ listen 127.0.0.1:{ORIGIN}; location / {{ default_type application/json;
        add_header Cache-Control "max-age=3600"; return 200 '{BODY}'; }} }}""")
    plain = bench.nginx(0, "plain", NGINX, f"""proxy_cache_path {bench.work}/zone keys_zone=z:10m;
        server {{ listen 127.0.0.1:{NGINX}; location / {{ default_type application/json; return 200 '{BODY}'; }}
          location /kept {{ proxy_pass http://127.0.0.1:{ORIGIN}; proxy_cache z; proxy_http_version 1.1; }} }}""")
    ours = bench.tidegate("hit", f"""upstreams: {{app: {{targets: [{{url: "http://127.0.0.1:{ORIGIN}"}}]}}}}
routes: {{app: {{path: "/app/{{rest...}}", upstream: app, access: open, record: "off"}}}}""")
    result = {"nginx_return": bench.pairs(lambda: bench.wrk(NGINX, "/"), lambda: bench.wrk(OURS, "/app/x")),
              "nginx_proxy_cache": bench.pairs(lambda: bench.wrk(NGINX, "/kept"), lambda: bench.wrk(OURS, "/app/x"))}
    for process in (ours, plain, origin):
        bench.stop(process)
    return result


def proxied(bench):
    origin = bench.nginx(1, "origin2", ORIGIN, f"""server {{ listen 127.0.0.1:{ORIGIN}; location / {{ default_type application/json;
        add_header Cache-Control "no-store"; return 200 '{BODY}'; }} }}""")
    peer = bench.nginx(0, "peer", NGINX, f"""upstream up {{ server 127.0.0.1:{ORIGIN}; keepalive 128; keepalive_requests 1000000000; }}
        server {{ listen 127.0.0.1:{NGINX}; location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}""")
    made = subprocess.run([bench.args.binary, "keys", "create", "--name", "bench", "--json", "--data-dir",
                           os.path.join(bench.work, "proxy")], capture_output=True, text=True, check=True)
    key = json.loads(made.stdout)["key"]
    result = {}
    for name, extra in (("everything_on", ""), ("answer_after_accepted", ', answer_after: accepted'), ("no_decision", ', record: "off"')):
        ours = bench.tidegate("proxy", f"""identity: {{required: always}}
spend: {{key_daily_cap: "9000000000"}}
audit: {{durability: disk, queue_records_max: 100000}}
limits: {{rules: {{flood: {{per: key, rate: "1000000/1s burst 1000000"}}}}}}
upstreams: {{app: {{targets: [{{url: "http://127.0.0.1:{ORIGIN}"}}]}}}}
routes: {{app: {{path: "/app/{{rest...}}", upstream: app, cost: "0.001"{extra}, cache: {{mode: "off"}}}}}}""")
        headers = ["Authorization: Bearer " + key]
        result[name] = bench.pairs(lambda: bench.wrk(NGINX, "/app/x"), lambda: bench.wrk(OURS, "/app/x", headers))
        bench.stop(ours)
    bench.stop(peer), bench.stop(origin)
    return result


class Slow(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = 0

    def do_GET(self):
        Slow.asked += 1
        time.sleep(0.3)
        self.send_response(200)
        self.send_header("Cache-Control", "max-age=60" if "kept" in self.path else "private")
        if "vary" in self.path:
            self.send_header("Vary", "X-Variant")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 1000)

    def log_message(self, *_):
        pass


def herd(bench):
    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 1024
    server = Server(("127.0.0.1", ORIGIN), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ours = bench.tidegate("herd", f"""upstreams: {{app: {{targets: [{{url: "http://127.0.0.1:{ORIGIN}"}}]}}}}
routes: {{app: {{path: "/app/{{rest...}}", upstream: app, access: open, record: "off"}}}}""")
    def wave(path):
        Slow.asked, times, gate = 0, [], threading.Barrier(200)
        def one(i):
            client = http.client.HTTPConnection("127.0.0.1", OURS, timeout=20)
            client.connect()
            gate.wait()
            began = time.time()
            client.request("GET", path, headers={"X-Variant": str(i % 10)})
            answer = client.getresponse()
            answer.read()
            times.append((time.time() - began, answer.status))
        threads = [threading.Thread(target=one, args=(i,)) for i in range(200)]
        [t.start() for t in threads], [t.join() for t in threads]
        times.sort()
        return {"origin": Slow.asked, "statuses": dict(collections.Counter(s for _, s in times)),
                "p50_ms": round(times[100][0] * 1000), "last_ms": round(times[-1][0] * 1000)}
    result = {"kept": wave("/app/kept"), "private_first": wave("/app/p"), "private_second": wave("/app/p"),
              "ten_variants": wave("/app/kept-vary")}
    bench.stop(ours)
    server.shutdown(), server.server_close()
    return result


def fastapi(bench):
    uvicorn = os.path.join(bench.args.venv or "", "bin", "uvicorn")
    if not bench.args.venv or not os.path.exists(uvicorn):
        return "left out: no --venv with fastapi and uvicorn"
    folder = os.path.join(ROOT, "examples/front-a-fastapi-service")
    config = open(os.path.join(folder, "tidegate.yaml")).read().replace(":9000", f":{APP}").replace("6000/1m", "10000000/1m")
    result = {}
    # Every miss of `example` costs the service 2 ms of its core, so 1 / 0.28 = 3.6 is all that a cache can give. `batching` is the same
    # traffic for a model that runs batches: a call costs 10 ms whatever its length plus 0.2 ms an item, one call at a time (slept).
    for name, source, placed in (("example", open(os.path.join(folder, "app.py")).read(), 0), ("batching", BATCHING_APP, 1)):
        write(os.path.join(bench.work, f"app_{name}.py"), source)
        app = bench.start(placed, [uvicorn, f"app_{name}:app", "--port", str(APP), "--no-access-log", "--log-level", "warning"], APP,
                          "/stations/1")
        ours = bench.tidegate("fastapi_" + name, config)
        def run(port, seed):
            return bench.wrk(port, "/predict", lua=write(os.path.join(bench.work, "mix.lua"), LUA % seed), connections=16)
        seeds = iter(range(1, 1000))
        result[name] = bench.pairs(lambda: run(APP, next(seeds) * 7), lambda: run(OURS, next(seeds) * 7))
        bench.stop(ours), bench.stop(app)
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--venv")
    parser.add_argument("--only", default="cache_hit,proxied,herd,fastapi")
    args = parser.parse_args()
    args.binary = os.path.abspath(args.binary)
    out = os.path.join(ROOT, "bench/results/gate.json")
    parts = {"cache_hit": cache_hit, "proxied": proxied, "herd": herd, "fastapi": fastapi}
    result = {"command": "bench/gate.py BINARY" + (" --venv FOLDER" if args.venv else ""), "pairs": args.pairs,
              "seconds": args.seconds, "connections": 64, "body_bytes": len(BODY), "cores": os.cpu_count(),
              "kernel": platform.release()}
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(args, work)
        try:
            for name in args.only.split(","):
                result[name] = parts[name](bench)
                print(name, json.dumps(result[name], indent=1), flush=True)
        finally:
            for process in bench.processes:
                process.terminate()
    if args.only == parser.get_default("only"):
        with open(out, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    sys.exit(main())
