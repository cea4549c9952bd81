#!/usr/bin/env python3
"""The example front-a-fastapi-service as its README says: the real uvicorn, the settings of the folder, and what a user would see.

Use    tests/examples/front_fastapi.py BINARY VENV [--table SECONDS]
       VENV holds a Python environment with fastapi and uvicorn. Ports are free ones of loopback; the only change to the settings.
       --table also loads both for so long with wrk and prints the service alone beside the service behind Tidegate.
"""

import argparse
import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLE = os.path.join(ROOT, "examples/front-a-fastapi-service")
READING = {"rainfall_mm": 120, "river_stage_m": 1.4, "soil_moisture": 0.7}
# 72 of 100 from 20 questions that repeat, 28 that nobody has asked before.
LUA = """
wrk.method = "POST"; wrk.headers["Content-Type"] = "application/json"
local n = 0
request = function()
  n = n + 1
  local mm = (n %% 100 < 72) and (n %% 20) or (1000 + %d + n * 0.001)
  return wrk.format(nil, "/predict", nil, string.format('{"rainfall_mm": %%.3f, "river_stage_m": 1.5, "soil_moisture": 0.5}', mm %% 2000))
end
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, method, path, body=None, headers=None):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(client):
        client.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json", **(headers or {})})
        answer = client.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def wait_for(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if condition():
                return
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds} s")


def check(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r}, not {wanted!r}")
    print(f"ok  {what}")


class Example:
    def __init__(self, binary, venv, work):
        self.binary, self.venv, self.work = binary, venv, work
        self.app_port, self.port = free_port(), free_port()
        self.service = self.gate = None

    def start_service(self):
        log = open(os.path.join(self.work, "service.log"), "a")
        self.service = subprocess.Popen([os.path.join(self.venv, "bin/uvicorn"), "--app-dir", EXAMPLE, "app:app", "--port", str(self.app_port),
                                         "--no-access-log"], stdout=log, stderr=log)
        wait_for("the service answers", lambda: ask(self.app_port, "GET", "/stations/1")[0] == 200)

    def start_gate(self):
        settings = open(os.path.join(EXAMPLE, "tidegate.yaml")).read()
        if settings.count(":9000") != 1:
            raise AssertionError("the settings of the example do not name the port of its README")
        path = os.path.join(self.work, "tidegate.yaml")
        with open(path, "w") as file:
            file.write(settings.replace(":9000", f":{self.app_port}").replace("6000/1m burst 200", "60000000/1m burst 1000000"))
        log = open(os.path.join(self.work, "gate.log"), "a")
        self.gate = subprocess.Popen([self.binary, "serve", "--config", path, "--data-dir", os.path.join(self.work, "data"),
                                      f"--server.port={self.port}"], stdout=log, stderr=log)
        wait_for("tidegate is ready", lambda: ask(self.port, "GET", "/ready")[0] == 200)

    def stop(self, process):
        if process and process.poll() is None:
            process.terminate()
            process.wait(60)

    def health(self):
        return json.loads(ask(self.port, "GET", "/health")[2])


def as_the_readme_says(example):
    status, miss, first = ask(example.port, "POST", "/predict", READING)
    check("the first answer", (status, miss.get("x-cache")), (200, "MISS"))
    check("it is the service's own", json.loads(first), json.loads(ask(example.app_port, "POST", "/predict", READING)[2]))
    # Another order and other white space: the same question.
    client = http.client.HTTPConnection("127.0.0.1", example.port, timeout=20)
    with contextlib.closing(client):
        client.request("POST", "/predict", '{ "soil_moisture": 0.70, "rainfall_mm": 120, "river_stage_m": 1.4 }', {"Content-Type": "application/json"})
        answer = client.getresponse()
        check("the same question in other words", (answer.status, answer.getheader("X-Cache"), answer.read()), (200, "HIT", first))
    status, _, body = ask(example.port, "POST", "/predict", {"rainfall_mm": -1})
    check("the service's own refusal passes", (status, "detail" in json.loads(body)), (422, True))
    check("a path parameter", json.loads(ask(example.port, "GET", "/stations/7")[2])["station_id"], 7)
    check("an error of the service", ask(example.port, "GET", "/stations/5000")[0], 404)
    check("a path that no route has", ask(example.port, "GET", "/nothing")[0], 404)
    metrics = ask(example.port, "GET", "/metrics")[2].decode()
    check("the operations are counted by route", bool(re.search(r"http_requests_total\{[^}]*handler=\"/predict\"", metrics)), True)


def while_the_service_is_away(example):
    example.stop(example.service)
    status, _, body = ask(example.port, "POST", "/predict", {**READING, "rainfall_mm": 500})
    check("a question nobody has asked", (status, json.loads(body)["error"]), (502, "upstream_refused"))
    check("one that was asked is still answered", ask(example.port, "POST", "/predict", READING)[1].get("x-cache"), "HIT")
    for n in range(12):
        last = ask(example.port, "POST", "/predict", {**READING, "rainfall_mm": 501 + n})
    check("the breaker has opened", (last[0], json.loads(last[2])["error"], "retry-after" in last[1]), (503, "upstream_unavailable", True))
    check("health says so", example.health()["status"], "degraded")
    example.start_service()
    wait_for("it recovers by itself", lambda: ask(example.port, "POST", "/predict", {**READING, "rainfall_mm": 600 + time.time() % 100})[0] == 200, 60)
    check("health is well again", example.health()["status"], "ok")


def table(example, seconds):
    rows = []
    for name, port, seed in (("the service alone", example.app_port, 7), ("behind Tidegate", example.port, 14)):
        script = os.path.join(example.work, "mix.lua")
        with open(script, "w") as file:
            file.write(LUA % seed)
        text = subprocess.run(["wrk", "-t1", "-c16", f"-d{seconds}", "--latency", "-s", script, f"http://127.0.0.1:{port}/predict"],
                              capture_output=True, text=True, check=True).stdout
        check(f"every answer to the load on {name} is a success", "Non-2xx" in text, False)
        rows.append((name, float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), re.search(r"50%\s+(\S+)", text).group(1),
                     re.search(r"99%\s+(\S+)", text).group(1)))
    print(f"\n{'72 of 100 questions repeated':32}{'requests/s':>12}{'p50':>10}{'p99':>10}")
    for name, rate, p50, p99 in rows:
        print(f"{name:32}{rate:12.0f}{p50:>10}{p99:>10}")
    print(f"{'ratio':32}{rows[1][1] / rows[0][1]:12.2f}\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("venv")
    parser.add_argument("--table", type=int, metavar="SECONDS")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        example = Example(os.path.abspath(args.binary), os.path.abspath(args.venv), work)
        try:
            example.start_service()
            example.start_gate()
            as_the_readme_says(example)
            if args.table:
                table(example, args.table)
            while_the_service_is_away(example)
        except Exception:
            for name in ("service.log", "gate.log"):
                with contextlib.suppress(OSError):
                    print(f"--- {name}\n{open(os.path.join(work, name)).read()[-3000:]}", file=sys.stderr)
            raise
        finally:
            example.stop(example.gate)
            example.stop(example.service)


if __name__ == "__main__":
    sys.exit(main())
