"""Goal: who builds on a bare machine gets OpenSSL and nghttp2, or a line that says what
is missing; and nothing is fetched where they are.

Method: tools/find_front.py with a compiler that knows only what was put there, and an
apt-get of the test's own which writes down what it is asked for.
"""

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEADER = "usr/include/nghttp2/nghttp2.h"
COMPILER = """#!/bin/sh
# Content where the header is: in the system, or in a folder that is named with -I.
[ -e "$SYSTEM/{header}" ] && exit 0
for word; do
    case $word in
    -I*/usr/include) [ -e "${{word#-I}}/nghttp2/nghttp2.h" ] && exit 0;;
    esac
done
echo "nghttp2.h: No such file" >&2
exit 1
"""
APT = """#!/bin/sh
echo "$*" >> "$SYSTEM/asked"
for word; do
    case $word in
    Dir::State::Lists=*) lists=own;;
    update) [ "$UPDATE" = works ] || exit 100;;
    install) [ "$INSTALL" = works ] || exit 100
        mkdir -p "$SYSTEM/usr/include/nghttp2"; : > "$SYSTEM/{header}";;
    download) [ "$DOWNLOAD" = works ] || [ "$DOWNLOAD" = "$lists" ] || exit 100
        cp "$SYSTEM/made.deb" .;;
    esac
done
"""


class Bare:
    """A machine with a compiler and apt-get, and nothing else of what is needed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "system"
        self.own = folder / "front"
        self.monkeypatch = monkeypatch
        programs = folder / "programs"
        programs.mkdir()
        for name, text in (("cc", COMPILER), ("apt-get", APT)):
            (programs / name).write_text(text.format(header=HEADER))
            (programs / name).chmod(0o700)
        package = folder / "package"
        (package / HEADER).parent.mkdir(parents=True)
        (package / HEADER).touch()
        (package / "DEBIAN").mkdir()
        (package / "DEBIAN" / "control").write_text(
            "Package: made\nVersion: 1\nArchitecture: all\nMaintainer: a test\n"
            "Description: a header\n"
        )
        self.folder.mkdir()
        subprocess.run(
            ["dpkg-deb", "--build", str(package), str(self.folder / "made.deb")],
            check=True,
            capture_output=True,
        )
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        monkeypatch.setenv("CC", "cc -pthread")
        monkeypatch.setenv("SYSTEM", str(self.folder))
        self.module = load()
        monkeypatch.setattr(self.module, "FOLDER", self.own)

    def be(self, user: int, **apt: str) -> None:
        """Who asks, and what apt-get does for them."""
        self.monkeypatch.setattr(os, "geteuid", lambda: user)
        for name in ("install", "update", "download"):
            self.monkeypatch.setenv(name.upper(), apt.get(name, "fails"))

    def asked(self) -> str:
        """What apt-get was asked for."""
        path = self.folder / "asked"
        return path.read_text() if path.exists() else ""


def load() -> ModuleType:
    """tools/find_front.py, which is no package's module."""
    path = ROOT / "tools" / "find_front.py"
    spec = importlib.util.spec_from_file_location("find_front", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bare:
    return Bare(tmp_path, monkeypatch)


def test_what_is_there_is_taken(bare: Bare) -> None:
    bare.be(0, install="works", download="works", update="works")
    (bare.folder / HEADER).parent.mkdir(parents=True)
    (bare.folder / HEADER).touch()
    assert not any(bare.module.find().values())
    assert bare.asked() == ""


def test_root_installs(bare: Bare) -> None:
    bare.be(0, install="works")
    assert not any(bare.module.find().values())
    assert "install libnghttp2-dev libssl-dev" in bare.asked()
    assert not bare.own.exists()


@pytest.mark.parametrize("user", [0, 1_000], ids=["root", "user"])
def test_what_cannot_be_installed_is_unpacked(bare: Bare, user: int) -> None:
    bare.be(user, download="works")
    found = bare.module.find()
    assert (bare.own / HEADER).exists()
    assert str(bare.own / "usr" / "include") in found["include_dirs"]
    assert found["runtime_library_dirs"] == found["library_dirs"]
    assert ("install" in bare.asked()) == (user == 0)
    # It stays: nothing is fetched a second time.
    asked = bare.asked()
    assert bare.module.find() == found
    assert bare.asked() == asked


def test_lists_of_packages_are_fetched_where_there_are_none(bare: Bare) -> None:
    bare.be(1_000, update="works", download="own")
    assert bare.module.find()["library_dirs"]
    assert (bare.own / HEADER).exists()
    assert [path.name for path in bare.own.iterdir()] == ["usr"]


@pytest.mark.parametrize("user", [0, 1_000], ids=["root", "user"])
def test_a_line_where_nothing_works(
    bare: Bare, user: int, capfd: pytest.CaptureFixture[str]
) -> None:
    bare.be(user)
    with pytest.raises(SystemExit) as ended:
        bare.module.find()
    assert "apt-get install libnghttp2-dev libssl-dev" in str(ended.value)
    assert "nghttp2.h: No such file" in capfd.readouterr().err
    assert len(str(ended.value).splitlines()) == 1


def test_a_line_where_there_is_no_compiler(bare: Bare) -> None:
    bare.monkeypatch.setenv("CC", "a-compiler-that-nobody-has")
    with pytest.raises(SystemExit, match="a C compiler is needed") as ended:
        bare.module.find()
    assert len(str(ended.value).splitlines()) == 1


def test_what_it_says_can_be_read(tmp_path: Path) -> None:
    """By setup.py as JSON, by a compiler as words; each with the libraries."""
    command = ["python3", "tools/find_front.py"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(json.loads(said.stdout)) == {
        *("include_dirs", "library_dirs", "runtime_library_dirs")
    }
    said = subprocess.run(
        [*command, "--flags"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.split()[-3:] == ["-lnghttp2", "-lssl", "-lcrypto"]
