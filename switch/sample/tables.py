"""Reads the sample's tables, and makes its centres from them.

May use `money`'s digits, `codes` and `specs`. The same tables give the same centres
with the same ids, whoever reads them and whenever.
"""

import csv
from collections.abc import Iterator
from importlib.resources import files
from itertools import count

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
from switch.money import bengali_digits
from switch.sample.records import (
    Biller,
    Centre,
    District,
    FreeService,
    HalfHour,
    HostKind,
    Network,
    ReferenceKind,
    Service,
)
from switch.specs import enum_text
from switch.tariffs import Fee, in_order

DUPLICATE_HOURS = 24
"""Hours within which a payment that nothing else tells apart is not taken twice, nor a
bill that was issued again under another id."""
HOURS = "hours"
"""Instead of a key rule: a service whose payments are told apart by their hours."""

# From the most urban kind of office to the least: a district's urban centres are the
# first in this order.
_URBAN_FIRST = (
    "MC", "BOR", "MUN", "DMO", "SDO", "BANK", "RTO", "FSI", "OTH", "LIB", "CLRC",
    "HC", "LAMPS", "ADA", "BLLRO", "BDO", "GP",
)  # fmt: skip

# Numbers of centre codes: a walk over the residues of a prime never meets itself.
_CODE_PRIME = 99_991
_CODE_STEP = 31_337
_STALE_EVERY = 16

Table = list[dict[str, str]]


