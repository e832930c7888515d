"""What makes the payments of a benchmark in process: row templates or messages.

rows      row templates, with what is due stated: the cheapest to make
stated    the bytes of a message, likewise stated
quoted    the bytes of a message, each payment with the quotation of its bill
"""

import numpy as np
import numpy.typing as npt

from benchmarks import messages, payments
from benchmarks.commits import Source
from benchmarks.messages import PREFIX_SIZE, amounts_of
from benchmarks.network import make_network
from benchmarks.quoted import KEY_NUMBER, QuotedMaker, Sealer
from switch import _core as core
from switch.codes import PriceRule

KINDS = ("rows", "stated", "quoted")
SECRET = bytes(range(32))
"""The key that quotations are sealed with here."""


class MessageSource:
    """Messages as a source of requests."""

    def __init__(self, maker: messages.Maker, harness: int) -> None:
        """`harness`: the participant index of the sender."""
        self._maker = maker
        self._harness = harness

    def request(self, count: int) -> tuple[core.Request, payments.Amounts]:
        """The next `count` payments, at most the maker's payload; the rest is lost."""
        layout = self._maker.layout
        content = self._maker.take(1)[PREFIX_SIZE:][: count * layout.itemsize]
        made = np.frombuffer(content, layout)
        assert len(made) == count
        request = core.Request.payments(bytes(content), self._harness, 0)
        return request, amounts_of(made)


def open_network(
    ledger: core.Ledger, kind: str, accounts: int
) -> tuple[int, npt.NDArray[np.uint32]]:
    """Make the network that a kind of payments needs; the harness, and the wallets."""
    rule = PriceRule.BILL if kind == "quoted" else PriceRule.STATED
    harness, first = make_network(ledger, accounts, rule)
    return harness, first + np.arange(accounts, dtype=np.uint32)


def message_maker(ledger: core.Ledger, kind: str, payload: int, ids: str) -> Source:
    """A source of messages, on a ledger with the network of `kind`."""
    harness = ledger.find_participant("harness")
    if kind != "quoted":
        return MessageSource(messages.Maker(payload, ids), harness)
    ledger.set_quotation_keys([(KEY_NUMBER, SECRET)])
    sealer = Sealer(SECRET, ledger.instance)
    return MessageSource(QuotedMaker(payload, ids, sealer=sealer), harness)
