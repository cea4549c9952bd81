#!/usr/bin/env bash
# The dashboard of a tidegate binary in a real Chromium: every page, with and without data, on a phone, in the dark, beside the server's
# own figures, while the server stops and comes back; axe finds nothing. Usage: run.sh BINARY WORK_DIR
#
# Needs node (18 or later), npm and chromium; playwright-core and axe-core are fetched into WORK_DIR once. Pictures: WORK_DIR/pictures.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
binary=$(readlink -f "${1:?usage: run.sh BINARY WORK_DIR}")
mkdir -p "${2:?usage: run.sh BINARY WORK_DIR}"
work=$(readlink -f "$2")

cp "$here/package.json" "$here"/*.mjs "$work/"
# Models are tried where ./dev setup has put the runtime; elsewhere the pages must say that there is none.
runtime=$here/../../build/deps/onnxruntime/lib/libonnxruntime.so.1
if [ -z "${ONNX_RUNTIME_LIBRARY:-}" ] && [ -e "$runtime" ]; then ONNX_RUNTIME_LIBRARY=$(readlink -f "$runtime"); fi
export ONNX_RUNTIME_LIBRARY=${ONNX_RUNTIME_LIBRARY:-}
if [ ! -d "$work/node_modules/playwright-core" ] || ! cmp -s "$here/package.json" "$work/.fetched"; then
    (cd "$work" && npm install --ignore-scripts --no-audit --no-fund --no-package-lock >npm.log 2>&1) || { tail -5 "$work/npm.log"; exit 77; }
    cp "$here/package.json" "$work/.fetched"
fi
exec node "$work/run.mjs" "$binary" "$work"
