"""CounterService.SearchPayments: payments by what somebody has in hand.

What another's wallet has paid, and what is not there, are one answer for a centre,
after one way through the code: by a receipt its own wallet is looked through, whosever
number it is, by an id the core looks without telling, and by a reference, where others'
payments would be met, the answer comes at a time that says nothing of it.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from server import arguments, convert
from server.node import Node
from server.observer import SEARCH_KEYS
from server.pace import wait_for_pace
from server.page_tokens import make_token, read_token
from server.reading import Key
from server.services.listed import filter_of, finish, lines_of
from server.services.payments import payment_key
from server.status import ArgumentError, NotFoundError
from switch._core import entries_of
from switch.codes import Kind, Result, Role
from switch.entries import Entry
from switch.errors import shown
from switch.ids import ID_SIZE
from switch.ledger.filtered import Filter, list_filtered
from switch.ledger.receipts import find_receipt
from switch.ledger.statements import Payment, payment_of
from switch.receipt_numbers import NUMBER_MAX, parse_number
from switch.references import is_reference
from switch.register.identity import Identity
from switch.v1 import search_pb2 as pb

PAGE_SIZE_DEFAULT: Final = 20
PAGE_SIZE_MAX: Final = 100
NAMED_MAX: Final = 256
"""Services, or billers, that are looked through when none is named."""
SENDERS_MAX: Final = 256
"""Harnesses and aggregators that are looked for when no sender is named."""
KEYS_AT_ONCE: Final = 64
"""Ids that the core finds in one call."""
TAKERS_MAX: Final = 16
"""The newest payments of one reference of one service, or of a biller's word."""
PACE_S: Final = 0.004
"""A centre's answer by a reference comes so long after its question, or a multiple."""

_ACKNOWLEDGEMENT: Final = "A"


class _Asked(NamedTuple):
    """A search whose fields can be."""

    key: str
    """One of SEARCH_KEYS, or empty: the wallet's payments are walked through."""
    wallet: int
    """Account index of whose payments are wanted; 0: anybody's."""
    filter: Filter
    size: int
    before: int


