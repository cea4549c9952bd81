# ./dev package [--check]: the Debian packages in build/release/packages, made by CPack from the release build. --check, before a release:
# lintian, the package in a clean Debian 12, the container's last stage (as root; what is not at hand is said).

# make_packages BUILD OUT: BUILD has the program already.
make_packages() {
    local built=$1 out=$2
    rm -rf "$out"
    mkdir -p "$out"
    ninja -C "$built" package_files >"$out/cpack.log" 2>&1 &&
        (cd "$built" && cpack -G DEB -B "$out" >>"$out/cpack.log" 2>&1) || { tail -15 "$out/cpack.log" >&2; return 1; }
    rm -rf "$out/_CPack_Packages" "$out"/*.log
}

# check_one NAME COMMAND...: 77 is not tried, and said.
check_one() {
    local name=$1 status=0
    shift
    say "package: $name"
    "$@" || status=$?
    if [ "$status" -eq 77 ]; then say "package: $name is NOT TRIED"; return; fi
    [ "$status" -eq 0 ] || die "$name: see above"
}

# Errors alone: that an initial upload closes no bug, and that CPack runs ldconfig, are known.
lintian_errors() { command -v lintian >/dev/null || return 77; lintian --fail-on error "$@"; }

check_packages() {
    local packages=$PWD/build/release/packages
    check_one "lintian" lintian_errors "$packages"/*.deb
    check_one "the files of deploy/" tests/deploy/run.sh build/release/tidegate build/deploy-test
    check_one "a clean Debian 12" tests/deploy/deb_test.sh "$packages" build/deploy-test
    check_one "the container" tests/deploy/container_test.sh "$packages" build/deploy-test
}

package() {
    build_preset release tidegate || die "the server does not build"
    make_packages build/release "$PWD/build/release/packages" || die "the packages cannot be made"
    say "package: $(find build/release/packages -name '*.deb' -printf '%f ')in build/release/packages"
    if [ "${1:-}" = --check ]; then check_packages; fi
}
