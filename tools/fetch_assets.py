"""Fetch what a lock file names out of npm's tarballs, by their hashes:
    tools/fetch_assets.py LOCK FOLDER

Each entry has a tarball, its integrity as npm tells it, and the one member that is
wanted with its own hash. What lies there with that hash is left alone; anything else
ends the program, and nothing of it is kept.
"""

import base64
import hashlib
import io
import json
import sys
import tarfile
import urllib.request
from pathlib import Path

TARBALL_MAX = 32 << 20
"""Bytes; a larger answer is not read to its end."""
TIMEOUT_S = 60.0


def _download(url: str, integrity: str) -> bytes:
    if not url.startswith("https://"):
        raise SystemExit(f"{url} is not https")
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as reply:
        body: bytes = reply.read(TARBALL_MAX + 1)
    kind, _, wanted = integrity.partition("-")
    found = base64.b64encode(hashlib.new(kind, body).digest()).decode()
    if kind != "sha512" or found != wanted:
        raise SystemExit(f"{url} is not what was expected: {kind}-{found}")
    return body


def fetch(lock: Path, folder: Path) -> None:
    """Have every file of the lock in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, entry in json.loads(lock.read_text()).items():
        target = folder / name
        if target.is_file() and _sha256(target.read_bytes()) == entry["sha256"]:
            continue
        body = _download(entry["tarball"], entry["integrity"])
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            member = archive.extractfile(entry["member"])
            if member is None:
                raise SystemExit(f"{entry['tarball']} has no {entry['member']}")
            content = member.read()
        if _sha256(content) != entry["sha256"]:
            raise SystemExit(f"{name} is another: {_sha256(content)}")
        draft = target.with_suffix(".draft")
        draft.write_bytes(content)
        draft.replace(target)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    fetch(Path(sys.argv[1]), Path(sys.argv[2]))