class PaymentSearch:
    """Finds payments."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node

    async def search(
        self, request: pb.SearchPaymentsRequest, caller: Identity
    ) -> pb.SearchPaymentsResponse:
        """A page of what was found, newest first."""
        begun_s = time.monotonic()
        asked = self._asked(request, caller)
        try:
            response, found = await self._node.read(self._find, request, caller, asked)
        finally:
            if caller.role is Role.CENTRE and asked.key.endswith("reference"):
                await wait_for_pace(begun_s, PACE_S)
        finish(self._node, response, found, asked.filter.state)
        return response

    # --- what is asked -----------------------------------------------------------

    def _asked(self, request: pb.SearchPaymentsRequest, caller: Identity) -> _Asked:
        keys = [name for name in SEARCH_KEYS if getattr(request, name)]
        if len(keys) > 1:
            raise ArgumentError(keys[1], f"must not be given beside {keys[0]}")
        key = keys[0] if keys else ""
        for name, belongs in (
            ("sender", "id"),
            ("service", "reference"),
            ("biller", "biller_reference"),
        ):
            if getattr(request, name) and key != belongs:
                raise ArgumentError(name, f"belongs to {belongs}")
        for name in ("reference", "biller_reference"):
            if key == name and not is_reference(getattr(request, name)):
                raise ArgumentError(name, "must be 1 to 32 printable ASCII characters")
        if key == "id" and len(request.id) != ID_SIZE:
            raise ArgumentError("id", f"must be {ID_SIZE} bytes")
        register = self._node.register
        wallet = 0
        if request.centre or caller.role is Role.CENTRE or not key:
            wallet = arguments.own_wallet(register, caller, request.centre).index
        size = request.page_size or PAGE_SIZE_DEFAULT
        if size < 0:
            raise ArgumentError("page_size", "must not be negative")
        return _Asked(
            key,
            wallet,
            filter_of(register, request.filter),
            min(size, PAGE_SIZE_MAX),
            read_token(request, caller),
        )

    # --- in a reading thread -----------------------------------------------------

    def _find(
        self, request: pb.SearchPaymentsRequest, caller: Identity, asked: _Asked
    ) -> tuple[pb.SearchPaymentsResponse, list[Payment]]:
        ledger, register = self._node.ledger, self._node.register
        as_of = ledger.sequence
        if asked.key:
            page, following = self._by_key(request, caller, asked)
        else:
            page, following = list_filtered(
                ledger, asked.wallet, asked.filter, asked.before, asked.size
            )
        response = pb.SearchPaymentsResponse(
            payments=convert.entries([one.entry for one in page], ledger, register),
            lines=lines_of(page),
            next_page_token=make_token(request, caller, following),
            as_of_sequence=as_of,
        )
        return response, page

    def _by_key(
        self, request: pb.SearchPaymentsRequest, caller: Identity, asked: _Asked
    ) -> tuple[list[Payment], int]:
        """Up to so many of those that fit, and where the next page begins."""
        if asked.key == "receipt":
            rows = self._by_receipt(request.receipt, asked.wallet)
        elif asked.key == "id":
            rows = self._by_id(request, caller, asked.wallet)
        elif asked.key == "reference":
            rows = self._rows(*self._references(request), asked.wallet)
        else:
            rows = self._rows(self._words(request), 0, asked.wallet)
        wanted = asked.filter
        if asked.key == "id":
            # Whoever has its id may know that it was refused.
            wanted = wanted._replace(with_refused=True)
        found: list[Payment] = []
        for entry in sorted(rows, key=lambda one: -one.sequence):
            if asked.before and entry.sequence >= asked.before:
                continue
            payment = payment_of(self._node.ledger, entry)
            if payment is None or not wanted.fits(payment):
                continue
            if len(found) == asked.size:
                return found, found[-1].entry.sequence
            found.append(payment)
        return found, 0

    def _by_receipt(self, text: str, wallet: int) -> list[Entry]:
        """The payment with this number on its receipt or its acknowledgement."""
        register, ledger = self._node.register, self._node.ledger
        owner = ""
        if wallet:
            account = register.account(wallet)
            owner = register.participant(account.participant).spec.id
        if len(text) > NUMBER_MAX:
            raise ArgumentError("receipt", f"must be at most {NUMBER_MAX} characters")
        parts = text.strip().split("/")
        if len(parts) == 2:
            if not owner:
                raise ArgumentError("receipt", "must begin with the centre's name")
            if parts[0].upper() == _ACKNOWLEDGEMENT:
                parts = [owner, *parts]
        if len(parts) == 3 and parts[1].upper() == _ACKNOWLEDGEMENT:
            return self._by_sequence(parts[0].lower(), parts[2], wallet)
        # The centre and leading zeros may be left out.
        number = parse_number(text, owner)
        if number is None:
            raise ArgumentError("receipt", "is no number of a receipt")
        # For a centre its own wallet is looked through, whosever number it is.
        named = register.find_wallet(number.centre)
        looked = wallet or (named.index if named else 0)
        if not looked:
            return []
        sequence = find_receipt(ledger, looked, number.year, number.number)
        if not sequence or (owner and number.centre != owner):
            return []
        return self._payment_rows([sequence])

    def _by_sequence(self, centre: str, text: str, wallet: int) -> list[Entry]:
        """The payment whose entry this is: what an acknowledgement is numbered by."""
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise ArgumentError("receipt", "is no number of an acknowledgement")
        register, ledger = self._node.register, self._node.ledger
        named = register.find_wallet(centre)
        wanted, newest = int(text), ledger.sequence
        if not newest:
            return []
        # For one that is not there another is read, and all is compared at once.
        entry = ledger.row(wanted if 0 < wanted <= newest else 1 + wanted % newest)
        looked = named.index if named else 0
        found = entry.sequence, entry.kind, entry.result, entry.debit
        if found != (wanted, Kind.HOLD, Result.OK, looked):
            return []
        return [entry] if wallet in (0, looked) else []

    def _by_id(
        self, request: pb.SearchPaymentsRequest, caller: Identity, wallet: int
    ) -> list[Entry]:
        """The payment with this id: of whoever is named, or of who sends for it."""
        keys: list[Key] = []
        register = self._node.register
        if request.sender:
            keys.append(payment_key(self._node, request.id, request.sender, caller))
        elif wallet:
            owner = register.account(wallet).participant
            senders = [one for one in register.participants() if _sends(one.spec.role)]
            if len(senders) > SENDERS_MAX:
                text = f"must be named: there are more than {SENDERS_MAX} who send"
                raise ArgumentError("sender", text)
            keys += [(one.index, request.id, wallet) for one in senders]
            keys.append((owner, request.id, wallet))
        else:
            raise ArgumentError("sender", "or centre must be given with an id")
        found: list[Entry] = []
        for first in range(0, len(keys), KEYS_AT_ONCE):
            some = self._node.ledger.find_entries(keys[first : first + KEYS_AT_ONCE])
            for one in some:
                if isinstance(one, Exception):
                    raise one
                if one is not None and wallet in (0, one[0].debit):
                    found.append(one[0])
        return found

    def _references(self, request: pb.SearchPaymentsRequest) -> tuple[list[int], int]:
        """Sequences of the newest payments of a reference, in the services meant; and
        which service is named, 0 for none: of its series others are found with it.
        """
        register, ledger = self._node.register, self._node.ledger
        known = register.find_service(request.service)
        if request.service and known is None:
            text = f"service: there is no service {shown(request.service)}"
            raise NotFoundError(text)
        services = [known] if known else register.services()
        if len(services) > NAMED_MAX:
            text = f"must be named: there are more than {NAMED_MAX}"
            raise ArgumentError("service", text)
        reference = request.reference.encode("ascii")
        found: set[int] = set()
        for one in services:
            found.update(ledger.find_payments(one.index, reference).tolist())
        return sorted(found), known.index if known else 0

    def _words(self, request: pb.SearchPaymentsRequest) -> list[int]:
        """Sequences of what billers have confirmed with this word of their own."""
        register, ledger = self._node.register, self._node.ledger
        if request.biller:
            billers = [arguments.participant(register, request.biller, "biller")]
        else:
            everybody = register.participants()
            billers = [one for one in everybody if one.spec.role is Role.BILLER]
        if len(billers) > NAMED_MAX:
            text = f"must be named: there are more than {NAMED_MAX}"
            raise ArgumentError("biller", text)
        word = request.biller_reference.encode("ascii")
        found: set[int] = set()
        for one in billers:
            found.update(ledger.find_posts(one.index, word).tolist())
        return sorted(found)

    def _rows(self, sequences: Sequence[int], service: int, wallet: int) -> list[Entry]:
        """The payments of these rows of a service that a wallet has paid; 0: any.

        As many rows are read where there are none: others stand for those.
        """
        newest = self._node.ledger.sequence
        missing = TAKERS_MAX - len(sequences)
        others = [1 + at * newest // TAKERS_MAX for at in range(max(missing, 0))]
        if not newest:
            return []
        read = np.array([*sequences, *others], np.uint64)
        rows = self._node.ledger.gather(read)[: len(sequences)]
        if wallet:
            rows = rows[rows["debit"] == wallet]
        if service:
            rows = rows[rows["service"] == service]
        return self._payment_rows(entries_of(rows))

    def _payment_rows(self, rows: Iterable[Entry | int]) -> list[Entry]:
        """Of what completed a payment the payment."""
        ledger = self._node.ledger
        entries = (ledger.row(one) if isinstance(one, int) else one for one in rows)
        return [
            ledger.row(one.resolves) if one.kind == Kind.POST else one
            for one in entries
        ]


def _sends(role: Role) -> bool:
    """Whether participants of a role send payments for centres."""
    return role is Role.HARNESS
