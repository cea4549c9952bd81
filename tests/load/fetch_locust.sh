#!/usr/bin/env bash
# fetch_locust.sh FOLDER: the real Locust in FOLDER, made once. Without a way to the package index it ends with 1 and says so.
set -euo pipefail
wanted=$(cd "$(dirname "$0")/../../examples/load" && pwd)/requirements.txt
mkdir -p "$1"
cmp -s "$wanted" "$1/installed.txt" && exit 0
[ -x "$1/bin/pip" ] || python3 -m venv "$1" >"$1/log" 2>&1 || { echo "python3 -m venv does not work"; exit 1; }
"$1/bin/pip" install -q --disable-pip-version-check -r "$wanted" >"$1/log" 2>&1 || { echo "Locust cannot be installed: $(tail -1 "$1/log")"; exit 1; }
cp "$wanted" "$1/installed.txt"
