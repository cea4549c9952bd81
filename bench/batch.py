#!/usr/bin/env python3
"""A FastAPI service behind Tidegate with and without merging: requests a second and latencies, in alternating pairs.

Two services. `fixed`: a call costs 10 ms whatever its length, plus 0.2 ms an item, one call at a time, as a model on an accelerator
that runs batches; the cost is time slept, not computed. `linear`: each item costs 1 ms of computing, so that merging saves only
the HTTP around it. Tidegate on core 0; uvicorn and wrk share core 1. Everything on 127.0.0.1, every run is bounded.

Use    bench/batch.py BINARY --venv FOLDER [--pairs N] [--seconds S]     writes bench/results/batch.json
       FOLDER holds a Python environment with fastapi and uvicorn.
Needs  wrk, curl.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import urllib.request

from gate import APP, OURS, ROOT, Bench, write

SERVICE = """
import threading, time
from fastapi import Body, FastAPI

app = FastAPI()
model = threading.Lock()

def compute(items):
    if {fixed}:
        with model:
            time.sleep(0.010 + 0.0002 * len(items))
    else:
        for _ in items:
            end = time.thread_time() + 0.001
            while time.thread_time() < end:
                pass
    return [{{"y": 2 * item["x"]}} for item in items]

@app.post("/predict")
def predict(item: dict = Body()) -> dict:
    return compute([item])[0]

@app.post("/predict/many")
def many(items: list[dict] = Body()) -> list[dict]:
    return compute(items)

@app.get("/")
def root() -> dict:
    return {{}}
"""
LUA = """
wrk.method = "POST"; wrk.headers["Content-Type"] = "application/json"
local n = 0
request = function() n = n + 1; return wrk.format(nil, nil, nil, '{"x": ' .. n .. '}') end
"""


def batching():
    with urllib.request.urlopen(f"http://127.0.0.1:{OURS}/health") as answer:
        shot = json.load(answer)["upstreams"][0]["batching"][0]
    return shot["requests"], shot["calls"]


def measure(bench, fixed, connections):
    name = f"app_{'fixed' if fixed else 'linear'}_{connections}"
    write(os.path.join(bench.work, name + ".py"), SERVICE.format(fixed=fixed))
    uvicorn = os.path.join(os.path.abspath(bench.args.venv), "bin/uvicorn")
    app = bench.start(1, [uvicorn, name + ":app", "--port", str(APP), "--log-level", "warning", "--no-access-log"], APP)
    # Both routes in one server: /predict as any route, /merged with the same service's list.
    calls = ", calls_max: 1" if fixed else ""
    ours = bench.tidegate(name, f"""upstreams: {{app: {{targets: [{{url: "http://127.0.0.1:{APP}"}}]}}}}
routes:
  single: {{path: /predict, upstream: app, access: open, cache: {{mode: "off"}}}}
  merged: {{path: /merged, upstream: app, access: open, cache: {{mode: "off"}},
           batch: {{enabled: true, target: /predict/many, wait_ms: 5{calls}}}}}
""")
    lua = write(os.path.join(bench.work, "batch.lua"), LUA)
    result = bench.pairs(lambda: bench.wrk(OURS, "/predict", lua=lua, connections=connections),
                         lambda: bench.wrk(OURS, "/merged", lua=lua, connections=connections))
    requests, made = batching()
    bench.stop(ours), bench.stop(app)
    return {"single": result["peer"], "merged": result["ours"], "ratio": result["ratio"],
            "requests_a_call": round(requests / made, 2)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--venv", required=True)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    args = parser.parse_args()
    args.binary = os.path.abspath(args.binary)
    result = {"command": "bench/batch.py BINARY --venv FOLDER", "pairs": args.pairs, "seconds": args.seconds,
              "cores": os.cpu_count(), "kernel": platform.release(),
              "placement": "tidegate on core 0; uvicorn and wrk on core 1", "recorded": "a Decision for every request"}
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(args, work)
        try:
            for fixed in (True, False):
                for connections in (1, 32):
                    key = f"{'fixed_10ms_a_call' if fixed else 'linear_1ms_an_item'}_{connections}_connections"
                    result[key] = measure(bench, fixed, connections)
                    print(key, json.dumps(result[key]), flush=True)
        finally:
            for process in bench.processes:
                process.terminate()
    with open(os.path.join(ROOT, "bench/results/batch.json"), "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    sys.exit(main())
