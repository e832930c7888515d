"""The hot calls: what Python has to do with them, which is to say what they are told.

Payments, baskets, batches and streams of them go from their bytes to the core's queue
and back in C (`server/front/hot.c`). The statuses that they may end with are made here,
once, out of the same errors as everybody's, so that a caller sees no difference.
"""

import errno
from collections.abc import Iterable, Sequence

from server import sessions
from server._front import HOT_STATUSES, Front
from server.observer import SECONDS
from server.status import StoppingError, make_status
from server.transport import details_of, revoked_error
from switch._core import GROUP_MAX
from switch.billing.dispatch import BUSY_RETRY_MS
from switch.codes import Field, Result
from switch.errors import (
    BillerBusyError,
    CentreBusyError,
    ClockError,
    DamagedError,
    DeadError,
    NotLeaderError,
    OverloadError,
    RefusalsSpentError,
    SpaceError,
    SwitchError,
    UnknownOutcomeError,
    WireError,
)

SERVICE = "/payswitch.v1.PaymentService"
METHODS = tuple(
    f"{SERVICE}/{name}"
    for name in ("CreatePayment", "CreateBasket", "CreatePayments", "StreamPayments")
)
"""In the front's order."""
ROOM_WAIT_MS = 10_000
"""How long a stream waits for room in the committer's queue before it is ended."""
FIELDS = ("payment", "basket", "payments", "payments")
"""What each takes, for a violation that names it."""
OTHER = (
    "this call takes one payment and no basket",
    "this call takes one basket and no payment beside it",
    "",
    "",
)
PLACE = "{}"
"""Where the front puts a number, or why the ledger is dead."""


def set_up(front: Front, methods: Sequence[tuple[str, int]]) -> None:
    """Make the hot calls the front's. Before it starts."""
    numbers = {name: number for number, (name, _) in enumerate(methods)}
    front.set_hot(
        [numbers[name] for name in METHODS],
        damaged=Result.DATA_DAMAGED.value,
        biller_busy=Result.BILLER_BUSY.value,
        refusals=Result.TOO_MANY_REFUSALS.value,
        field_debit=Field.DEBIT.value,
        rows_max=GROUP_MAX,
        room_wait_ms=ROOM_WAIT_MS,
        steps_s=SECONDS,
    )
    for number, method in enumerate(METHODS):
        for name, error in _errors(number, method):
            status = make_status(error)
            may_be_done = make_status(error, has_committed=True)
            text = status.message.encode()
            if PLACE in status.message:
                # The front puts the message into the details, once it is known.
                status.message = may_be_done.message = ""
            front.set_hot_status(
                number,
                HOT_STATUSES.index(name),
                status.code,
                text,
                details_of(status),
                details_of(may_be_done),
            )


def _errors(number: int, method: str) -> Iterable[tuple[str, SwitchError]]:
    """Every status by its name, as the error that it is of."""
    field = FIELDS[number]
    dead = DeadError(0, "")
    # Its code is not known yet, and stands before the text.
    dead.args = (f"storage error {PLACE}",)
    yield from {
        "FRAMING": WireError("the bytes are not a payments request"),
        "MANY": WireError(f"more than {GROUP_MAX} payments in one message", field),
        "NONE": WireError("the message holds no payment", field),
        "OTHER": WireError(OTHER[number], field),
        "FULL": OverloadError(f"{PLACE} entries wait to be committed; try again later"),
        "SPACE": SpaceError("the disk has no room for the journal; nothing was done"),
        "CLOCK": ClockError(
            f"the wall clock runs {PLACE} s ahead of the time that has passed; nothing "
            "is taken until it is set right, or the kernel vouches for it, or somebody "
            "does: payswitch accept-clock"
        ),
        "UNKNOWN": UnknownOutcomeError(
            "the switch failed while it committed; whether this was done is unknown: "
            "send the same ids again"
        ),
        "STOPPED": DeadError(errno.ESHUTDOWN, "the switch is stopping"),
        "DEAD": dead,
        "NOT_LEADER": NotLeaderError(
            "another node leads; nothing was done: ask that one"
        ),
        "UNCONFIRMED": NotLeaderError(
            "this node has not heard from the log for a while, and another may lead; "
            "nothing was done: ask the others"
        ),
        "DAMAGED": DamagedError("an entry that it depends on is damaged"),
        "BILLER_BUSY": BillerBusyError(
            "too many payments wait for the biller", BUSY_RETRY_MS
        ),
        "CENTRE_BUSY": CentreBusyError(
            "too many payments of this centre wait for their billers", BUSY_RETRY_MS
        ),
        "REFUSALS": RefusalsSpentError(
            "too many payments of this sender were refused lately; nothing was done"
        ),
        "STOPPING": StoppingError(
            "the server is stopping; all outcomes sent are final"
        ),
        "STOPPING_NEW": StoppingError("the server is stopping"),
        "REVOKED": revoked_error(method),
        "SESSION_UNKNOWN": sessions.unknown(),
        "SESSION_ENDED": sessions.ended(),
        "MEMORY": UnknownOutcomeError("no memory for the answer; send it again"),
    }.items()