def read_table(name: str) -> Table:
    """The rows of a table of the sample, by column."""
    text = files("switch.sample").joinpath(f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def read_network() -> Network:
    """The whole sample, made anew."""
    districts = tuple(_districts())
    host_kinds = tuple(_host_kinds())
    billers = tuple(_billers())
    return Network(
        districts,
        host_kinds,
        tuple(_centres(districts, host_kinds)),
        billers,
        tuple(_services(billers)),
        tuple(_free_services()),
        tuple(_half_hours()),
        {
            int(row["month"]): float(row["factor_of_average_month"])
            for row in read_table("month_profile")
        },
    )


def _districts() -> Iterator[District]:
    for row in read_table("districts"):
        yield District(
            row["code3"],
            row["name_en"],
            row["name_bn"],
            row["lgd_code"],
            int(row["centres"]),
            int(row["rural"]),
            int(row["urban"]),
            int(row["saturday_open"]),
            int(row["operators"]),
        )


def _host_kinds() -> Iterator[HostKind]:
    for row in read_table("host_kinds"):
        yield HostKind(
            row["code"],
            row["name_en"],
            row["name_bn"],
            int(row["centres"]),
            int(row["saturday_open"]),
        )


def _by_district(name: str) -> dict[str, dict[str, str]]:
    return {row["district_code3"]: row for row in read_table(name)}


def _centres(
    districts: tuple[District, ...], host_kinds: tuple[HostKind, ...]
) -> Iterator[Centre]:
    """The centres, district by district and within it by kind of host office.

    A centre's number, and with it its id, is its place in this order.
    """
    by_host = _by_district("centres_by_host")
    saturday_by_host = _by_district("saturday_by_host")
    codes = _codes(districts, host_kinds)
    numbers = count(1)
    for district in districts:
        urban_of = _urban_by_host(district, by_host[district.code])
        doubles = count()
        for host in host_kinds:
            saturday = int(saturday_by_host[district.code][host.code])
            for place in range(int(by_host[district.code][host.code])):
                # One operator each, and a second for as many as there are posts.
                has_second = next(doubles) < district.operators - district.centres
                yield Centre(
                    id=f"bsk-{next(numbers):05d}",
                    code=next(codes),
                    name_en=f"{district.name_en} {host.name_en} {place + 1}",
                    name_bn=f"{district.name_bn} {host.name_bn} "
                    + bengali_digits(str(place + 1)),
                    district=district.code,
                    host_kind=host.code,
                    is_urban=place < urban_of[host.code],
                    is_open_saturday=place < saturday,
                    operators=2 if has_second else 1,
                )


def _urban_by_host(district: District, by_host: dict[str, str]) -> dict[str, int]:
    """How many of a district's centres of each kind of host office are urban."""
    left = district.urban
    urban_of = {}
    for host in _URBAN_FIRST:
        urban_of[host] = min(left, int(by_host[host]))
        left -= urban_of[host]
    return urban_of


def _codes(
    districts: tuple[District, ...], host_kinds: tuple[HostKind, ...]
) -> Iterator[str]:
    """Codes such as `BAN/H/R/01956`, all different.

    Every sixteenth carries letters that are not true of it, as real ones do after
    offices moved, so that nothing can come to depend on them.
    """
    by_host = _by_district("centres_by_host")
    numbers = count(1)
    for at, district in enumerate(districts):
        for host in host_kinds:
            for _ in range(int(by_host[district.code][host.code])):
                number = next(numbers)
                stale = number % _STALE_EVERY == 0
                letters = districts[at - 1].code if stale else district.code
                area = "U" if district.rural == 0 or stale else "R"
                serial = number * _CODE_STEP % _CODE_PRIME
                yield f"{letters}/{host.code[0]}/{area}/{serial:05d}"


def _reference_kinds() -> dict[str, ReferenceKind]:
    letters = {enum_text(one): one for one in Letters}
    checks = {enum_text(one): one for one in CheckDigit}
    kinds = {}
    for row in read_table("references"):
        ignored = Ignored(0)
        for name in row["ignored"].split():
            ignored |= Ignored[name.upper()]
        kinds[row["consumer_ref"]] = ReferenceKind(
            row["consumer_ref"],
            row["names"] == "bill",
            row["pattern"],
            letters[row["letters"]],
            ignored,
            checks[row["check_digit"]],
        )
    return kinds


def _billers() -> Iterator[Biller]:
    references = _reference_kinds()
    heads = {row["biller_code"]: row["head"] for row in read_table("heads")}
    for row in read_table("billers"):
        code = row["biller_code"]
        yield Biller(
            code,
            code.lower(),
            row["name_en"],
            row["name_bn"],
            heads[code],
            row["settlement"],
            float(row["decline_pct"]),
            float(row["timeout_pct"]),
            float(row["late_success_of_timeouts_pct"]),
            int(row["median_ms"]),
            int(row["p99_ms"]),
            references[row["consumer_ref"]],
            row["never_credits_late"] == "yes",
        )


def _services(billers: tuple[Biller, ...]) -> Iterator[Service]:
    references = {one.code: one.references for one in billers}
    rules = {enum_text(rule): rule for rule in AmountRule}
    prices = {enum_text(rule): rule for rule in PriceRule}
    keys = {HOURS: None, **{enum_text(rule): rule for rule in KeyRule}}
    kinds = {row["kind"]: row for row in read_table("kinds")}
    tariffs, documents, fields = _tariffs(), _documents(), _fields()
    called = {row["service"]: row for row in read_table("called")}
    for row in read_table("services"):
        kind = kinds[row["kind"]]
        key_rule = keys[row["key"]]
        reference = references[row["biller_code"]]
        names = called.get(row["code"], {"called_en": "", "called_bn": ""})
        # A bill of another month is another bill, and may be paid at once.
        has_hours = key_rule in (None, KeyRule.BILL_ID)
        yield Service(
            code=row["code"],
            name_en=row["name_en"],
            name_bn=row["name_bn"],
            department_en=row["department_en"],
            department_bn=row["department_bn"],
            kind=row["kind"],
            biller=row["biller_code"],
            price_rule=prices[kind["price"]],
            amount_rule=rules[row["exactness"]],
            amount_min=int(row["min_paise"] or 0),
            amount_max=int(row["max_paise"] or 0),
            amount_step=int(row["step_paise"] or 0),
            mode=Mode[kind["mode"].upper()],
            duplicate_rule=DuplicateRule.ONCE if key_rule else DuplicateRule.WITHIN,
            duplicate_hours=DUPLICATE_HOURS if has_hours else 0,
            key_rule=key_rule,
            deadline_s=int(kind["deadline_s"]),
            deadline_policy=Policy[kind["deadline_policy"].upper()],
            median_paise=int(row["median_paise"]),
            p95_paise=int(row["p95_paise"]),
            share=float(row["share"]),
            name_source=row["name_source"],
            letters=reference.letters,
            ignored=reference.ignored,
            check_digit=reference.check_digit,
            pattern=reference.pattern,
            tariff=tariffs.get(row["code"], ()),
            called_en=_several(names["called_en"]),
            called_bn=_several(names["called_bn"]),
            fields=fields.get(row["code"], ()),
            documents=documents.get(row["kind"], ()),
        )


def _tariffs() -> dict[str, tuple[Fee, ...]]:
    """Service's code → its lines, by item and day."""
    lines: dict[str, list[Fee]] = {}
    for row in read_table("tariffs"):
        fee = Fee(
            code=row["code"],
            amount=int(row["fee_paise"]),
            valid_from=row["valid_from"],
            name_en=row["name_en"],
            name_bn=row["name_bn"],
        )
        lines.setdefault(row["service"], []).append(fee)
    return {code: in_order(fees) for code, fees in lines.items()}


def _free_services() -> Iterator[FreeService]:
    for row in read_table("free_services"):
        yield FreeService(
            row["code"],
            row["participant"],
            row["name_en"],
            row["name_bn"],
            row["department_en"],
            row["department_bn"],
            row["where_en"],
            row["where_bn"],
            tuple(
                Words(en=en, bn=bn)
                for en, bn in zip(
                    _several(row["documents_en"]),
                    _several(row["documents_bn"]),
                    strict=True,
                )
            ),
        )


def _several(text: str) -> tuple[str, ...]:
    """The texts of a cell that has more than one, between bars."""
    return tuple(text.split("|")) if text else ()


def _documents() -> dict[str, tuple[Words, ...]]:
    """Kind of service → what a citizen brings."""
    found: dict[str, tuple[Words, ...]] = {}
    for row in read_table("documents"):
        one = Words(en=row["name_en"], bn=row["name_bn"])
        found[row["kind"]] = (*found.get(row["kind"], ()), one)
    return found


def _fields() -> dict[str, tuple[FormField, ...]]:
    """Service's code → what its form asks for beside the reference."""
    names = ("name", "label_en", "label_bn", "pattern", "example")
    found: dict[str, tuple[FormField, ...]] = {}
    for row in read_table("fields"):
        one = FormField(**{name: row[name] for name in names})
        found[row["service"]] = (*found.get(row["service"], ()), one)
    return found


def _half_hours() -> Iterator[HalfHour]:
    for row in read_table("peak_profile"):
        hours, minutes = row["bin_start_ist"].split(":")
        yield HalfHour(int(hours) * 3600 + int(minutes) * 60, float(row["share"]))
