"""What the tables of the sample hold, as frozen records.

May use `catalogue`, `codes`, `references`, `specs` and `tariffs`. Amounts are paise.
Whatever is not public knowledge is synthetic; `README.md` beside the tables says which
is which.
"""

import math
from dataclasses import dataclass

from switch.catalogue import FormField, Words
from switch.codes import (
    AmountRule,
    CheckDigit,
    DuplicateRule,
    Ignored,
    KeyRule,
    Letters,
    Mode,
    Policy,
    PriceRule,
)
from switch.references import Form
from switch.tariffs import Fee

P95_OF_NORMAL = 1.6448536269514722
"""The 95th percentile of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class District:
    """A district and what its centres add up to."""

    code: str
    name_en: str
    name_bn: str
    lgd_code: str
    centres: int
    rural: int
    urban: int
    saturday_open: int
    operators: int


@dataclass(frozen=True, slots=True)
class HostKind:
    """A kind of office that hosts centres."""

    code: str
    name_en: str
    name_bn: str
    centres: int
    saturday_open: int


@dataclass(frozen=True, slots=True)
class Centre:
    """One citizen-service centre."""

    id: str
    """Participant id, permanent."""
    code: str
    """The network's own code. Opaque: its letters do not match the facts."""
    name_en: str
    name_bn: str
    district: str
    host_kind: str
    is_urban: bool
    is_open_saturday: bool
    operators: int
    """Posts; the operators of a centre are numbered from 1."""


@dataclass(frozen=True, slots=True)
class ReferenceKind:
    """How the references that citizens bring to a biller are written."""

    name: str
    names_bill: bool
    """It names one bill; otherwise it names a consumer, who has many."""
    pattern: str
    letters: Letters
    ignored: Ignored
    check_digit: CheckDigit


@dataclass(frozen=True, slots=True)
class Biller:
    """A department's billing system and how it behaves."""

    code: str
    id: str
    """Participant id, permanent."""
    name_en: str
    name_bn: str
    head: str
    """Its one head of account, invented."""
    settlement: str
    decline_pct: float
    timeout_pct: float
    late_success_of_timeouts_pct: float
    median_ms: int
    p99_ms: int
    references: ReferenceKind
    """Those that a citizen brings."""
    never_credits_late: bool
    """It promises to credit nothing after its last moment."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that takes money."""

    code: str
    name_en: str
    name_bn: str
    department_en: str
    department_bn: str
    kind: str
    biller: str
    """Code of the biller."""
    price_rule: PriceRule
    amount_rule: AmountRule
    amount_min: int
    amount_max: int
    """0 is no maximum."""
    amount_step: int
    """0 is none."""
    mode: Mode
    duplicate_rule: DuplicateRule
    duplicate_hours: int
    key_rule: KeyRule | None
    deadline_s: int
    deadline_policy: Policy
    median_paise: int
    p95_paise: int
    share: float
    """Of all payments."""
    name_source: str
    letters: Letters
    ignored: Ignored
    check_digit: CheckDigit
    pattern: str
    tariff: tuple[Fee, ...]
    called_en: tuple[str, ...]
    called_bn: tuple[str, ...]
    fields: tuple[FormField, ...]
    documents: tuple[Words, ...]

    @property
    def form(self) -> Form:
        """How its references are written."""
        return Form(
            letters=self.letters,
            ignored=self.ignored,
            check_digit=self.check_digit,
            pattern=self.pattern,
            has_period=self.key_rule is KeyRule.REFERENCE_PERIOD,
        )

    @property
    def mu(self) -> float:
        """Mean of the logarithm of an amount."""
        return math.log(self.median_paise)

    @property
    def sigma(self) -> float:
        """Deviation of the logarithm of an amount; 0 for a fixed fee."""
        return math.log(self.p95_paise / self.median_paise) / P95_OF_NORMAL


@dataclass(frozen=True, slots=True)
class FreeService:
    """A service without a fee: its department has no head, and no way to a wallet."""

    code: str
    participant: str
    """Participant id of the department."""
    name_en: str
    name_bn: str
    department_en: str
    department_bn: str
    where_en: str
    where_bn: str
    documents: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class HalfHour:
    """A part of the working day and its share of the day's payments."""

    start_s: int
    """Seconds since midnight, IST."""
    share: float


@dataclass(frozen=True, slots=True)
class Network:
    """The whole sample."""

    districts: tuple[District, ...]
    host_kinds: tuple[HostKind, ...]
    centres: tuple[Centre, ...]
    billers: tuple[Biller, ...]
    services: tuple[Service, ...]
    free_services: tuple[FreeService, ...]
    half_hours: tuple[HalfHour, ...]
    month_factors: dict[int, float]
    """A month's volume against the average month's, by month."""
