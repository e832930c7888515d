"""What participants may use, and what their calls cost.

A call draws on one of three rates: payments (whatever writes), fetches (what asks a
biller), reads (all else, and what is refused). What a biller says to the switch draws
on none: its answers end what is under way. Who asks again for a payment that it has
made pays for it once more: to know that it was made is a look-up as costly as the
payment.

Defaults are the config's, then those of a role, then what the register has of one
participant. The front thread keeps the buckets (`server/front/rates.c`).
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from server._front import BUDGETS, FEEDS, FETCHES, PAYMENTS, READS, WATCHES
from switch.codes import Budget, Role
from switch.config import BUDGET_NAMES, Config
from switch.register.identity import Identity
from switch.register.rights import ACTS

STRANGERS_PART: Final = 16
"""One in so many connections may be of callers whom the register does not take."""
LIST_READS: Final = 10
"""What a list costs: a page is up to a thousand entries."""
REFERENCES_FIELD: Final = 2
"""Number of FetchBillsRequest.references."""
PAYMENTS_FIELD: Final = 1
"""Number of GetPaymentsRequest.payments."""

Cost = tuple[int, int, int, int]
"""Rate, number, the field that is counted instead, what counts while it is open."""

_PAYMENT: Final = "/payswitch.v1.PaymentService/"
_COUNTER: Final = "/payswitch.v1.CounterService/"
_PEOPLE: Final = "/payswitch.v1.PeopleService/"
_BANK: Final = "/payswitch.v1.BankService/"
_BILLER: Final = "/payswitch.v1.BillerService/"
_TOTALS: Final = "/payswitch.v1.TotalsService/"
_FILES: Final = "/payswitch.v1.FilesService/"
_PUBLIC: Final = "/payswitch.v1.PublicService/"
_READ: Final[Cost] = (READS, 1, 0, 0)
_LIST: Final[Cost] = (READS, LIST_READS, 0, 0)
_WRITE: Final[Cost] = (PAYMENTS, 1, 0, 0)
_FREE: Final[Cost] = (0, 0, 0, 0)
_COSTS: Final[Mapping[str, Cost]] = {
    # The rows of these are counted, by the code that sends them to the ledger.
    _PAYMENT + "CreatePayment": _WRITE,
    _PAYMENT + "CreatePayments": _WRITE,
    _PAYMENT + "CreateBasket": _WRITE,
    _PAYMENT + "StreamPayments": _WRITE,
    _PAYMENT + "GetPayments": (READS, 1, PAYMENTS_FIELD, 0),
    _PAYMENT + "WatchPayment": (READS, 1, 0, WATCHES),
    _COUNTER + "PayBill": _WRITE,
    _COUNTER + "CloseShift": _WRITE,
    _COUNTER + "SignOff": _WRITE,
    _COUNTER + "SearchPayments": _LIST,
    _BANK + "RequestTopUp": _WRITE,
    _COUNTER + "FetchBill": (FETCHES, 1, 0, 0),
    _COUNTER + "FetchBills": (FETCHES, 1, REFERENCES_FIELD, 0),
    _BILLER + "FollowFeed": (READS, 1, 0, FEEDS),
    # To open it; what a biller says there draws on nothing.
    _BILLER + "Connect": (READS, 0, 0, 0),
    _BILLER + "Acknowledge": _FREE,
    _BILLER + "SendDayList": _FREE,
    # It is made as it is read, and is open as long as it is read: as a feed is.
    _FILES + "ReadFile": (READS, LIST_READS, 0, FEEDS),
    **dict.fromkeys(ACTS, _WRITE),
    # Up to eight thousand lines, and what they are called.
    _PEOPLE + "Prepare": _LIST,
    _PEOPLE + "GetProposal": _LIST,
    _TOTALS + "ReadTotals": _LIST,
    _PUBLIC + "ReadPublicTotals": _LIST,
    _PUBLIC + "ListRecoveries": _LIST,
}


class Limits(Protocol):
    """The part of the register that budgets need."""

    def budgets_of(self, participant: int, /) -> Mapping[Budget, int]:
        """What a participant index has in place of its role's defaults."""


class Budgets:
    """What each may use, in the front's order."""

    def __init__(self, config: Config) -> None:
        """With the defaults of `config`."""
        names = {name: budget for budget, name in BUDGET_NAMES.items()}
        self._order = tuple(names[name] for name in BUDGETS)
        self._defaults = {role: config.budget_of(role) for role in (None, *Role)}
        self._rows = {role: self._row(of) for role, of in self._defaults.items()}
        strangers = config.budget_of_strangers
        self._of_strangers = self._row(strangers)
        each = STRANGERS_PART * strangers[Budget.CONNECTIONS]
        self.strangers = max(1, config.transport.connections_max // each)
        """Whom the register does not take share so many owners' budgets, whatever names
        they have, so that many of them hold no more."""

    def of(self, caller: Identity | None, register: Limits | None) -> tuple[int, ...]:
        """Of who calls; None is somebody whom the register does not know. Without a
        register nobody is known yet, and none is a stranger.
        """
        if register is None:
            return self._rows[None]
        if caller is None:
            return self._of_strangers
        own = register.budgets_of(caller.index)
        if not own:
            return self._rows[caller.role]
        return self._row({**self._defaults[caller.role], **own})

    def _row(self, budgets: Mapping[Budget, int]) -> tuple[int, ...]:
        return tuple(budgets[one] for one in self._order)


def cost_of(method: str) -> Cost:
    """What a call of a method costs, by its full name; health is a read as any."""
    if (known := _COSTS.get(method)) is not None:
        return known
    return _LIST if method.rpartition("/")[2].startswith(("List", "Explain")) else _READ


def costs(methods: Sequence[tuple[str, int]]) -> list[Cost]:
    """Of each method of a front."""
    return [cost_of(name) for name, _ in methods]
