# The dashboard: web/app made into build/web/dashboard.pack, which CMake puts into the binary. Made again when a source of it changed.
# Without npm or a way to its registry the binary is built without the dashboard, and says so where the page would be.

need_node() {
    command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 && return
    say "setup: installing nodejs and npm"
    mkdir -p build
    as_root apt-get install -y -q --no-install-recommends nodejs npm >build/node.log 2>&1 </dev/null || { tail -5 build/node.log >&2; return 1; }
}

web_sources() {
    find web/app -path web/app/node_modules -prune -o -path web/app/dist -prune -o -type f ! -name dashboard.pack -print0 |
        sort -z | xargs -0 sha256sum | sha256sum | cut -c1-32
}

build_web() {
    local stamp
    stamp=$(web_sources)
    [ "$(cat build/web/stamp 2>/dev/null)" = "$stamp" ] && [ -s build/web/dashboard.pack ] && return
    mkdir -p build/web
    if ! need_node; then
        say "build: no npm here; the binary is built WITHOUT the dashboard"
        return
    fi
    say "build: dashboard"
    # No install script of any package is run: none is needed.
    if ! (cd web/app && { npm ci --ignore-scripts --no-audit --no-fund && npm run build; }) >build/web/log 2>&1; then
        tail -15 build/web/log >&2
        # A page that does not compile is a mistake; a registry that cannot be reached is not.
        if [ -d web/app/node_modules/vite ]; then return 1; fi
        say "build: npm's registry cannot be reached; the binary is built WITHOUT the dashboard"
        return
    fi
    cp web/app/dashboard.pack build/web/dashboard.pack.new
    mv build/web/dashboard.pack.new build/web/dashboard.pack
    echo "$stamp" >build/web/stamp
    say "build: $(tail -1 build/web/log)"
}
