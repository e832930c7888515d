"""Goal: whatever cannot be used, a setting, a file, a directory, a certificate, any
command says in one line, and ends with 78; a wrong argument is 2.

Method: commands as processes, on files of every wrong sort.
"""

import subprocess
from pathlib import Path

import pytest

from switch.authority.development import DevAuthority
from switch.cli import main
from switch.codes import Role
from switch.console.output import Exit
from switch.credentials import Credentials
from switch.errors import ConfigError
from tests import forked


def payswitch(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return forked.run("switch", *words, cwd=cwd)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`file` is no directory; `broken/` has an authority and a leaf that are none."""
    place = tmp_path_factory.mktemp("place")
    (place / "file").write_text("x")
    (place / "broken").mkdir()
    for name in ("ca.pem", "ca.key", "server.pem", "server.key"):
        (place / "broken" / name).write_text("x")
    (place / "leaf").mkdir()
    for name in ("ca.pem", "treasury-treasury.pem", "treasury-treasury.key"):
        (place / "leaf" / name).write_text("x")
    return place


@pytest.mark.parametrize(
    "line",
    [
        "ledger --tls none",
        "ledger --tls file",
        "ledger --tls broken",
        "ledger --tls leaf",
        "network load none",
        "day --once --data file/inside",
        "biller --script none power",
        "backup to --data none",
        "audit . --live 127.0.0.1:1 --ca leaf/ca.pem --cert none --key none",
    ],
)
def test_one_line_and_78(
    place: Path,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(place)
    assert main(line.split()) == Exit.CONFIG
    said = capfd.readouterr()
    assert len(said.err.splitlines()) == 1, said.err
    assert not said.out


@pytest.mark.parametrize("line", ["serve --tls leaf --data new", "serve --metrics no"])
def test_one_line_and_78_of_a_server(place: Path, line: str) -> None:
    done = payswitch(*line.split(), cwd=place)
    assert done.returncode == Exit.CONFIG, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    "line",
    [
        "day --speed 0",
        "day --seed -1",
        "biller --connections 0 cesc",
        "audit . --at -1",
    ],
)
def test_a_wrong_argument_is_2(
    place: Path,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(place)
    assert main(line.split()) == Exit.USAGE
    assert "Traceback" not in capfd.readouterr().err


def test_files_of_two_certificates_are_not_one(tmp_path: Path) -> None:
    authority = DevAuthority(tmp_path)
    one, two = (authority.leaf(Role.CENTRE, name) for name in ("a", "b"))
    assert one.read()[0] == one.certificate.read_bytes()
    mixed = Credentials(one.certificate, two.key, one.authority)
    with pytest.raises(ConfigError, match="is not the key of"):
        mixed.read()
    swapped = Credentials(one.key, one.certificate, one.authority)
    with pytest.raises(ConfigError, match="is not a certificate in PEM"):
        swapped.read()
