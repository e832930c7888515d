#!/bin/bash
# Build others' clients into build/interop, for tests/interop:
#     tests/interop/build.sh go|node
# Debian's packages, and npm's by a lock file; installs what is missing if we are root.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=build/interop
mkdir -p "$out"

need() {  # PROGRAM-OR-FILE PACKAGE...
    type -p "$1" >/dev/null || [ -e "$1" ] && return
    shift
    if [ "$(id -u)" != 0 ] || ! type -p apt-get >/dev/null; then
        echo "The tests need: $*" >&2
        echo "On Debian: sudo apt-get install $*" >&2
        exit 1
    fi
    echo "installing $*"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
        "$@" >/dev/null
}

case $1 in
go)
    # Debian's Go packages lie in one GOPATH; nothing is fetched.
    sources=/usr/share/gocode
    need "$sources/src/google.golang.org/grpc" golang-go golang-google-grpc-dev
    need go golang-go
    GO111MODULE=off GOPATH=$sources GOFLAGS='' GOTOOLCHAIN=local CGO_ENABLED=0 \
        GOCACHE=$PWD/$out/go_cache go build -o "$out/go_client" tests/interop/go/*.go
    ;;
node)
    need npm nodejs npm
    mkdir -p "$out/node"
    cp tests/interop/node/package*.json "$out/node"
    npm ci --silent --no-audit --no-fund --ignore-scripts --prefix "$out/node"
    touch "$out/node/node_modules/.package-lock.json"
    ;;
esac
