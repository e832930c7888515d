"""Goal: what a command says to do next can be pasted, and does that at the same switch.

Method: hints of commands are read from what they print, and run as they stand; errors
of typical first attempts say what is wrong, once, and what to do.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.cli import main
from switch.console.output import Exit, Screen, program_name
from switch.console.words import Language
from tests import forked
from tests.client.live import BILLED, CENTRE, FREE, Live, running

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(tmp_path_factory.mktemp("hints")) as found:
        for words in (
            ("network", "load", str(found.network)),
            ("top-up", CENTRE, "1000", "--utr", "UTR-1"),
        ):
            done = found.command(*words)
            assert done.returncode == Exit.DONE, done.stderr
        yield found


def _hints(text: str) -> list[list[str]]:
    lines = [line.strip() for line in text.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("payswitch ")]


def _paste(words: list[str]) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    return forked.run("switch", *words, env=env, timeout_s=60)


@pytest.mark.parametrize(
    ("reference", "who"), [("911", ()), ("912", ("--as", f"centre/{CENTRE}"))]
)
def test_the_hint_of_a_refusal_asks_the_same_switch(
    live: Live, reference: str, who: tuple[str, ...]
) -> None:
    with live.desk(10_000):
        refused = live.command("pay", CENTRE, BILLED, "10", reference, *who)
        assert refused.returncode == Exit.REFUSED
        (fetch,) = _hints(refused.stdout)
        fetched = _paste(fetch)
        assert fetched.returncode == Exit.DONE, fetched.stderr
        (pay,) = _hints(fetched.stdout)
        paid = _paste(pay)
        assert paid.returncode == Exit.DONE, paid.stderr
    assert (("--as" in fetch), ("--as" in pay)) == (bool(who), bool(who))


def test_a_hint_for_somebody_else_has_not_the_caller(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen(
        as_json=False,
        language=Language.ENGLISH,
        where=["--address", "a:1"],
        caller=["--as", "treasury/treasury"],
    )
    screen.command("approve", "7")
    screen.command("status", "x", same_caller=True)
    screen.command("propose", "--help")
    assert capsys.readouterr().out.splitlines() == [
        "  payswitch approve 7 --address a:1",
        "  payswitch status x --address a:1 --as treasury/treasury",
        "  payswitch propose --help",
    ]


def test_the_program_is_called_as_it_was_typed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "payswitch"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert program_name() == str(script)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin")
    assert program_name() == "payswitch"
    monkeypatch.setattr(sys, "argv", ["/somewhere/switch/__main__.py"])
    assert program_name() == "payswitch"


def test_what_is_wrong_is_said_once(live: Live) -> None:
    done = live.command("bill", "fetch", CENTRE, BILLED, "12-34")
    assert done.returncode == Exit.USAGE
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("payswitch: reference: ")


def test_a_search_for_nothing_says_what_to_name(live: Live) -> None:
    done = live.command("search")
    assert done.returncode == Exit.USAGE
    for option in ("--receipt", "--payment", "--reference", "--centre"):
        assert option in done.stderr


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["totals", "2026-03-01"], "usage: payswitch totals"),
        (["bill", "watch", "0" * 32, "--limit", "1"], "usage: payswitch bill watch"),
        (["network", "load", "a", "b"], "usage: payswitch network load"),
    ],
)
def test_what_a_command_does_not_take_shows_that_command(
    words: list[str], usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == Exit.USAGE
    told = capsys.readouterr().err
    assert usage in told
    assert "unrecognized arguments" in told


def test_an_amount_says_how_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["pay", CENTRE, FREE, "10.5", "x"])
    assert "10.50" in capsys.readouterr().err


def test_a_certificate_that_is_not_there_says_where_it_goes(live: Live) -> None:
    # Its port may be another counter's.
    done = live.command("counter", "bsk-99999", "--port", "0")
    assert done.returncode == Exit.CONFIG
    assert "centre-bsk-99999.pem" in done.stderr
    assert "--tls" in done.stderr


def test_an_audit_of_no_ledger_says_so(tmp_path: Path) -> None:
    done = _paste(["audit", str(tmp_path)])
    assert done.returncode == Exit.UNKNOWN
    assert "holds no ledger" in done.stderr
    assert "storage error" not in done.stderr
