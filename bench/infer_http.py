#!/usr/bin/env python3
"""A small model over HTTP: requests/s and CPU a request of POST /v2/models/tiny/infer with binary tensors.

The model is [1,4] x [4,4] + 4 numbers: about 2 us in ONNX Runtime (bench/results/model_session.json). Every request passes the whole gate
and leaves a Decision that is durable before its answer is sent. The server with all its threads has core 0, wrk has core 1. CPU a request
is what the kernel says of the whole server process (user and system, all threads), so it holds on a machine that does other work;
requests/s does only on a quiet one. With a second binary the two take turns, and each pair gives a ratio.

Use    bench/infer_http.py BINARY [--other BINARY] [--rounds N] [--seconds S] [--connections C] [--durability disk|process] [--no-result]
       writes bench/results/infer_http.json
Needs  wrk, taskset; ONNX Runtime in build/deps (./dev setup) or $TIDEGATE_MODELS_RUNTIME_LIBRARY.
"""
import argparse
import json
import os
import platform
import re
import statistics
import struct
import subprocess
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIBRARY = os.environ.get("TIDEGATE_MODELS_RUNTIME_LIBRARY", os.path.join(ROOT, "build/deps/onnxruntime/lib/libonnxruntime.so.1"))


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def text(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def tiny_model():
    """y = x w + b as onnx.proto3 has it, without a library."""
    def node(kind, inputs, output):
        return text(1, b"".join(text(1, name) for name in inputs) + text(2, output) + text(4, kind))

    def weights(name, shape):
        values = [0.25 * (i + 1) for i in range(shape[0] * (shape[1] if len(shape) > 1 else 1))]
        return text(5, b"".join(number(1, d) for d in shape) + number(2, 1) + text(8, name) + text(9, struct.pack("<%df" % len(values), *values)))

    def tensor(field, name):
        shape = text(1, text(2, "batch")) + text(1, number(1, 4))
        return text(field, text(1, name) + text(2, text(1, number(1, 1) + text(2, shape))))

    graph = (node("MatMul", ["x", "w"], "xw") + node("Add", ["xw", "b"], "y") + text(2, "tiny") + weights("w", (4, 4)) + weights("b", (4,))
             + tensor(11, "x") + tensor(12, "y"))
    return number(1, 8) + text(7, graph) + text(8, number(2, 17))


HEAD = json.dumps({"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "parameters": {"binary_data_size": 16}}],
                   "outputs": [{"name": "y", "parameters": {"binary_data": True}}]}, separators=(",", ":")).encode()
BODY = HEAD + struct.pack("<4f", 1, 2, 3, 4)
LUA = """wrk.method = "POST"
local file = io.open("%s", "rb"); wrk.body = file:read("*a"); file:close()
wrk.headers["Inference-Header-Content-Length"] = "%d"
wrk.headers["Content-Type"] = "application/octet-stream"
"""


class Server:
    def __init__(self, binary, work, name, durability):
        folder = os.path.join(work, name)
        model = os.path.join(folder, "models", "tiny", "1")
        os.makedirs(model)
        with open(os.path.join(model, "model.onnx"), "wb") as file:
            file.write(tiny_model())
        with open(os.path.join(folder, "models", "tiny", "config.yaml"), "w") as file:
            file.write("max_batch_size: 64\ndynamic_batching: {}\n")
        self.log = os.path.join(work, name + ".log")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", "0", binary, "serve", "--port", "0", "--data-dir", folder, "--server.loops=1", "--pools.cpu_threads=1",
                 "--pipeline.access_log=false", "--audit.durability=" + durability, "--models.runtime_library=" + LIBRARY],
                stdout=log, stderr=log)
        for _ in range(1500):
            found = re.search(r'"event":"listening".*"port":(\d+)', open(self.log).read())
            if found:
                self.url = "http://127.0.0.1:" + found.group(1)
                break
            time.sleep(0.02)
        else:
            raise RuntimeError("the server did not start: " + open(self.log).read()[-500:])
        for _ in range(500):
            try:
                self.ask()
                break
            except OSError:
                time.sleep(0.02)
        assert self.ask()[-16:] == struct.pack("<4f", *[sum((i + 1) * 0.25 * (4 * i + j + 1) for i in range(4)) + 0.25 * (j + 1) for j in range(4)])

    def ask(self):
        request = urllib.request.Request(self.url + "/v2/models/tiny/infer", BODY, {"Inference-Header-Content-Length": str(len(HEAD))})
        return urllib.request.urlopen(request, timeout=10).read()

    def cpu_us(self):
        fields = open("/proc/%d/stat" % self.process.pid).read().rsplit(")", 1)[1].split()
        tick = 1e6 / os.sysconf("SC_CLK_TCK")
        return int(fields[11]) * tick, int(fields[12]) * tick

    def threads_us(self):
        """CPU of each thread by its name, from the scheduler's own count in nanoseconds."""
        out = {}
        folder = "/proc/%d/task" % self.process.pid
        for thread in os.listdir(folder):
            name = open("%s/%s/comm" % (folder, thread)).read().strip()
            out[name] = out.get(name, 0) + int(open("%s/%s/schedstat" % (folder, thread)).read().split()[0]) / 1000
        return out

    def statistics(self):
        return json.load(urllib.request.urlopen(self.url + "/v2/models/tiny/stats", timeout=10))["model_stats"][0]

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def measure(server, lua, args):
    before, threads = server.cpu_us(), server.threads_us()
    out = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", "-c%d" % args.connections, "-d%d" % args.seconds, "--latency", "-s", lua,
                          server.url + "/v2/models/tiny/infer"], capture_output=True, text=True, check=True).stdout
    after, threads_after = server.cpu_us(), server.threads_us()
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError("not every answer was 200:\n" + out)
    count = int(re.search(r"(\d+) requests in", out).group(1))
    ms = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    latency = {p: float(v) * ms[u] for p, v, u in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)", out)}
    # The sum is exact; how it divides the kernel counts in ticks of 10 ms.
    cpu = (sum(threads_after.values()) - sum(threads.values())) / count
    user = (after[0] - before[0]) / max(1, sum(after) - sum(before))
    return {"requests_a_s": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), "cpu_us": cpu, "user_us": cpu * user,
            "system_us": cpu * (1 - user), "p50_ms": latency["50"], "p99_ms": latency["99"],
            "threads_us": {name: (value - threads.get(name, 0)) / count for name, value in threads_after.items()
                           if value - threads.get(name, 0) > 0.05 * count}}


