#!/usr/bin/env bash
# Fetches the cache conformance suite into a folder (of the build tree; it never enters the repository). Nothing is fetched
# again when it is there. Usage: fetch.sh DIR
set -euo pipefail

suite=http-cache-tests@0.4.5
# The tarball as published; a different one is refused.
suite_sha512=DjuwN9nUZXLTW+wav1LRESCZNVxl8SshwOy4z1pxuWbWt5/ay6sM9QQ1lebBaDO6P1IMBoK6mdf+PuVP/QNL8A==
# The one library of the suite's dependencies that its client needs; the package lists a whole npm beside it.
fetch_library=node-fetch@2.7.0

dir=${1:?usage: fetch.sh DIR}
mark=$dir/.fetched
if [ -e "$mark" ] && [ "$(cat "$mark")" = "$suite $fetch_library" ]; then
    exit 0
fi
rm -rf "$dir"
mkdir -p "$dir"
(cd "$dir" && npm pack --silent "$suite" >/dev/null)
tarball=$dir/${suite%@*}-${suite#*@}.tgz
got=$(openssl dgst -sha512 -binary "$tarball" | base64 --wrap=0)
if [ "$got" != "$suite_sha512" ]; then
    echo "fetch.sh: $suite is not the package it was" >&2
    exit 1
fi
tar -xzf "$tarball" -C "$dir"
npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix "$dir" "$fetch_library" >/dev/null
printf '%s' "$suite $fetch_library" >"$mark"
