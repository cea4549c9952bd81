#!/usr/bin/env bash
# The Debian package in a clean Debian 12: installs, starts, answers, is upgraded, goes, and takes data with it on a purge alone.
#
#   tests/deploy/deb_test.sh FOLDER-WITH-DEBS WORK
#
# Every check is a line `ok ...` or `not ok ...`. 77: it cannot be tried here (no root, no debootstrap, no mirror), and the last line says why.
# The clean root is made once by debootstrap and kept in WORK as an archive. systemd does not run in it: the server is started by hand, as
# the unit starts it; the unit itself is judged by systemd-analyze.
set -uo pipefail
debs=$(readlink -f "$1")
work=$(mkdir -p "$2" && readlink -f "$2")
here=$(dirname "$(readlink -f "$0")")/../..
root=$work/root
port=18300
server=

skip() {
    echo "skipped: $1"
    exit 77
}
ok() { echo "ok $1"; }
not_ok() {
    echo "not ok $1"
    bad=1
}
bad=0
check() { # check NAME COMMAND...
    local name=$1
    shift
    if "$@" >"$work/last.log" 2>&1; then ok "$name"; else
        not_ok "$name"
        tail -5 "$work/last.log"
    fi
}
in_root() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
end_server() { if [ -n "$server" ]; then kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; server=; fi; }
leave() {
    end_server
    umount "$root/proc" 2>/dev/null
    umount "$root/dev" 2>/dev/null
    rm -rf "$root"
}
trap leave EXIT

[ "$(id -u)" -eq 0 ] || skip "needs root, for chroot"
command -v debootstrap >/dev/null || skip "debootstrap is not installed"
[ -n "$(find "$debs" -name 'tidegate_*.deb' 2>/dev/null)" ] || skip "no package in $debs: ./dev package"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -v -e security -e updates | grep debian | head -1)

clean_root() {
    rm -rf "$root"
    mkdir -p "$root"
    if [ -s "$work/bookworm.tar" ] && tar -xf "$work/bookworm.tar" -C "$root"; then return; fi
    debootstrap --variant=minbase --include=ca-certificates,curl bookworm "$root" "$mirror" >"$work/debootstrap.log" 2>&1 || return 1
    tar -cf "$work/bookworm.tar.new" -C "$root" . && mv "$work/bookworm.tar.new" "$work/bookworm.tar"
}
clean_root || skip "debootstrap cannot make a root: $(tail -1 "$work/debootstrap.log")"
mount -t proc proc "$root/proc" 2>/dev/null && mount --bind /dev "$root/dev" 2>/dev/null || skip "nothing can be mounted here"
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null
printf 'deb %s bookworm main\n' "$mirror" >"$root/etc/apt/sources.list"
# What the machine's own apt needs to reach its mirror.
cp /etc/apt/apt.conf.d/*proxy* "$root/etc/apt/apt.conf.d/" 2>/dev/null
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
mkdir "$root/debs" && cp "$debs"/*.deb "$root/debs/"
in_root apt-get update -q >"$work/apt.log" 2>&1 || skip "the clean root reaches no mirror: $(tail -1 "$work/apt.log")"

start_server() {
    # As the unit does it: the account, the settings, nothing else.
    chroot --userspec=tidegate:tidegate "$root" /usr/bin/env -i PATH=/usr/bin TIDEGATE_SERVER_PORT=$port /usr/bin/tidegate serve \
        --config /etc/tidegate/tidegate.yaml >>"$work/server.log" 2>&1 &
    server=$!
    for _ in $(seq 1 300); do
        kill -0 "$server" 2>/dev/null || return 1
        if in_root env TIDEGATE_SERVER_PORT=$port tidegate health --config /etc/tidegate/tidegate.yaml >/dev/null 2>&1; then return 0; fi
        sleep 0.2
    done
    return 1
}
ask() {
    curl -sf "http://127.0.0.1:$port/api/v1/detect/text" -H 'Content-Type: application/json' -d @"$here/tools/dev/first_request.json" | grep -q analysis_id
}
install_debs() { in_root apt-get install -y -q --no-install-recommends $(cd "$root" && printf '/%s ' debs/*.deb); }
is_gone() { for path in "$@"; do if [ -e "$root$path" ] || [ -L "$root$path" ]; then echo "$path is still there"; return 1; fi; done; }
is_there() { for path in "$@"; do if [ ! -e "$root$path" ] && [ ! -L "$root$path" ]; then echo "$path is missing"; return 1; fi; done; }
owner_is() { [ "$(in_root stat -c '%U:%G %a' "$2")" = "$1" ]; }

: >"$work/server.log"
check "it installs, its libraries come with it" install_debs
check "the program runs on them" in_root tidegate version
check "it made its account" in_root getent passwd tidegate
check "its folders are its own" owner_is "tidegate:tidegate 750" /var/lib/tidegate
check "others cannot read the settings" owner_is "root:tidegate 640" /etc/tidegate/tidegate.yaml
check "the settings are valid" in_root tidegate config check --config /etc/tidegate/tidegate.yaml
check "the service is enabled" is_there /etc/systemd/system/multi-user.target.wants/tidegate.service
check "it starts and is ready" start_server
check "it answers a first question" ask
check "models can be served" sh -c "curl -sf http://127.0.0.1:$port/health | grep -q '\"runtime\":{\"available\":true'"
end_server
check "what it kept verifies" in_root tidegate audit verify /var/lib/tidegate/audit --key /var/lib/tidegate/checkpoint.key.pub
printf '\n# A word of the administrator.\n' >>"$root/etc/tidegate/tidegate.yaml"
check "it is installed over itself, as by an upgrade" in_root sh -c 'dpkg -i /debs/*.deb'
check "the administrator's settings outlive that" grep -q 'A word of the administrator' "$root/etc/tidegate/tidegate.yaml"
check "it starts again on its data" start_server
check "and answers" ask
end_server
check "it is removed" in_root apt-get remove -y -q tidegate tidegate-onnxruntime
check "the program is gone" is_gone /usr/bin/tidegate /lib/systemd/system/tidegate.service /usr/lib/tidegate
check "data and settings stay" is_there /var/lib/tidegate/tidegate.db /etc/tidegate/tidegate.yaml
check "it is purged" in_root apt-get purge -y -q tidegate tidegate-onnxruntime
check "nothing is left" is_gone /var/lib/tidegate /var/log/tidegate /etc/tidegate /etc/logrotate.d/tidegate \
    /etc/systemd/system/multi-user.target.wants/tidegate.service
check "the account is gone" sh -c "! grep -q '^tidegate:' '$root/etc/passwd'"
exit $bad
