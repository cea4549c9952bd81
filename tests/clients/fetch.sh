#!/usr/bin/env bash
# fetch.sh FOLDER: the real clients that the tests of inference and speech use: FOLDER/venv with tritonclient and openai, FOLDER/node with npm's openai.
# Made once; what is there stays. Without a way to the package indexes it ends with 1 and says so.
set -euo pipefail

mkdir -p "$1"
folder=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
# Two tests may want them at once; the second finds what the first has made.
exec 9>"$folder/lock"
flock 9
# What is on its way lies here too: whoever waits sees it grow.
mkdir -p "$folder/tmp"
export TMPDIR="$folder/tmp"
if ! cmp -s "$here/requirements.txt" "$folder/python.txt"; then
    [ -x "$folder/venv/bin/pip" ] || python3 -m venv "$folder/venv" >"$folder/log" 2>&1
    "$folder/venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt" >"$folder/log" 2>&1 ||
        { echo "the Python clients cannot be installed: $(tail -1 "$folder/log")"; exit 1; }
    cp "$here/requirements.txt" "$folder/python.txt"
fi
if ! cmp -s "$here/package.json" "$folder/node.json"; then
    command -v npm >/dev/null 2>&1 || { echo "npm is not here"; exit 1; }
    mkdir -p "$folder/node"
    cp "$here/package.json" "$here"/*.mjs "$folder/node/"
    (cd "$folder/node" && npm install --ignore-scripts --no-audit --no-fund >"$folder/log" 2>&1) ||
        { echo "npm's client cannot be installed: $(tail -1 "$folder/log")"; exit 1; }
    cp "$here/package.json" "$folder/node.json"
fi
cp "$here"/*.mjs "$folder/node/"
rm -rf "$folder/tmp"
