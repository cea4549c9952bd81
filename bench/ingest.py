#!/usr/bin/env python3
"""Decisions a second through POST /api/v1/decisions/batch, with the CPU of the server for each.

usage: ingest.py BINARY [--lines N] [--connections C] [--out FILE]

Makes N decisions of some 300 bytes, sends them with `tidegate ingest` to a server in a folder of its own, then sends them
again (all duplicates: each is looked up in the log). Server and sender share the machine; CPU is told apart by process.
"""
import argparse, json, os, platform, re, resource, shutil, socket, subprocess, sys, tempfile, time, urllib.request


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1)) * 1024


def main():
    p = argparse.ArgumentParser()
    p.add_argument("binary")
    p.add_argument("--lines", type=int, default=400_000)
    p.add_argument("--connections", type=int, default=2)
    p.add_argument("--out")
    a = p.parse_args()
    folder = tempfile.mkdtemp(prefix="tidegate-ingest-")
    server = None
    try:
        path = folder + "/lines.ndjson"
        with open(path, "w") as f:
            for n in range(a.lines):
                f.write(json.dumps({
                    "request_id": f"call-{n:09d}", "timestamp": "2026-03-01T12:%02d:%02d.%03dZ" % (n // 60000 % 60, n // 1000 % 60, n % 1000),
                    "input_hash": "%064x" % (n * 7919), "input_size": 812, "source": "desk", "operation": "answer/text", "model": "scorer",
                    "model_version": "3.1", "output": {"answer": "yes", "score": round(n % 97 / 97, 4)},
                    "confidence_scores": {"yes": 0.9, "no": 0.1}, "processing_time_ms": 4.5, "tokens_used": 212, "user_id": f"desk-{n % 50}"},
                    separators=(",", ":")) + "\n")
        port = free_port()
        server = subprocess.Popen([a.binary, "serve", "--port", str(port), "--data-dir", folder + "/data"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/live", timeout=1).read()
                break
            except OSError:
                time.sleep(0.1)
        result = {"what": "decisions from elsewhere through POST /api/v1/decisions/batch", "lines": a.lines,
                  "line_bytes": round(os.path.getsize(path) / a.lines, 1), "connections": a.connections, "cores": os.cpu_count(),
                  "machine": platform.machine(), "runs": []}
        for name in ("new", "again"):
            before_cpu, before_rss = cpu_seconds(server.pid), resident(server.pid)
            child = resource.getrusage(resource.RUSAGE_CHILDREN)
            begun = time.monotonic()
            sent = subprocess.run([a.binary, "ingest", path, "--server", f"http://127.0.0.1:{port}", "--connections", str(a.connections)],
                                  capture_output=True, text=True)
            took = time.monotonic() - begun
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            server_cpu = cpu_seconds(server.pid) - before_cpu
            result["runs"].append({
                "run": name, "said": sent.stdout.strip(), "exit": sent.returncode, "seconds": round(took, 3),
                "decisions_per_s": round(a.lines / took), "server_cpu_us_per_decision": round(server_cpu * 1e6 / a.lines, 2),
                "sender_cpu_us_per_decision": round((after.ru_utime + after.ru_stime - child.ru_utime - child.ru_stime) * 1e6 / a.lines, 2),
                "server_grown_mib": round((resident(server.pid) - before_rss) / 2**20, 1)})
        print(json.dumps(result, indent=1))
        if a.out:
            with open(a.out, "w") as f:
                json.dump(result, f, indent=1)
                f.write("\n")
        return 0 if all(r["exit"] == 0 for r in result["runs"]) else 1
    finally:
        if server:
            server.terminate()
            server.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
