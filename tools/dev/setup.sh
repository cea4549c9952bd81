# ./dev setup: the packages of tools/apt.txt, each installed once; nothing else on the machine is changed.

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo -- env DEBIAN_FRONTEND=noninteractive "$@"
    else
        return 1
    fi
}

# name=version lines of tools/apt.txt.
apt_pins() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' tools/apt.txt | grep '=' || true; }

# Names of pinned packages that are not installed.
apt_missing() {
    local installed
    installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null | sed -n 's/^ii *//p' | sort -u)
    apt_pins | sed 's/=.*//' | sort | comm -23 - <(printf '%s\n' "$installed")
}

# Debian starts a service when its package is installed; nginx is here to be measured, not to take port 80. The policy
# file that forbids the start is there for the length of the installation only, and one that was there before stays.
policy_file=/usr/sbin/policy-rc.d
forbid_services() {
    policy_ours=no
    [ -e "$policy_file" ] && return
    policy_ours=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy_file" >/dev/null
    as_root chmod 755 "$policy_file"
}
allow_services() { if [ "${policy_ours:-no}" = yes ]; then as_root rm -f "$policy_file"; fi; }

apt_install() {
    local name version wanted=() pins
    pins=$(apt_pins)
    for name in "$@"; do
        version=$(sed -n "s/^$(printf '%s' "$name" | sed 's/[.*]/\\&/g')=//p" <<<"$pins")
        if apt-cache madison "$name" | awk -F'|' '{gsub(/ /, "", $2); print $2}' | grep -qxF -- "$version"; then
            wanted+=("$name=$version")
        else
            say "setup: $name $version has left the archive; taking $(apt-cache policy "$name" | sed -n 's/ *Candidate: //p')"
            wanted+=("$name")
        fi
    done
    local log=build/setup.log
    say "setup: installing ${#wanted[@]} packages (log in $log)"
    trap allow_services EXIT
    forbid_services
    if ! as_root apt-get install -y -q --no-install-recommends "${wanted[@]}" >"$log" 2>&1 </dev/null; then
        # A pin can clash with a newer library that is installed already; the archive's own set cannot.
        say "setup: the pinned versions do not fit this machine together; taking the archive's own"
        if ! as_root apt-get install -y -q --no-install-recommends "$@" >>"$log" 2>&1 </dev/null; then
            tail -20 "$log" >&2
            die "apt-get install failed"
        fi
    fi
    allow_services
    trap - EXIT
}

setup() {
    export DEBIAN_FRONTEND=noninteractive
    mkdir -p build
    local stamp="build/.setup-$(sha256sum tools/apt.txt | cut -c1-16)"
    [ -e "$stamp" ] && [ -z "$(apt_missing)" ] && return
    command -v apt-get >/dev/null 2>&1 || die "this script sets up Debian 12; without apt-get, install tools/apt.txt by hand"
    local missing
    mapfile -t missing < <(apt_missing)
    if [ "${#missing[@]}" -gt 0 ]; then
        if ! as_root true; then
            die "root or sudo is needed to install packages. As root: apt-get install ${missing[*]}"
        fi
        say "setup: ${#missing[@]} packages are missing; reading the package lists"
        as_root apt-get update -q >build/setup.log 2>&1 </dev/null || say "setup: apt-get update failed; trying with the lists that are here"
        apt_install "${missing[@]}"
    fi
    rm -f build/.setup-*
    touch "$stamp"
    say "setup: all $(apt_pins | wc -l) packages are installed"
}
