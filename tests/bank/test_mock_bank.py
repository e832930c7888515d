"""Goal: the files of a bank that others wrote come in without a hand.

Method: PyPI's mock-bank runs as a process of its own; money arrives there, its clock is
moved on, and what it sends is read. It writes the payer's reference as the bank's.
"""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from switch.bank.camt import read_camt
from switch.bank.lines import LineKind, Side, Statement, StatementError
from switch.bank.sequence import Break, distinct_lines, join_pages, look_through
from tests.bank.writer import OTHER_UTR, SHORT_UTR, UTR

IBAN = "GB33BUKB20201555555555"
WAIT_S = 60


class Bank:
    """A mock bank and its one account of ours."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"

    def ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, method=method)
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return json.load(answer)

    def is_there(self) -> bool:
        try:
            self.ask("GET", "/_mock/health")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def credit(self, paise: int, reference: str, note: str) -> None:
        body = {
            "account": "FLOAT",
            "amount": paise,
            "end_to_end_id": reference,
            "note": note,
        }
        self.ask("POST", "/_mock/credits", body)

    def behave(self, behaviour: str) -> None:
        self.ask("PATCH", "/_mock/accounts/FLOAT", {"behaviour": behaviour})

    def go_on(self, days: int) -> None:
        self.ask("POST", f"/_mock/advance?days={days}")

    def files(self, kind: str) -> list[bytes]:
        rows = self.ask("GET", f"/_mock/messages?type={kind}")
        ours = [row for row in rows if IBAN in row["body"]]
        return [row["body"].encode() for row in ours]

    def statements(self, kind: str) -> list[Statement]:
        parts = [
            one
            for at, data in enumerate(self.files(kind))
            for one in read_camt(data, f"{kind}-{at}", references=("EndToEndId",))
        ]
        return join_pages(parts)


@pytest.fixture
def bank() -> Iterator[Bank]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mockbank", "--port", str(port), "--quiet"]
    # A Monday, so that the days that follow are working days.
    command += ["--clock", "2026-11-23T10:00", "--timezone", "Asia/Kolkata"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    made = Bank(port)
    try:
        end = time.monotonic() + WAIT_S
        while not made.is_there():
            assert process.poll() is None, "it did not start"
            assert time.monotonic() < end
            time.sleep(0.05)
        account = {
            "id": "FLOAT",
            "name": "Float",
            "iban": IBAN,
            "currency": "INR",
            "balance": 10_000,
        }
        made.ask("POST", "/_mock/accounts", account)
        yield made
    finally:
        process.terminate()
        process.wait(WAIT_S)


def test_a_week_of_statements_and_advices(bank: Bank) -> None:
    bank.credit(150_000, UTR, "REQ-17")
    bank.credit(250, OTHER_UTR, "REQ-18")
    bank.go_on(1)
    bank.credit(1, SHORT_UTR, "REQ-19")
    bank.go_on(2)

    statements = bank.statements("camt.053")
    advices = bank.statements("camt.054")
    assert [one.change for one in statements] == [150_250, 1, 0]
    assert [one.opening for one in statements] == [10_000, 160_250, 160_251]
    assert statements[-1].closing == 160_251
    assert advices
    assert all(one.opening is None for one in advices)
    # Whole in itself, and each credit counts once in whatever order they come.
    for order in (statements + advices, advices + statements[::-1]):
        assert look_through(order) == []
        lines = distinct_lines(order)
        assert {(line.reference, line.amount) for line in lines} == {
            (UTR, 150_000),
            (OTHER_UTR, 250),
            (SHORT_UTR, 1),
        }
        assert len(lines) == 3
    assert {line.side for line in distinct_lines(statements)} == {Side.CREDIT}
    assert {line.kind for line in distinct_lines(statements)} == {LineKind.TRANSFER}
    assert "REQ-17" in statements[0].lines[0].texts
    gap = [look.what for look in look_through([statements[0], statements[2]])]
    assert gap == [Break.GAP]


def test_a_statement_with_a_hole_is_not_believed(bank: Bank) -> None:
    bank.behave("statement-gap")
    bank.credit(150_000, UTR, "REQ-17")
    bank.credit(250, OTHER_UTR, "REQ-18")
    bank.go_on(1)
    assert bank.files("camt.053")
    with pytest.raises(StatementError, match="does not add up"):
        bank.statements("camt.053")
