#!/usr/bin/env python3
"""all-MiniLM-L6-v2 through us, against raw ONNX Runtime in a C++ loop and against a FastAPI service, one core and one thread for each.

  tensors  batches of 32 texts that are tokenized already, binary tensors: /v2/models/minilm/infer; raw runs the very same batches
  texts    32 texts a request: /v1/embeddings; raw runs the batches that these texts make when each is filled up to its longest
  singles  one text a request, 32 connections: /v1/embeddings; our batcher puts them together, the FastAPI service cannot

Everything under test runs on core 0, by turns, never side by side; the client (this program) is on core 1. A ratio is the median of the
ratios within a round. `by_cpu` compares CPU time a row (all threads, kernel included), which holds on a machine that does other work and
is the throughput of a core that nobody else wants; `by_rows_a_s` compares the clock, which does not.
Before that the answers of all routes are compared with the Python packages' (cosine).

Use    python3 -m venv V && V/bin/pip install fastapi 'uvicorn[standard]' onnxruntime==1.21.0 tokenizers numpy
       V/bin/python bench/minilm.py BINARY RAW MODEL_FOLDER [--rounds N] [--seconds S]     writes bench/results/minilm.json
       RAW is bench_minilm_raw, MODEL_FOLDER what models/minilm/convert.py lays out (FOLDER/minilm).
"""
import argparse
import base64
import http.client
import importlib.metadata
import json
import os
import random
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIBRARY = os.environ.get("TIDEGATE_MODELS_RUNTIME_LIBRARY", os.path.join(ROOT, "build/deps/onnxruntime/lib/libonnxruntime.so.1"))
WORDS = """the river rose three metres after heavy rain upstream and people near the old bridge were asked to leave their houses before night
a gauge sends its level every ten minutes while sensors drift slowly machine learning models answer questions about records nobody reads
music cooking football physics theorem hospital parliament ocean kitten naïve café 2026 3.14 tokyo don't e-mail protein""".split()
BATCH = 32


def sentences(seed, count):
    rng = random.Random(seed)
    return [" ".join(rng.choice(WORDS) for _ in range(rng.randrange(4, 30))) for _ in range(count)]


