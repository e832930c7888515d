"""PyPI's mock-bank as a process of its own, with one account of ours."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from switch.bank.camt import read_camt
from switch.bank.lines import Statement
from switch.bank.sequence import join_pages
from tools.postgres import ports_to_keep

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

    def pay(self, instruction: bytes) -> Any:
        """What it answers at once to a pain.001."""
        request = urllib.request.Request(
            f"{self.base}/payments", instruction, {"Content-Type": "application/xml"}
        )
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            return json.load(refused)

    def answers(self, instruction: str) -> list[bytes]:
        """The pain.002 about an instruction, by its MsgId, in the order of sending."""
        rows = self.ask("GET", "/_mock/messages?type=pain.002")
        return [row["body"].encode() for row in rows if instruction in row["body"]]

    def open(self, name: str, iban: str, behaviour: str, **more: object) -> None:
        """Another account that the bank keeps, of somebody."""
        body = {"id": name, "iban": iban, "currency": "INR", "behaviour": behaviour}
        self.ask("POST", "/_mock/accounts", {**body, **more})

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


MONDAY = "2026-11-23T10:00"
"""So that the days that follow are working days."""
_EVERY_DAY = "from mockbank import __main__, clock; clock.WEEKEND = (); __main__.main()"
"""The same bank, that works on Saturdays and Sundays, too, as India's transfers do."""


@contextmanager
def mock_bank(clock: str = MONDAY, *, every_day: bool = False) -> Iterator[Bank]:
    """It opens with 100 rupees on the account, and its clock begins so."""
    [port] = ports_to_keep(1)
    how = ["-c", _EVERY_DAY] if every_day else ["-m", "mockbank"]
    command = [sys.executable, *how, "--port", str(port), "--quiet"]
    command += ["--clock", clock, "--timezone", "Asia/Kolkata"]
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
