"""Fetch LMDB's sources by their hash and print the folder that has `mdb.c`.

The plain sources stand in the `lmdb` package's source archive, under `lib/`; its own
patches beside them are left alone. pip downloads the archive, so that mirrors,
proxies and certificates are configured as for everything else, and refuses any
other bytes than the ones named here. `build/lmdb-3.0.0-guarded` keeps what was fetched,
with one change of ours.

LMDB believes a page's header. Where other bytes stand in its place (a disk may put back
what a page was before), a search may go on for ever: of 2^31 keys the middle is beyond
what an int can hold. So a header that no page of a tree has is `MDB_CORRUPTED`.
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
BRANCHES = "\n\twhile (IS_BRANCH(mp)) {\n\t\tMDB_node\t*node;\n\t\tindx_t\t\ti;\n"
LEAF = '\n\tif (!IS_LEAF(mp)) {\n\t\tDPRINTF(("internal error, index points to a'
SEARCH = (
    "\nstatic int\nmdb_page_search_root(MDB_cursor *mc, MDB_val *key, int flags)\n{\n"
)
TREE_PAGE = """
/* Whether this can be the header of a page of a tree. Not LMDB's: a guard of ours. */
static int
mdb_is_tree_page(MDB_cursor *mc, MDB_page *mp)
{
    int kind = mp->mp_flags & (P_BRANCH|P_LEAF|P_OVERFLOW|P_META|P_LEAF2|P_SUBP);
    if (kind == (P_LEAF|P_LEAF2) && F_ISSET(mc->mc_db->md_flags, MDB_DUPFIXED))
        kind = P_LEAF;
    return (kind == P_BRANCH || kind == P_LEAF)
        && MP_LOWER(mp) >= PAGEHDRSZ - PAGEBASE && MP_LOWER(mp) <= MP_UPPER(mp)
        && MP_UPPER(mp) <= mc->mc_txn->mt_env->me_psize - PAGEBASE;
}
"""
IS_TREE_PAGE = "mdb_is_tree_page(mc, mp)"
GUARDS = (
    (SEARCH, TREE_PAGE + SEARCH),
    (BRANCHES, BRANCHES.replace("IS_BRANCH(mp)", f"IS_BRANCH(mp) && {IS_TREE_PAGE}")),
    (LEAF, LEAF.replace("!IS_LEAF(mp)", f"!IS_LEAF(mp) || !{IS_TREE_PAGE}")),
)
"""What stands in `mdb.c` once, and what takes its place."""


def guarded(source: str) -> str:
    """`mdb.c` as it is compiled."""
    for old, new in GUARDS:
        if source.count(old) != 1:
            raise SystemExit(f"mdb.c is not what was expected, at {old.strip()!r}")
        source = source.replace(old, new)
    return source


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
    target = ROOT / "build" / f"lmdb-{VERSION}-guarded"
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
                body = member.read()
                if name == "mdb.c":
                    body = guarded(body.decode()).encode()
                partial.write_bytes(body)
                partial.replace(target / name)
    return target


if __name__ == "__main__":
    print(fetch())