class Reference:
    def __init__(self, folder):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        self.session = onnxruntime.InferenceSession(os.path.join(folder, "1", "model.onnx"), options)
        self.tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self.tokenizer.enable_truncation(256)
        self.tokenizer.enable_padding()

    def tensors(self, texts):
        encoded = self.tokenizer.encode_batch(texts)
        return [np.array([getattr(one, part) for one in encoded], dtype=np.int64) for part in ("ids", "attention_mask", "type_ids")]

    def embed(self, texts):
        ids, mask, types = self.tensors(texts)
        return pool(self.session.run(None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": types})[0], mask)


def pool(hidden, mask):
    mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1)[:, None]
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def infer_body(tensors):
    names = ("input_ids", "attention_mask", "token_type_ids")
    head = json.dumps({"inputs": [{"name": name, "shape": list(tensor.shape), "datatype": "INT64", "parameters": {"binary_data_size": tensor.nbytes}}
                                  for name, tensor in zip(names, tensors)], "parameters": {"binary_data_output": True}}).encode()
    return head + b"".join(tensor.tobytes() for tensor in tensors), {"Inference-Header-Content-Length": str(len(head))}


def start(command, log, env=None):
    with open(log, "w") as out:
        return subprocess.Popen(["taskset", "-c", "0"] + command, stdout=out, stderr=out, env=env)


def wait_for(port, path, log):
    for _ in range(3000):
        try:
            if ask(port, "GET", path)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise RuntimeError("no answer on %d: %s" % (port, open(log).read()[-800:]))


def ask(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, headers or {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, response.read()


def ours(args, work):
    models = os.path.join(work, "models")
    shutil.copytree(args.model, os.path.join(models, "minilm"))
    config = os.path.join(models, "minilm", "config.yaml")
    text = open(config).read()
    with open(config, "w") as file:
        file.write(re.sub(r"max_batch_size: \d+", "max_batch_size: %d" % BATCH, text))
    log = os.path.join(work, "ours.log")
    server = start([args.binary, "serve", "--port", "0", "--data-dir", os.path.join(work, "data"), "--server.loops=1", "--pools.cpu_threads=1",
                    "--pipeline.access_log=false", "--models.folder=" + models, "--models.runtime_library=" + LIBRARY], log)
    for _ in range(3000):
        found = re.search(r'"event":"listening".*"port":(\d+)', open(log).read())
        if found:
            break
        time.sleep(0.02)
    wait_for(int(found.group(1)), "/v2/models/minilm/ready", log)
    return server, int(found.group(1))


def peer(args, work):
    log = os.path.join(work, "peer.log")
    server = start([sys.executable, "-m", "uvicorn", "--app-dir", os.path.join(ROOT, "bench/peers"), "minilm_fastapi:app", "--port", "18491",
                    "--log-level", "warning"], log, dict(os.environ, MODEL=args.model, THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"))
    wait_for(18491, "/live", log)
    return server, 18491


def cpu_us(pid):
    fields = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


def load(server, port, path, bodies, rows, connections, seconds):
    """Each connection asks as soon as it has its answer; only whole answers count."""
    counts, failures = [0] * connections, []
    end = time.monotonic() + seconds

    def work(number):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        at = number * len(bodies) // connections
        while time.monotonic() < end and not failures:
            body, headers = bodies[at % len(bodies)]
            at += 1
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200:
                failures.append((response.status, answer[:200]))
            counts[number] += rows
    threads = [threading.Thread(target=work, args=(i,)) for i in range(connections)]
    before, began = cpu_us(server.pid), time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, used = time.monotonic() - began, cpu_us(server.pid) - before
    if failures:
        raise RuntimeError("not every answer was 200: %r" % failures[0])
    return {"rows_a_s": sum(counts) / took, "cpu_us_a_row": used / sum(counts)}


def raw(args, batches):
    done = subprocess.run(["taskset", "-c", "0", args.raw, LIBRARY, os.path.join(args.model, "1", "model.onnx"), batches, str(args.seconds)],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def cosines(port, reference):
    texts = sentences(5, 200)
    expected = np.concatenate([reference.embed(texts[i:i + BATCH]) for i in range(0, len(texts), BATCH)])
    plain = {"Content-Type": "application/json"}

    def get(path, body, headers=plain):
        status, answer = ask(port, "POST", path, body, headers)
        if status != 200:
            raise RuntimeError("%s: %d %s" % (path, status, answer[:300]))
        return answer

    answers = {}
    floats = json.loads(get("/v1/embeddings", json.dumps({"model": "minilm", "input": texts})))
    answers["/v1/embeddings, float"] = np.array([one["embedding"] for one in floats["data"]])
    packed = json.loads(get("/v1/embeddings", json.dumps({"model": "minilm", "input": texts, "encoding_format": "base64"})))
    answers["/v1/embeddings, base64"] = np.array([np.frombuffer(base64.b64decode(one["embedding"]), np.float32) for one in packed["data"]])
    answers["/embed"] = np.array(json.loads(get("/embed", json.dumps({"inputs": texts}))))
    pooled = []
    for at in range(0, len(texts), BATCH):
        tensors = reference.tensors(texts[at:at + BATCH])
        hidden = np.frombuffer(get("/v2/models/minilm/infer", *infer_body(tensors))[-tensors[0].size * 384 * 4:], np.float32)
        pooled.append(pool(hidden.reshape(*tensors[0].shape, 384), tensors[1]))
    answers["/v2/models/minilm/infer"] = np.concatenate(pooled)
    return {route: round(float((rows * expected).sum(1).min()), 7) for route, rows in answers.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("raw")
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    args = parser.parse_args()
    os.sched_setaffinity(0, {1})
    before = os.getloadavg()
    texts = sentences(1, 8 * BATCH)
    groups = [texts[i:i + BATCH] for i in range(0, len(texts), BATCH)]
    with tempfile.TemporaryDirectory() as work:
        reference = Reference(args.model)
        tensors = [reference.tensors(group) for group in groups]
        batches = os.path.join(work, "batches")
        with open(batches, "wb") as file:
            for parts in tensors:
                file.write(struct.pack("<2q", *parts[0].shape) + b"".join(part.tobytes() for part in parts))
        bodies = {"tensors": [infer_body(parts) for parts in tensors]}
        plain = {"Content-Type": "application/json"}
        bodies["texts"] = [(json.dumps({"model": "minilm", "input": group}), plain) for group in groups]
        bodies["singles"] = [(json.dumps({"model": "minilm", "input": text}), plain) for text in texts]
        asks = {"tensors": ("/v2/models/minilm/infer", BATCH, 2), "texts": ("/v1/embeddings", BATCH, 2), "singles": ("/v1/embeddings", 1, 32)}
        servers = []
        try:
            servers.append(ours(args, work))
            same = cosines(servers[0][1], reference)
            del reference
            servers.append(peer(args, work))

            def side(which, kind, seconds):
                path, rows, connections = asks[kind]
                return load(*servers[which], path, bodies[kind], rows, connections, seconds)
            turns = {"raw": lambda s: raw(args, batches)}
            turns.update({"ours, " + kind: lambda s, kind=kind: side(0, kind, s) for kind in asks})
            turns.update({"fastapi, " + kind: lambda s, kind=kind: side(1, kind, s) for kind in ("texts", "singles")})
            for name, turn in turns.items():
                if name != "raw":
                    turn(1.0)  # Warm.
            rows = []
            for i in range(args.rounds):
                names = list(turns)[i % len(turns):] + list(turns)[:i % len(turns)]
                rows.append({name: turns[name](args.seconds) for name in names})
                print({name: (round(row["rows_a_s"], 1), round(row["cpu_us_a_row"])) for name, row in rows[-1].items()}, file=sys.stderr)
        finally:
            for server, _ in servers:
                server.terminate()
                server.wait(30)

    def ratio(ours_name, other, key):
        pairs = [(row[ours_name][key], row[other][key]) for row in rows]
        return round(statistics.median(a / b if key == "rows_a_s" else b / a for a, b in pairs), 3)

    def compare(ours_name, other, goal):
        return {"by_cpu": ratio(ours_name, other, "cpu_us_a_row"), "by_rows_a_s": ratio(ours_name, other, "rows_a_s"), "goal": goal}
    versions = {name: importlib.metadata.version(name) for name in ("fastapi", "uvicorn", "uvloop", "httptools", "onnxruntime", "tokenizers", "numpy")}
    result = {"command": "python bench/minilm.py BINARY bench_minilm_raw MODEL_FOLDER --rounds %d --seconds %g" % (args.rounds, args.seconds),
              "date": time.strftime("%FT%TZ", time.gmtime()), "cores": os.cpu_count(), "load_average": [round(x, 2) for x in before + os.getloadavg()],
              "onnxruntime": rows[0]["raw"]["onnxruntime"], "python": sys.version.split()[0], "packages": versions,
              "tokens_of_a_padded_batch": round(statistics.mean(parts[0].size for parts in tensors)),
              "real_tokens_of_a_batch": round(statistics.mean(int(parts[1].sum()) for parts in tensors)),
              "lowest_cosine_of_200_texts": same,
              "medians": {name: {key: round(statistics.median(row[name][key] for row in rows), 1) for key in ("rows_a_s", "cpu_us_a_row")} for name in turns},
              "ratios": {"ours, tensors / raw": compare("ours, tensors", "raw", 0.95), "ours, texts / raw": compare("ours, texts", "raw", 0.95),
                         "ours, singles / raw": compare("ours, singles", "raw", 0.95),
                         "ours, singles / fastapi, singles": compare("ours, singles", "fastapi, singles", 2),
                         "ours, texts / fastapi, texts": compare("ours, texts", "fastapi, texts", 2)}}
    with open(os.path.join(ROOT, "bench/results/minilm.json"), "w") as file:
        file.write(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