def middle(rows):
    out = {}
    for key, value in rows[0].items():
        if isinstance(value, dict):
            out[key] = {name: round(statistics.median(row[key].get(name, 0) for row in rows), 2) for name in value}
        else:
            out[key] = round(statistics.median(row[key] for row in rows), 2)
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--other")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--durability", default="disk")
    parser.add_argument("--no-result", action="store_true")
    args = parser.parse_args()
    load = [os.getloadavg()]
    with tempfile.TemporaryDirectory() as work:
        with open(os.path.join(work, "body"), "wb") as file:
            file.write(BODY)
        lua = os.path.join(work, "infer.lua")
        with open(lua, "w") as file:
            file.write(LUA % (os.path.join(work, "body"), len(HEAD)))
        servers = [Server(binary, work, "server%d" % i, args.durability) for i, binary in enumerate(filter(None, (args.binary, args.other)))]
        rows = [[] for _ in servers]
        try:
            for server in servers:
                measure(server, lua, args)  # Warm.
            for turn in range(args.rounds):
                for i in range(len(servers)) if turn % 2 else reversed(range(len(servers))):
                    rows[i].append(measure(servers[i], lua, args))
            stats = servers[0].statistics()
        finally:
            for server in servers:
                server.stop()
    load.append(os.getloadavg())
    result = {"command": "bench/infer_http.py BINARY" + (" --other BINARY" if args.other else "")
              + " --rounds %d --seconds %d --connections %d --durability %s" % (args.rounds, args.seconds, args.connections, args.durability),
              "date": time.strftime("%FT%TZ", time.gmtime()), "machine": "%d cores, %s" % (os.cpu_count(), platform.machine()),
              "load_average": [round(one[0], 2) for one in load],
              "note": "medians of the rounds; server pinned to one core with all its threads, wrk to the other; a Decision for each answer",
              "ours": middle(rows[0]), "requests_a_s_by_cpu": round(1e6 / middle(rows[0])["cpu_us"]), "goal_requests_a_s": 60000,
              "passes_of_the_model": stats["execution_count"], "requests_of_the_model": stats["inference_count"]}
    if args.other:
        result["other"] = middle(rows[1])
        result["ratio_of_cpu_us"] = round(statistics.median(a["cpu_us"] / b["cpu_us"] for a, b in zip(*rows)), 3)
        result["ratio_of_requests_a_s"] = round(statistics.median(a["requests_a_s"] / b["requests_a_s"] for a, b in zip(*rows)), 3)
    print(json.dumps(result, indent=1))
    if not args.no_result:
        with open(os.path.join(ROOT, "bench/results/infer_http.json"), "w") as file:
            file.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
