"""Goal: what is written to survive a loss of power has a name that does, too.

Method: each of those who make files runs under strace; behind the last file that it
makes or renames in a directory, this directory must be synced.
"""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CALLS = "openat,mkdir,mkdirat,rename,renameat,renameat2,fsync,syncfs"

LEDGER = """
    from switch.ledger.opening import open_ledger
    open_ledger(path / "new" / "ledger", threads=False, reserve_size=0).close()
"""
CORE = """
    from switch._core import Ledger
    Ledger(str(path / "ledger"), threads=False, reserve_size=0).close()
"""
DERIVED = """
    from switch.ledger.environments import open_environment
    open_environment(path / "totals", 1 << 24, b"one")[0].close()
"""
PERSON = """
    from switch.person_keys import make_key
    make_key(path / "key.pem")
"""
NETWORK = """
    from switch.cli.network import _write
    _write(path / "network.json", "text")
"""
FILES = """
    from switch.cli.match_files import write_file
    write_file(path / "new" / "folder" / "file", b"data")
"""
PAPER = """
    from switch.papers.printers import _Deadline, _write_file
    _write_file(path / "paper.pdf", b"data", _Deadline("paper", 4, 60.0))
"""
AUTHORITY = """
    from switch.authority.development import DevAuthority
    DevAuthority(path / "new" / "authority")
"""
SECURITY = """
    from server.security_log import SecurityLog
    log = SecurityLog(path / "new" / "security", days=7, day_bytes_max=1 << 20)
    log._open()
"""
PUBLIC = """
    from switch.web.public.writing import write_site
    write_site({"index.html": b"text"}, path / "new" / "public")
"""
BACKUP = """
    from switch._core import Ledger
    from switch.backup.copying import copy, finish
    Ledger(str(path / "ledger"), threads=False, reserve_size=0).close()
    copy(path / "ledger", path / "new" / "copies" / "copy")
    finish(path / "new" / "copies" / "copy")
"""
WORKS = {
    "ledger": LEDGER,
    "core": CORE,
    "derived": DERIVED,
    "person": PERSON,
    "network": NETWORK,
    "files": FILES,
    "paper": PAPER,
    "authority": AUTHORITY,
    "security": SECURITY,
    "public": PUBLIC,
    "backup": BACKUP,
}
PASSING = {"LOCK", ".lock", "lock.mdb", "OPENING", "NEW"}
"""Names that say nothing once the process has ended, or that only a mark's maker
needs; each of these has its own tests."""


def unsynced(trace: str, root: str) -> set[str]:
    """Directories below `root` in which names were made after their last sync."""
    left: set[str] = set()
    for line in trace.splitlines():
        if "= -1" in line:
            continue
        if "syncfs(" in line:
            # The whole file system.
            left.clear()
            continue
        if synced := re.search(r"fsync\(\d+<([^>]*)>", line):
            left.discard(synced[1])
            continue
        making = re.search(r"(openat|mkdir|mkdirat|rename|renameat|renameat2)\(", line)
        if not making or (making[1] == "openat" and "O_CREAT" not in line):
            continue
        name = re.findall(r'"([^"]*)"', line)[-1]
        # Relative to a directory's descriptor, which strace names.
        if not name.startswith("/"):
            name = f"{re.findall(r'<([^>]*)>', line)[0]}/{name}"
        path = Path(name)
        if str(path.parent).startswith(root) and path.name not in PASSING:
            left.add(str(path.parent))
    return left


@pytest.mark.parametrize("work", WORKS)
def test_directories_are_synced_behind_what_is_made_in_them(
    tmp_path: Path, work: str
) -> None:
    trace, folder = tmp_path / "trace", tmp_path / "there"
    folder.mkdir()
    code = f"import sys; from pathlib import Path; path = Path({str(folder)!r})\n"
    code += textwrap.dedent(WORKS[work])
    command = ["strace", "-f", "-y", "-qq", "-s", "500", "-e", f"trace={CALLS}"]
    subprocess.run(
        [*command, "-o", str(trace), sys.executable, "-c", code],
        cwd=ROOT,
        check=True,
        timeout=120,
    )
    text = trace.read_text()
    assert str(folder) in text
    assert not unsynced(text, str(folder))


def test_a_name_without_a_sync_is_found(tmp_path: Path) -> None:
    """The judge itself."""
    made = f'1 openat(AT_FDCWD, "{tmp_path}/file", O_WRONLY|O_CREAT, 0600) = 3<x>'
    synced = f"1 fsync(3<{tmp_path}>) = 0"
    renamed = f'1 rename("{tmp_path}/file", "{tmp_path}/other") = 0'
    assert unsynced(made, str(tmp_path)) == {str(tmp_path)}
    assert not unsynced(f"{made}\n{synced}", str(tmp_path))
    assert unsynced(f"{made}\n{synced}\n{renamed}", str(tmp_path)) == {str(tmp_path)}
