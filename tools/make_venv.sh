#!/bin/bash
# Make a virtual environment with everything that building and testing need:
#     tools/make_venv.sh FOLDER LOCKFILE
# Uses $PYTHON if it is set, else the first python3 on PATH that is new enough and has
# what compiling needs. What the system lacks is installed if we are root and there is
# apt-get, else named.
set -euo pipefail

folder=$1
lockfile=$2
packages=(python3 python3-venv python3-dev gcc make)

# Succeeds if this interpreter is 3.11 or newer and can make environments and modules.
usable() {
    "$1" - <<'END' 2>/dev/null
import ensurepip, os, sys, sysconfig, venv
header = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(not (sys.version_info >= (3, 11) and os.path.exists(header)))
END
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-$(type -ap python3 python3.14 python3.13 python3.12 \
        python3.11 || true)}; do
        if usable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

if [ -n "${PYTHON:-}" ] && ! usable "$PYTHON"; then
    echo "$PYTHON (\$PYTHON) is not Python 3.11 or newer with venv and headers." >&2
    exit 1
fi
if ! python=$(find_python) || ! type -p gcc make >/dev/null; then
    if [ "$(id -u)" != 0 ] || ! type -p apt-get >/dev/null; then
        echo "This needs Python 3.11 or newer with venv and headers, gcc and make." >&2
        echo "On Debian: sudo apt-get install ${packages[*]}" >&2
        exit 1
    fi
    echo "installing ${packages[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
        "${packages[@]}" >/dev/null
    python=$(find_python)
fi

echo "using $python ($("$python" --version))"
# A folder left by another interpreter is made anew.
if ! [ -x "$folder/bin/python" ] || [ "$("$python" --version)" != \
    "$("$folder/bin/python" --version)" ]; then
    "$python" -m venv --clear "$folder"
fi
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-deps --require-hashes -r "$lockfile"
"$folder/bin/python" -m pip check --quiet --disable-pip-version-check
