#!/usr/bin/env python3
"""What the load benchmarks run against, in a folder: a small ONNX model (x[-1,16] -> y[-1,4], written byte by byte), an upstream's nginx.conf, settings.

Use    bench/load_place.py FOLDER SERVER_PORT UPSTREAM_PORT [CACHE_BYTES [DATA_FOLDER]]
       bench/load_place.py --decisions N      N decisions made elsewhere, a JSON text in each line, to standard output
"""
import os
import struct
import sys
import time


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """A varint, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


FLOAT = 1


def value_info(name, dims):
    shape = b"".join(field(1, field(2, "n") if d < 0 else field(1, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, shape)))


def tensor(name, dims, values):
    return b"".join(field(1, d) for d in dims) + field(2, FLOAT) + field(8, name) + field(9, struct.pack(f"<{len(values)}f", *values))


def node(kind, inputs, outputs):
    return b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs) + field(4, kind)


def linear_model(width, out):
    graph = field(1, node("MatMul", ["x", "w"], ["h"])) + field(1, node("Add", ["h", "b"], ["y"])) + field(2, "linear")
    graph += field(5, tensor("w", [width, out], [(i % 7 - 3) / 10 for i in range(width * out)])) + field(5, tensor("b", [out], [0.1] * out))
    graph += field(11, value_info("x", [-1, width])) + field(12, value_info("y", [-1, out]))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 17))


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def place(folder, server, upstream, cache_bytes="", data=""):
    write(f"{folder}/models/linear/1/model.onnx", linear_model(16, 4))
    write(f"{folder}/models/linear/config.yaml", "max_batch_size: 32\n")
    temp = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    write(f"{folder}/nginx.conf", f"""worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; tcp_nodelay on; {temp}
  server {{ listen 127.0.0.1:{upstream}; location / {{ default_type application/json; return 200 '{{"station":"x","level_m":1.25,"note":"{"x" * 400}"}}'; }} }} }}
""")
    write(f"{folder}/tidegate.yaml", f"""server: {{port: {server}}}
data: {{dir: {data or folder + "/data"}}}
models: {{folder: {folder}/models}}
pipeline: {{access_log: false}}
log: {{level: warn}}
{f"cache: {{memory_bytes_max: {cache_bytes}}}" if cache_bytes else ""}
upstreams:
  app: {{targets: [{{url: "http://127.0.0.1:{upstream}"}}]}}
routes:
  stations: {{path: "/stations/{{id}}", upstream: app, cache: {{mode: fixed, ttl_s: 600}}}}
""")


def decisions(count):
    """Of the last 30 days, evenly and in order: 4 sources, 3 operations, 2 models of 3 versions each, 1 in 50 an error (some 150 kinds of decision)."""
    begin = time.time() - 30 * 86400
    step = 30 * 86400 / count
    out = sys.stdout
    for n in range(count):
        at = begin + n * step
        if n % 1000 == 0 or int(at) != second:  # strftime is the slow part.
            second = int(at)
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
        mixed = n * 2654435761 % 4294967296 >> 7
        failed = mixed % 50 == 0
        outcome = '"status":"error","error_message":"timeout: no answer in time"' if failed else '"status":"success","output":{"answer":"yes"},"confidence_scores":{"yes":0.9,"no":0.1}'
        out.write(f'{{"request_id":"call-{n:09d}","timestamp":"{stamp}.{int(at * 1000) % 1000:03d}Z","input_hash":"{n * 7919:064x}","input_size":812,'
                  f'"source":"desk-{mixed % 4}","operation":"{("answer/text", "sort/text", "read/image")[mixed // 4 % 3]}","model":"scorer-{mixed // 12 % 2}",'
                  f'"model_version":"3.{mixed // 24 % 3}",{outcome},"processing_time_ms":{1 + mixed % 997 / 10},"tokens_used":212,"user_id":"desk-{n % 50}"}}\n')


if __name__ == "__main__":
    if sys.argv[1] == "--decisions":
        decisions(int(sys.argv[2]))
    else:
        place(os.path.abspath(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
