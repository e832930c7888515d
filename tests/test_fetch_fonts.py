"""Goal: papers get the very fonts that are pinned, from the system or from apt, or who
builds reads what is missing.

Method: tools/fetch_fonts.py in a folder of its own, with an apt-get and a dpkg that the
test has written, which have the right files, wrong ones, or none.
"""

import hashlib
import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = {"one/A.ttf": b"a", "one/B.ttf": b"b", "two/C.ttf": b"c"}
APT = """#!/bin/sh
echo "$*" >> "$LOG"
case " $* " in
    *" update "*) touch "$HERE/lists"; exit 0;;
    *" download "*)
        [ -e "$HERE/lists" ] || exit 100
        for name in one two; do touch "$name.deb"; done;;
esac
"""
DPKG = """#!/bin/sh
name=$(basename "$2" .deb)
mkdir -p "$3/usr/share/fonts"
cp -r "$HERE/debian/$name" "$3/usr/share/fonts/"
"""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool, with a system, a lock and commands of the test's own."""
    path = ROOT / "tools" / "fetch_fonts.py"
    spec = importlib.util.spec_from_file_location("fetch_fonts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lines = ["# a comment"]
    for place, data in FILES.items():
        lines.append(f"fonts-{place[:3]} {place} {hashlib.sha256(data).hexdigest()}")
        put(tmp_path / "debian" / place, data)
    (tmp_path / "lock").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(module, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(module, "TARGET", tmp_path / "build")
    monkeypatch.setattr(module, "SYSTEM", tmp_path / "system")
    for name, text in (("apt-get", APT), ("dpkg", DPKG)):
        put(tmp_path / "bin" / name, text.encode()).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("HERE", str(tmp_path))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    put(tmp_path / "lists", b"")
    return module


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def fetched(tmp_path: Path) -> list[str]:
    folder = tmp_path / "build" / "usr/share/fonts"
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    )


def test_what_the_system_has_is_not_fetched(tool: ModuleType, tmp_path: Path) -> None:
    for place, data in FILES.items():
        put(tmp_path / "system/usr/share/fonts" / place, data)
    tool.fetch()
    assert not (tmp_path / "log").exists()
    # Another file of the name is not what is meant.
    put(tmp_path / "system/usr/share/fonts/two/C.ttf", b"another")
    tool.fetch()
    assert fetched(tmp_path) == ["two/C.ttf"]
    assert "download fonts-two" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("has_lists", [True, False])
def test_all_are_fetched_once(
    tool: ModuleType, tmp_path: Path, has_lists: bool
) -> None:
    if not has_lists:
        (tmp_path / "lists").unlink()
    tool.fetch()
    assert fetched(tmp_path) == sorted(FILES)
    assert ("update" in (tmp_path / "log").read_text()) is not has_lists
    (tmp_path / "log").unlink()
    tool.fetch()
    assert not (tmp_path / "log").exists()
    assert [one.name for one in (tmp_path / "build").iterdir()] == ["usr"]


def test_other_bytes_are_refused(tool: ModuleType, tmp_path: Path) -> None:
    put(tmp_path / "debian/one/B.ttf", b"x")
    with pytest.raises(SystemExit, match=r"one/B\.ttf.*fonts-one fonts-two"):
        tool.fetch()
    assert "one/B.ttf" not in fetched(tmp_path)


def test_no_apt_at_all(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(SystemExit, match="fonts of papers are needed"):
        tool.fetch()
    assert fetched(tmp_path) == []
