"""What a generator's moves have in common: chances, and rows of before to speak of.

Part of tests/core/generator.py, which see.
"""

import random

from switch.codes import AccountKind, CaseType, Kind, Result
from tests.core.network import Network
from tests.flags import RowFlag
from tests.model import Model
from tests.records import Row

WALLETS_AT_ONCE = 24
ROWS = (
    *("case", "closable", "proposal", "shift", "moved", "stop"),
    *("request", "booked", "item", "release", "told", "top-up", "beneficiary"),
    "complaint",
)
"""What is kept in mind of the rows, as chance alone seldom finds one."""
HOLDS = (
    "late",
    "late rejection",
    "kept",
    "differs",
    "expired",
    "verified",
    "cancelled",
    "rejected",
    "corrected",
    "given back",
    "in part",
    "late again",
    "parts given back",
    "late in parts",
)
"""And of the holds, by what has become of them."""
OF_CASE = {
    CaseType.LATE_CONFIRMATION: "late",
    CaseType.LATE_REJECTION: "late rejection",
    CaseType.DEADLINE_PASSED: "kept",
    CaseType.AMOUNT_DIFFERS: "differs",
}
NAMES = {
    Kind.EXPIRE: "expired",
    Kind.VERIFY: "verified",
    Kind.PROPOSE: "proposal",
    Kind.SHIFT: "shift",
    Kind.REQUEST: "request",
    Kind.TOP_UP: "top-up",
    Kind.COMPLAINT: "complaint",
}
FEW = 12
"""Of each so many are spoken of again and again."""


class Drawing:
    """Chance, and a memory."""

    def __init__(self, seed: int, network: Network, model: Model) -> None:
        self.rng = random.Random(seed)
        self.net = network
        self.model = model
        self.looked = 0
        self.rare: dict[str, list[int]] = {name: [] for name in (*ROWS, *HOLDS)}
        self.services = list(network.services)
        self.wallets = list(network.wallets)
        self.codes = list(network.centre_codes)
        self.centres = list(network.centres)

    def chance(self, one_in: int) -> bool:
        """True once in so many draws: what `randrange` says, in half of its time."""
        bits = one_in.bit_length()
        draw = self.rng.getrandbits(bits)
        while draw >= one_in:
            draw = self.rng.getrandbits(bits)
        return draw == 0

    def wallet(self) -> int:
        """A wallet, most often one of the newest."""
        wallets = self.wallets if self.chance(10) else self.wallets[-WALLETS_AT_ONCE:]
        return self.rng.choice(wallets)

    def number_of_operator(self, centre: int) -> int:
        """Who asks for something at a centre's counter, or says so."""
        return self.rng.randrange(3)

    def past(self, kinds: tuple[int, ...]) -> int:
        """Sequence of an accepted row of these kinds, most often a recent one."""
        rows = self.model.rows
        for _ in range(12):
            back = self.rng.choice((50, 500, 20_000))
            at = self.rng.randrange(max(0, len(rows) - back), len(rows))
            if rows[at].kind in kinds and rows[at].result == Result.OK:
                return at + 1
        return self.rng.randrange(len(rows) + 40)

    def open_hold(self) -> int:
        """Sequence of an open hold, if there is one."""
        due = self.model.due
        if due and not self.chance(5):
            return self.rng.choice(due)[1]
        return self.past((Kind.HOLD,))

    def look(self) -> None:
        """Keep in mind what is worth it of the rows that have come."""
        rows = self.model.rows
        while self.looked < len(rows):
            row = rows[self.looked]
            self.looked += 1
            if row.result == Result.OK:
                self.remember(row)

    def last_of(self, name: str, most: int = 20) -> int:
        """Sequence of one of the last of what is kept in mind, if there is any."""
        self.look()
        found = self.rare[name][-most:]
        if not found or self.chance(12):
            return self.rng.randrange(len(self.model.rows) + 40)
        return self.rng.choice(found)

    def is_of_parts(self, hold: int) -> bool:
        """Whether a hold leaves the rest of its bill to be paid."""
        return bool(self.model.rows[hold - 1].flags & RowFlag.PARTIAL)

    def remember(self, row: Row) -> None:
        """The row, or the hold that it says something of."""
        if row.kind == Kind.CASE:
            self.rare["case"].append(row.sequence)
            self.rare[OF_CASE[CaseType(row.total)]].append(row.resolves)
            late = row.total == CaseType.LATE_CONFIRMATION
            if late and self.is_of_parts(row.resolves):
                self.rare["late in parts"].append(row.resolves)
            if row.resolves in self.model.verified:
                self.rare["late again"].append(row.resolves)
            if row.total in (CaseType.LATE_REJECTION, CaseType.AMOUNT_DIFFERS):
                self.rare["closable"].append(row.sequence)
        elif row.kind == Kind.VOID:
            by_word = row.flags & RowFlag.EVIDENCE
            self.rare["rejected" if by_word else "cancelled"].append(row.resolves)
            if self.is_of_parts(row.resolves):
                self.rare["parts given back"].append(row.resolves)
        elif row.kind == Kind.POST:
            if row.amount != self.model.rows[row.resolves - 1].amount:
                self.rare["in part"].append(row.resolves)
        elif row.kind == Kind.BOOKED:
            self.rare["booked"].append(row.sequence)
            if not row.flags & RowFlag.MATCHED:
                self.rare["item"].append(row.sequence)
        elif row.kind == Kind.TRANSFER and self.goes_to_bank(row):
            self.rare["release"].append(row.sequence)  # or what ends a debit
        elif row.kind == Kind.PROPOSE and row.flags & RowFlag.EVIDENCE:
            self.rare["told"].append(row.sequence)
        elif row.kind == Kind.TRANSFER and row.resolves:
            self.rare["moved"].append(row.sequence)
            if row.flags & RowFlag.CASE:
                self.rare["corrected"].append(row.resolves)
        elif row.kind == Kind.REFUND:
            payment = self.model.rows[row.resolves - 1]
            if payment.kind == Kind.POST and self.model.is_given_back(payment):
                self.rare["given back"].append(payment.resolves)
        elif row.kind in NAMES:
            whose = row.kind in (Kind.EXPIRE, Kind.VERIFY)
            self.rare[NAMES[Kind(row.kind)]].append(
                row.resolves if whose else row.sequence
            )

    def goes_to_bank(self, row: Row) -> bool:
        """Whether a transfer is to an account from which a bank takes it."""
        return self.model.accounts[row.credit].kind == AccountKind.BANK_TRANSIT

    def by_treasury(
        self, kind: Kind, debit: int = 0, credit: int = 0, amount: int = 0
    ) -> Row:
        """A treasury's row with a reason."""
        row = Row(kind, id=self.rng.randbytes(16), reference=b"a reason")
        row.debit, row.credit, row.amount = debit, credit, amount
        row.participant = self.net.treasury
        row.operator_ = self.rng.randrange(2)
        row.checker = self.rng.choice((0, 0, 2))
        return row

    def any_account(self) -> int:
        """An account of any kind, or none."""
        return self.rng.randrange(len(self.model.accounts) + 2)
