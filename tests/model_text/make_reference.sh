#!/usr/bin/env bash
# make_reference.sh ENVIRONMENT FOLDER: runs reference.py once for its version, behind this script, and waits up to 45 s for it.
# Ends with 0 when FOLDER holds the whole reference, 2 while it is being written, 1 when it cannot be.
set -euo pipefail

environment=$1 folder=$2
here=$(cd "$(dirname "$0")" && pwd)
version=$(cat "$here/reference.py" "$here/requirements.txt" "$folder/assigned.txt" | sha256sum | cut -d' ' -f1)
is_complete() { [ "$(cat "$folder/complete" 2>/dev/null)" = "$version" ]; }

write() {
    rm -f "$folder/complete" "$folder"/*.json "$folder"/*.jsonl
    "$environment/bin/python" "$here/reference.py" "$folder" >"$folder/log" 2>&1 && printf '%s' "$version" >"$folder/complete"
}

is_complete && exit 0
exec 9>"$folder/lock"
# Who holds the lock writes; it is inherited by the writer behind this script.
if flock -n 9; then (write) </dev/null >/dev/null 2>&1 & fi
exec 9>&-
for _ in $(seq 450); do
    is_complete && exit 0
    if flock -n "$folder/lock" true; then break; fi
    sleep 0.1
done
is_complete && exit 0
if flock -n "$folder/lock" true; then exit 1; fi
exit 2
