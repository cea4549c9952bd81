#!/usr/bin/env bash
# deploy/container/Containerfile, its second stage, built by buildah without an engine and without a registry: the base image is a Debian 12
# made by debootstrap (the archive that tests/deploy/deb_test.sh leaves in WORK), the first stage is replaced by the packages of ./dev package.
# The first stage runs the very commands that made those. Part of a release, not of ./dev test: a minute and more, and root.
#
#   tests/deploy/container_test.sh FOLDER-WITH-DEBS WORK
set -uo pipefail
debs=$(readlink -f "$1")
work=$(mkdir -p "$2" && readlink -f "$2")
here=$(readlink -f "$(dirname "$(readlink -f "$0")")/../..")
port=18310
server=
container=
bad=0
skip() {
    echo "skipped: $1"
    exit 77
}
check() {
    local name=$1
    shift
    if "$@" >"$work/last.log" 2>&1; then echo "ok $name"; else
        echo "not ok $name"
        tail -5 "$work/last.log"
        bad=1
    fi
}
images() { buildah --storage-driver vfs --root "$work/images" --runroot "$work/images-run" "$@"; }
leave() {
    # The group: buildah's own child is the server.
    if [ -n "$server" ]; then kill -- "-$server" 2>/dev/null; wait "$server" 2>/dev/null; fi
    images rm -a >/dev/null 2>&1
    images rmi -a -f >/dev/null 2>&1
    rm -rf "$work/context"
}
trap leave EXIT
[ "$(id -u)" -eq 0 ] || skip "needs root, for chroot"
command -v buildah >/dev/null || skip "buildah is not installed"
[ -s "$work/bookworm.tar" ] || skip "no $work/bookworm.tar: tests/deploy/deb_test.sh makes it"

base() {
    local from
    from=$(images from scratch) && images add "$from" "$work/bookworm.tar" / && images commit -q "$from" docker.io/library/debian:12-slim &&
        images rm "$from"
}
build() {
    mkdir -p "$work/context/packages" && cp "$debs"/*.deb "$work/context/packages/" &&
        images bud --isolation chroot --pull-never --format docker --build-context packages="$work/context" \
            -f "$here/deploy/container/Containerfile" -t tidegate "$work/context"
}
says() { images inspect --type image --format "$1" localhost/tidegate | grep -qF -- "$2"; }
inside() { images run --isolation chroot --user 10001:10001 "$container" -- "$@"; }
starts() {
    # A container of its own: a second run in one that runs would take its volume away.
    local own
    own=$(images from --pull-never localhost/tidegate)
    if curl -s -o /dev/null "http://127.0.0.1:$port/live"; then
        echo "somebody listens on port $port already"
        return 1
    fi
    setsid buildah --storage-driver vfs --root "$work/images" --runroot "$work/images-run" run --isolation chroot --user 10001:10001 \
        -e TIDEGATE_SERVER_PORT=$port "$own" -- /usr/bin/tidegate serve >"$work/container.log" 2>&1 &
    server=$!
    for _ in $(seq 1 200); do
        if curl -sf "http://127.0.0.1:$port/live" >/dev/null; then return 0; fi
        kill -0 "$server" || break
        sleep 0.3
    done
    cat "$work/container.log"
    return 1
}

check "a base image without a registry" base
check "the image is built" build
check "it runs as nobody in particular" says '{{.OCIv1.Config.User}}' '10001:10001'
check "it starts the server" says '{{.OCIv1.Config.Entrypoint}} {{.OCIv1.Config.Cmd}}' '[/usr/bin/tidegate] [serve]'
check "it says how it is" says '{{.Docker.Config.Healthcheck}}' 'tidegate health --path /live'
check "no secret is in its environment" sh -c "! buildah --storage-driver vfs --root '$work/images' --runroot '$work/images-run' inspect --type image --format '{{.OCIv1.Config.Env}}' localhost/tidegate | grep -iE 'secret|password|token'"
container=$(images from --pull-never localhost/tidegate)
check "the program runs in it" inside /usr/bin/tidegate version
check "it is the account of its data" inside /usr/bin/test -w /var/lib/tidegate
check "it cannot write to itself" sh -c "! buildah --storage-driver vfs --root '$work/images' --runroot '$work/images-run' run --isolation chroot --user 10001:10001 '$container' -- /usr/bin/touch /usr/bin/tidegate"
check "the server starts in it" starts
check "its own health check says so" inside env TIDEGATE_SERVER_PORT=$port /usr/bin/tidegate health --path /live
check "strangers need a key" sh -c "[ \$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:$port/api/keys) = 401 ]"
check "the first start printed one" grep -q 'This admin key is shown once' "$work/container.log"
exit $bad
