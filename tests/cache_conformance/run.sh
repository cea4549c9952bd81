#!/usr/bin/env bash
# The cache conformance suite against a tidegate binary, with one route that passes everything through and everything that RFC 9111
# leaves to the operator turned on. Usage: run.sh BINARY WORK_DIR [options of run.mjs]
#
# Needs node (18 or later) and npm; the suite is fetched into WORK_DIR once.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
binary=$(readlink -f "${1:?usage: run.sh BINARY WORK_DIR [options of run.mjs]}")
mkdir -p "${2:?usage: run.sh BINARY WORK_DIR [options of run.mjs]}"
work=$(readlink -f "$2")
shift 2

"$here/fetch.sh" "$work/suite"

# Two free ports of loopback.
read -r origin_port proxy_port < <(node -e '
    const net = require("node:net")
    const servers = [0, 0].map(() => net.createServer().listen(0, "127.0.0.1"))
    Promise.all(servers.map(s => new Promise(done => s.on("listening", () => done(s.address().port))))).then(ports => {
        console.log(ports.join(" "))
        for (const s of servers) s.close()
    })')

rm -rf "$work/data"
cat >"$work/tidegate.yaml" <<YAML
pipeline: {access_log: false}
upstreams:
  suite:
    targets: [{url: "http://127.0.0.1:$origin_port"}]
    # The suite's origin fails on purpose: it counts what it is asked, and no failure may put it aside.
    retries: {attempts_max: 1}
    breaker: {enabled: false}
    outlier: {enabled: false}
routes:
  suite:
    path: /{rest...}
    upstream: suite
    access: open
    record: "off"
    cache:
      mode: http
      shared: true
      stale_when_gone: true
      heuristics: true
      strict_age: true
      share_set_cookie: true
      store_post: true
      trust_any_304: true
      select_language: true
YAML

node "$here/run.mjs" --suite "$work/suite" --base "http://127.0.0.1:$proxy_port" --origin-port "$origin_port" "$@" -- \
    "$binary" serve --config "$work/tidegate.yaml" --address 127.0.0.1 --port "$proxy_port" --data-dir "$work/data"
