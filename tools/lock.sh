#!/bin/bash
# Write the newest releases that pyproject.toml allows to a lock file:
#     tools/lock.sh LOCKFILE
# They are resolved in a fresh environment of the oldest Python we support that is
# here, so that the file serves the newer ones too.
set -euo pipefail

lockfile=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=$(type -p python3.11 || type -p python3)
"$python" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --upgrade pip
"$python" - >"$folder/wanted.txt" <<'END'
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)
wanted = project["build-system"]["requires"] + project["project"]["dependencies"]
print("\n".join(wanted + project["project"]["optional-dependencies"]["dev"]))
END
"$python" -m pip install --quiet --upgrade -r "$folder/wanted.txt"
{
    echo "# Exact releases that everything here is built and tested with, for"
    echo "# \`make build\`. \`make lock\` writes the newest ones that pyproject.toml allows."
    "$python" -m pip freeze --all
} >"$folder/lock"
mv "$folder/lock" "$lockfile"
