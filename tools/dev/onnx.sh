# ./dev setup, build, run, test: ONNX Runtime 1.21.0 into build/deps/onnxruntime (include/, lib/), with nothing installed but npm.
# Where it cannot be fetched the build goes on without it, and says so; `./dev setup --onnx` fails then. Debian 12 has no
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

onnx_is_here() { [ -e build/deps/onnxruntime/.complete ] && cmp -s tools/onnx.txt build/deps/onnxruntime/.complete; }

# unpack_onnx WORK: what was fetched, into WORK/new.
unpack_onnx() {
    local work=$1
    dpkg-deb -x "$work"/libonnxruntime-dev_*.deb "$work/deb" && cp -r "$work/deb/usr/include/onnxruntime/." "$work/new/include/" &&
        tar -xzf "$work/onnxruntime-node-1.21.0.tgz" -C "$work" package/bin/napi-v3/linux/x64 &&
        cp "$work/package/bin/napi-v3/linux/x64/libonnxruntime.so.1" "$work/new/lib/" && cp tools/onnx.txt "$work/new/.complete"
}

# In a shell of its own: die ends that shell alone.
fetch_onnx() (
    home=$PWD/build/deps/onnxruntime work=$PWD/build/deps/onnx-work
    if onnx_is_here; then
        say "setup: ONNX Runtime is in build/deps/onnxruntime"
        exit 0
    fi
    trap 'rm -rf "$work"' EXIT
    [ "$(uname -m)" = x86_64 ] || die "tools/onnx.txt names the library for x86_64 alone"
    need_node || die "npm is needed to fetch ONNX Runtime: apt-get install npm"
    rm -rf "$work"
    mkdir -p "$work/new/lib" "$work/new/include" || die "build/deps cannot be written"
    say "setup: fetching ONNX Runtime's headers (Debian 13's libonnxruntime-dev, unpacked only)"
    fetch_onnx_headers "$work" libonnxruntime-dev || { tail -5 "$work/log" >&2 2>/dev/null; die "the headers cannot be fetched"; }
    say "setup: fetching ONNX Runtime's library (npm onnxruntime-node@1.21.0, 80 MB, no script run)"
    (cd "$work" && npm pack --silent --ignore-scripts onnxruntime-node@1.21.0 >npm.log 2>&1) ||
        { tail -5 "$work/npm.log" >&2; die "the library cannot be fetched"; }
    while read -r sum file; do
        case $sum in '' | '#'*) continue ;; esac
        echo "$sum  $work/$file" | sha256sum -c --status - || die "$file is not the file whose sum stands in tools/onnx.txt"
    done <tools/onnx.txt
    unpack_onnx "$work" || die "what was fetched cannot be unpacked"
    # Whole or not at all.
    rm -rf "$home"
    mv "$work/new" "$home" || die "build/deps cannot be written"
    say "setup: ONNX Runtime 1.21.0 is in build/deps/onnxruntime"
)

# want_onnx: as part of every set-up; a machine that cannot have it is told once a day what it goes without.
want_onnx() {
    if onnx_is_here; then return; fi
    if [ -n "$(find build/.no-onnx -mtime -1 2>/dev/null)" ]; then
        say "setup: without ONNX Runtime (it could not be fetched; ./dev setup --onnx tries again): models are not served"
        return
    fi
    if fetch_onnx; then
        rm -f build/.no-onnx
        # Builds that were configured without the headers look for them again.
        rm -f build/*/build.ninja
    else
        touch build/.no-onnx
        say "setup: going on without ONNX Runtime: models are not served, everything else works"
    fi
}
