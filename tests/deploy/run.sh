#!/usr/bin/env bash
# The checks of deploy/'s files: tests/deploy/run.sh BINARY WORK. 77: their Python packages cannot be had, and the last line says so.
set -euo pipefail
binary=$1 work=$2
here=$(dirname "$(readlink -f "$0")")
mkdir -p "$work"
skip() {
    echo "skipped: $1"
    exit 77
}

venv=$work/venv
if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv" >"$work/venv.log" 2>&1 || skip "no Python environment can be made (python3-venv)"
    "$venv/bin/pip" install -q -r "$here/requirements.txt" >"$work/pip.log" 2>&1 || skip "the Python packages cannot be fetched"
    cp "$here/requirements.txt" "$venv/installed.txt"
fi
# The schema alone: the program itself is not installed.
spec=$work/compose_spec.json
if [ ! -s "$spec" ]; then
    "$venv/bin/pip" download -q --no-deps -d "$work/wheel" docker-compose==1.29.2 >"$work/pip.log" 2>&1 || skip "the compose schema cannot be fetched"
    python3 - "$work"/wheel/docker_compose-*.whl "$spec" <<'END'
import sys, zipfile
open(sys.argv[2], "wb").write(zipfile.ZipFile(sys.argv[1]).read("compose/config/compose_spec.json"))
END
fi
exec "$venv/bin/python" "$here/files_test.py" "$binary" "$spec"
