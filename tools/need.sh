#!/bin/bash
# Make sure that programs are there, each from the Debian package of its name, or of the
# one that is said:
#     tools/need.sh PROGRAM[=PACKAGE]...
# Installs what is missing if we are root and there is apt-get, else names it.
set -euo pipefail

missing=()
for wanted in "$@"; do
    type -p "${wanted%%=*}" >/dev/null || missing+=("${wanted#*=}")
done
if [ ${#missing[@]} = 0 ]; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! type -p apt-get >/dev/null; then
    echo "The tests need: ${missing[*]}" >&2
    echo "On Debian: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "installing ${missing[*]}"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
    "${missing[@]}" >/dev/null
