"""Fetch LMDB's sources by their hash and print the folder that has `mdb.c`.

The plain sources stand in the `lmdb` package's source archive, under `lib/`; its own
patches beside them are left alone. pip downloads the archive, so that mirrors,
proxies and certificates are configured as for everything else, and refuses any
other bytes than the ones named here. `build/lmdb-3.0.0` keeps what was fetched.
"""

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = "3.0.0"
SHA256 = "06dda0723545e14d56ac7dcd6f582d9922c2ed5e16f1c3f8d0e670a96ec2ee65"
FILES = ("lmdb.h", "mdb.c", "midl.c", "midl.h")


def download(folder: Path) -> Path:
    """Have pip put the archive into `folder`; return its path."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"lmdb=={VERSION} --hash=sha256:{SHA256}\n")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet"),
            *("--disable-pip-version-check", "--no-deps", "--no-binary", "lmdb"),
            *("--require-hashes", "--dest", str(folder), "-r", str(wanted)),
        ],
        check=True,
        stdout=sys.stderr,
        # pip asks the archive's setup.py for its metadata: spare it the patching.
        env={**os.environ, "LMDB_PURE": "1"},
    )
    return folder / f"lmdb-{VERSION}.tar.gz"


def fetch() -> Path:
    """Return the folder with LMDB's sources, fetching them if need be."""
    target = ROOT / "build" / f"lmdb-{VERSION}"
    if all((target / name).is_file() for name in FILES):
        return target
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        archive = download(Path(folder))
        # pip has checked it; a find-links folder of someone's own must pass too.
        if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
            raise SystemExit(f"{archive.name} is not the archive that was expected")
        target.mkdir(exist_ok=True)
        with tarfile.open(archive) as sources:
            for name in FILES:
                member = sources.extractfile(f"lmdb-{VERSION}/lib/{name}")
                if member is None:
                    raise SystemExit(f"{archive.name} has no lib/{name}")
                partial = Path(folder) / name
                partial.write_bytes(member.read())
                partial.replace(target / name)
    return target


if __name__ == "__main__":
    print(fetch())
