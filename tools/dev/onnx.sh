# ./dev setup --onnx: ONNX Runtime 1.21.0 into build/deps/onnxruntime (include/, lib/), with nothing installed. Debian 12 has no
# package; Debian 13's headers are plain C++ and fit, its library wants a newer glibc, so the library comes from npm's
# onnxruntime-node, whose install script (it would fetch CUDA libraries) is not run. tools/onnx.txt holds the sums.

# One archive through apt with its own sources, lists and cache: the machine's apt is not touched.
fetch_onnx_headers() {
    local home=$1 name=$2 mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -v security | head -1)
    [ -n "$mirror" ] || return 1
    mkdir -p "$home"/{lists/partial,cache/archives/partial}
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s trixie main\n' \
        "$mirror" >"$home/sources.list"
    local apt=(apt-get -q -o "Dir::Etc::sourcelist=$home/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$home/lists" -o "Dir::Cache=$home/cache" -o APT::Sandbox::User=root
        -o Acquire::Languages=none)
    "${apt[@]}" update >"$home/log" 2>&1 || return 1
    (cd "$home" && "${apt[@]}" download "$name" >>log 2>&1)
}

fetch_onnx() {
    local home=$PWD/build/deps/onnxruntime work=$PWD/build/deps/onnx-work file sum
    if [ -e "$home/.complete" ] && cmp -s tools/onnx.txt "$home/.complete"; then
        say "setup: ONNX Runtime is in build/deps/onnxruntime"
        return
    fi
    command -v npm >/dev/null 2>&1 || die "npm is needed to fetch ONNX Runtime: apt-get install npm"
    rm -rf "$work" "$home"
    mkdir -p "$work" "$home/lib" "$home/include"
    say "setup: fetching ONNX Runtime's headers (Debian 13's libonnxruntime-dev, unpacked only)"
    fetch_onnx_headers "$work" libonnxruntime-dev || { tail -5 "$work/log" >&2 2>/dev/null || true; die "the headers cannot be fetched"; }
    say "setup: fetching ONNX Runtime's library (npm onnxruntime-node@1.21.0, 80 MB, no script run)"
    (cd "$work" && npm pack --silent --ignore-scripts onnxruntime-node@1.21.0 >npm.log 2>&1) ||
        { tail -5 "$work/npm.log" >&2; die "the library cannot be fetched"; }
    while read -r sum file; do
        case $sum in '' | '#'*) continue ;; esac
        echo "$sum  $work/$file" | sha256sum -c --status - || die "$file is not the file whose sum stands in tools/onnx.txt"
    done <tools/onnx.txt
    dpkg-deb -x "$work"/libonnxruntime-dev_*.deb "$work/deb"
    cp -r "$work/deb/usr/include/onnxruntime/." "$home/include/"
    tar -xzf "$work/onnxruntime-node-1.21.0.tgz" -C "$work" package/bin/napi-v3/linux/x64
    cp "$work/package/bin/napi-v3/linux/x64/libonnxruntime.so.1" "$home/lib/"
    rm -rf "$work"
    cp tools/onnx.txt "$home/.complete"
    say "setup: ONNX Runtime 1.21.0 is in build/deps/onnxruntime"
}
