#!/bin/bash
# Build others' clients into build/interop, for tests/interop:
#     tests/interop/build.sh go|node
# Debian's packages, and npm's by a lock file; installs what is missing if we are root.
# Where packages cannot be had, build/skipped/NAME says so, and the client's tests are
# skipped. A client that does not build is an error.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
out=$build/interop
skipped=$build/skipped/$1
mkdir -p "$out" "$build/skipped"
rm -f "$skipped"

skip() {  # WHY
    echo "tests of the client in $client are skipped: $1" | tee "$skipped" >&2
    exit 0
}

need() {  # PROGRAM-OR-FILE PACKAGE...
    type -p "$1" >/dev/null || [ -e "$1" ] && return
    shift
    if [ "$(id -u)" != 0 ] || ! type -p apt-get >/dev/null; then
        skip "they need $*. On Debian: sudo apt-get install $*"
    fi
    echo "installing $*"
    if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq \
        --no-install-recommends "$@" >/dev/null; }; then
        skip "apt-get cannot install $*"
    fi
}

# npm names what it met in a word of its own; these are of a registry that is away.
away='E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|HOSTUNREACH|NETUNREACH|TIMEDOUT|SOCKETTIMEDOUT|50[0-9]|40[37])'


case $1 in
go)
    client=Go
    # Debian's Go packages lie in one GOPATH; nothing is fetched.
    sources=/usr/share/gocode
    need "$sources/src/google.golang.org/grpc" golang-go golang-google-grpc-dev
    need go golang-go
    GO111MODULE=off GOPATH=$sources GOFLAGS='' GOTOOLCHAIN=local CGO_ENABLED=0 \
        GOCACHE=$(realpath "$out")/go_cache go build -o "$out/go_client" tests/interop/go/*.go
    ;;
node)
    client=Node.js
    need npm nodejs npm
    mkdir -p "$out/node"
    cp tests/interop/node/package*.json "$out/node"
    if ! npm ci --loglevel=error --no-audit --no-fund --ignore-scripts --prefix "$out/node" \
        2>"$out/npm.log"; then
        cat "$out/npm.log" >&2
        if grep -qE "code $away\\b" "$out/npm.log"; then
            skip "npm cannot fetch its packages ($(grep -oEm1 "code $away" "$out/npm.log"))"
        fi
        echo "npm ci of tests/interop/node/package-lock.json failed" >&2
        exit 1
    fi
    touch "$out/node/node_modules/.package-lock.json"
    ;;
esac
