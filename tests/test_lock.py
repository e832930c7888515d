"""Goal: what we build and run with is what we have looked at, byte for byte, on the
oldest Python and on a newer one, under terms that we know.

Method: the lock file beside what is installed and beside what the index offers; a small
wheel of the test's own, installed by its right hash and refused by a changed one; the
table of licences made again, and with terms in it that nobody takes.
"""

import base64
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distributions, version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PYTHONS = ("3.11", "3.13")


def locked() -> dict[str, tuple[str, list[str]]]:
    """Release and hashes by name."""
    entries = re.split(r"\n(?=\S)", LOCK.read_text())
    found = {}
    for entry in entries:
        named = re.match(r"([A-Za-z0-9._-]+)==(\S+)", entry)
        if named:
            hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})\b", entry)
            found[named[1]] = (named[2], hashes)
    return found


def test_each_release_has_hashes_and_is_installed() -> None:
    releases = locked()
    assert len(releases) > 50
    for name, (release, hashes) in releases.items():
        assert hashes, f"{name} has no hash"
        assert version(name) == release, f"{name}: run `make build`"
    lines = [line for line in LOCK.read_text().splitlines() if line[:1] not in "# "]
    assert len(lines) == len(releases), "something is not pinned"
    assert "crc32c" not in releases


@pytest.mark.slow
def test_the_index_has_these_files_for_another_python(tmp_path: Path) -> None:
    """What runs this was installed by these hashes; the other pip asks the index for,
    and fetches of its files what says what they need.
    """
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = next(one for one in PYTHONS if one != own)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--dry-run", "--quiet"),
            *("--ignore-installed", "--no-deps", "--require-hashes"),
            *("--only-binary", ":all:", "--python-version", python),
            *("--target", str(tmp_path), "-r", str(LOCK)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def make_wheel(folder: Path) -> str:
    """A wheel of nothing; its hash."""
    info = "nothing-1.dist-info"
    files = {
        "nothing.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: nothing\nVersion: 1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
        record += f"{name},sha256={digest.decode().rstrip('=')},{len(text)}\n"
    path = folder / "nothing-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_with_another_hash_is_refused(tmp_path: Path) -> None:
    right = make_wheel(tmp_path)
    wrong = ("0" if right[0] != "0" else "1") + right[1:]
    # An environment that is there already, so that none has to be made; what is
    # installed goes elsewhere.
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o700)
    lock = tmp_path / "lock"
    made = {}
    for digest in (wrong, right, none := "none"):
        hashes = "" if digest is none else f" \\\n    --hash=sha256:{digest}"
        lock.write_text(f"nothing==1{hashes}\n")
        made[digest] = subprocess.run(
            ["bash", "tools/make_venv.sh", str(tmp_path / "venv"), str(lock)],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHON": sys.executable,
                "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": str(tmp_path),
                "PIP_TARGET": str(tmp_path / digest),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert made[wrong].returncode != 0
    assert "DO NOT MATCH THE HASHES" in made[wrong].stderr
    assert not (tmp_path / wrong).exists()
    # Nor is anything installed that has no hash at all.
    assert made[none].returncode != 0
    assert "Hashes are required" in made[none].stderr
    assert made[right].returncode == 0, made[right].stderr
    assert (tmp_path / right / "nothing.py").exists()


# --- licences ------------------------------------------------------------------------


def licences() -> ModuleType:
    """tools/licences.py, which is no package's module."""
    spec = importlib.util.spec_from_file_location(
        "licences", ROOT / "tools" / "licences.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_licences_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "tools/licences.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_nothing_is_installed_that_the_page_does_not_name() -> None:
    """What somebody put there by hand is run, too, and nobody has seen its terms."""
    page = (ROOT / "docs" / "licences.md").read_text()
    named = {
        spelled(name) for name in re.findall(r"^\| ([\w.-]+) \|", page, re.MULTILINE)
    }
    installed = {spelled(one.name) for one in distributions()} - {"payswitch"}
    assert installed <= named, "an older environment? `rm -r .venv`, then `make build`"
    assert {spelled(name) for name in locked()} <= installed


def spelled(name: str) -> str:
    """A distribution's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_libraries_that_are_linked_are_on_the_page() -> None:
    """As the linker wrote them into our modules, but for the C library's own."""
    page = (ROOT / "docs" / "licences.md").read_text()
    named = set(re.findall(r"`(lib[a-z0-9]+)`", page)) | {"libc", "libm", "libpthread"}
    modules = [*ROOT.glob("switch/*.so"), *ROOT.glob("server/*.so")]
    assert len(modules) >= 2
    linked = set()
    for module in modules:
        said = subprocess.check_output(["readelf", "-d", str(module)], text=True)
        linked |= set(re.findall(r"NEEDED.*\[(lib[a-z0-9]+)[.-]", said))
    assert {"libssl", "libcrypto", "libnghttp2"} <= linked <= named


def test_there_are_no_fonts() -> None:
    said = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True)
    assert not re.findall(r"\.(?:ttf|otf|woff2?|pfb|bdf|pcf)\b", said, re.IGNORECASE)


class Made(Distribution):
    """A distribution of the test's own."""

    def __init__(self, metadata: str, *files: str) -> None:
        self._metadata, self._files = metadata, files

    def read_text(self, filename: str) -> str | None:
        if filename == "METADATA":
            return f"Metadata-Version: 2.4\nName: made\nVersion: 1\n{self._metadata}\n"
        if filename == "RECORD":
            return "".join(f"{name},,\n" for name in self._files)
        return None

    def locate_file(self, path: Any) -> Any:
        # From Python 3.12 on only files that are there are named.
        return Path(__file__)


@pytest.mark.parametrize(
    "terms",
    [
        "License: LGPL-2.1-or-later",
        "License-Expression: GPL-3.0-only",
        "License-Expression: MIT AND AGPL-3.0-only",
        "Classifier: License :: OSI Approved :: GNU General Public License (GPL)",
        "License: see the file",
        "",
    ],
)
def test_terms_that_nobody_takes(terms: str) -> None:
    module = licences()
    with pytest.raises(module.LicenceError):
        module.licence_of(Made(terms))


def test_terms_that_we_take() -> None:
    module = licences()
    assert module.licence_of(Made("License-Expression: MIT OR Apache-2.0"))
    assert module.licence_of(Made("License: MIT License")) == "MIT"


def test_a_library_that_a_wheel_carries_is_looked_at() -> None:
    module = licences()
    known = Made("", "numpy.libs/libquadmath-96973f99-934c22de.so.0.0.0", "a/b.so")
    assert module.carried_by(known) == "libquadmath"
    with pytest.raises(module.LicenceError, match="libreadline"):
        module.carried_by(Made("", "made.libs/libreadline-12345678.so.8"))
