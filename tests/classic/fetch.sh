#!/usr/bin/env bash
# fetch.sh FOLDER: a Python environment with scikit-learn, XGBoost and the converters of tools/models/requirements.txt (360 MB). Made once; what
# is there stays. Without a way to the package index it ends with 1 and says so.
set -euo pipefail

mkdir -p "$1"
folder=$(cd "$1" && pwd)
wanted=$(cd "$(dirname "$0")/../.." && pwd)/tools/models/requirements.txt
cmp -s "$wanted" "$folder/python.txt" && exit 0
[ -x "$folder/bin/pip" ] || python3 -m venv "$folder" >"$folder/log" 2>&1 || { echo "python3-venv is not here"; exit 1; }
"$folder/bin/pip" install -q --disable-pip-version-check -r "$wanted" >"$folder/log" 2>&1 ||
    { echo "the packages cannot be installed: $(tail -1 "$folder/log")"; exit 1; }
cp "$wanted" "$folder/python.txt"
