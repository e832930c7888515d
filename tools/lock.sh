#!/bin/bash
# Write the newest releases that pyproject.toml allows to a lock file, each with the
# hashes of all its files, whatever Python or machine they are for:
#     tools/lock.sh LOCKFILE
# They are resolved for the oldest Python that we support, so that the file serves the
# newer ones too. `uv` does it, in an environment of its own: pip tells no hashes.
set -euo pipefail

lockfile=$1
oldest=3.11
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet uv
"$folder/venv/bin/python" - >"$folder/wanted.txt" <<'END'
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)
wanted = project["build-system"]["requires"] + project["project"]["dependencies"]
groups = project["project"]["optional-dependencies"]
print("\n".join(wanted + groups["counter"] + groups["dev"]))
END
{
    echo "# Exact releases that everything here is built and tested with, for"
    echo "# \`make build\`, and the hashes of all files of each: no other is installed."
    echo "# \`make lock\` writes the newest ones that pyproject.toml allows."
    # What we constrain further, as what stays as it is: LOCK_CONSTRAINTS=FILE.
    "$folder/venv/bin/uv" pip compile --quiet --python-version "$oldest" \
        --generate-hashes --no-annotate --no-header \
        ${LOCK_CONSTRAINTS:+--constraints "$LOCK_CONSTRAINTS"} "$folder/wanted.txt"
} >"$folder/lock"
mv "$folder/lock" "$lockfile"
