"""Goal: a reference that is not canonical, a bill paid twice through a series and a
service record that breaks a rule are found.

Method: as in `test_audit_forgeries`, twins that differ in just that. References are
spelled as services of these tests say.
"""

from pathlib import Path

import pytest

from switch.codes import KeyRule, Kind, RowFlag
from tests.audit.journal_story import X0, A, B, Story, Y
from tests.audit.test_audit_forgeries import Pair, Tell, found_in

UPDATE = int(RowFlag.UPDATE)
METER = {"ignored": 3, "letters": 2, "pattern": b"A{2}9{4}", "check_digit": 2}
"""Two letters and a number with Verhoeff's digit; spaces and hyphens are left out."""


def spelled(reference: str, kind: Kind = Kind.PAY, /, **rule: object) -> Tell:
    """A payment of a service whose references have one form."""

    def tell(s: Story) -> None:
        s.service(6, 1, 2, 5, [Y], **(rule or METER))
        s.pay(A, 6, 3_000, reference, kind=kind, deadline=60 * (kind == Kind.HOLD))

    return tell


def through(first: int, second: int, reference: str = "BILL-90") -> Tell:
    """The same number paid through two services: 6, its sister 7, 8 of itself alone,
    and 9, another biller's.
    """

    def tell(s: Story) -> None:
        s.service(6, 1, 2, 5, [Y])
        s.service(7, 1, 2, 5, [Y], series=6)
        s.service(8, 1, 2, 5, [Y])
        s.service(9, 1, 2, 4, [X0])
        s.pay(A, first, 3_000, "BILL-90")
        s.commit()
        s.pay(B, second, 4_000, reference)

    return tell


def freed(s: Story, *, released: bool) -> None:
    """A bill whose payment is refunded, or is not yet, and a sister's of its series."""
    s.service(6, 1, 2, 5, [Y])
    s.service(7, 1, 2, 5, [Y], series=6)
    first = s.pay(A, 7, 3_000, "BILL-90")
    s.commit()
    s.refunded_by_two(first, 3_000 if released else 2_999)
    s.pay(B, 6, 3_000, "BILL-90")


def given_back(*, releases: bool) -> Tell:
    """A payment is refunded when the same number was paid in another series: that has
    not taken its claim.
    """

    def tell(s: Story) -> None:
        s.service(6, 1, 2, 5, [Y])
        s.service(7, 1, 2, 5, [Y])
        first = s.pay(A, 6, 3_000, "BILL-90")
        s.pay(B, 7, 3_000, "BILL-90")
        s.commit()
        row = s.refunded_by_two(first, 3_000)
        if not releases:
            row.flags &= ~int(RowFlag.RELEASE)

    return tell


def joining(series: int, biller: int = 5) -> Tell:
    """A service that joins the series of one of biller 5's; 7 has no own series."""

    def tell(s: Story) -> None:
        s.service(6, 1, 2, 5, [Y])
        s.service(7, 1, 2, 5, [Y], series=6)
        s.service(8, 1, 2, biller, [Y if biller == 5 else X0], series=series)

    return tell


def formed(**changes: object) -> Tell:
    """A service that joins a series, with other rules of references than it."""

    def tell(s: Story) -> None:
        s.service(6, 1, 2, 5, [Y], **METER)
        told = {"mode": 1, "rule": 2, "biller": 5, "heads": [Y]}
        told |= {**METER, "series": 6} | changes
        s.service(7, **told)  # type: ignore[arg-type]

    return tell


def updating(**changes: object) -> Tell:
    """An update of a service, with something else than it had."""

    def tell(s: Story) -> None:
        s.service(6, 1, 2, 5, [Y], **METER)
        s.service(7, 1, 2, 5, [Y], **METER, series=6)
        told = {"mode": 1, "rule": 2, "biller": 5, "heads": [Y]}
        told |= {**METER, "series": 6} | changes
        s.service(7, flags=UPDATE, **told)  # type: ignore[arg-type]

    return tell


def alone(before: dict[str, object], after: dict[str, object]) -> Tell:
    """An update of a service of its own series."""

    def tell(s: Story) -> None:
        told = {"mode": 1, "rule": 2, "biller": 5, "heads": [Y]}
        s.service(6, **told | before)  # type: ignore[arg-type]
        s.service(6, flags=UPDATE, **told | after)  # type: ignore[arg-type]

    return tell


def recorded(**fields: object) -> Tell:
    """A service with some field of its record."""

    def tell(s: Story) -> None:
        told = {"mode": 1, "rule": 2, "biller": 5, "heads": [Y], **fields}
        s.service(6, **told)  # type: ignore[arg-type]

    return tell


PAIRS: dict[str, Pair] = {
    "a space that is left out": (
        "services",
        spelled("MH2363"),
        spelled("MH 2363"),
    ),
    "small letters": ("services", spelled("MH2363"), spelled("mh2363")),
    "capitals": (
        "services",
        spelled("mh-2363", letters=3),
        spelled("MH-2363", letters=3),
    ),
    "another pattern": ("services", spelled("MH2363"), spelled("MHA2363")),
    "another check digit": ("services", spelled("MH2363"), spelled("MH2364")),
    "another check digit of Luhn": (
        "services",
        spelled("79927398713", check_digit=1),
        spelled("79927398710", check_digit=1),
    ),
    "no digit to check": (
        "services",
        spelled("A-1-8", check_digit=1),
        spelled("A-B-C", check_digit=1),
    ),
    "zeros in front": (
        "services",
        spelled("100", ignored=16),
        spelled("0100", ignored=16),
    ),
    "another pattern held": (
        "services",
        spelled("MH2363", Kind.HOLD),
        spelled("MH2363/", Kind.HOLD),
    ),
    "another pattern before a period": (
        "services",
        spelled("123/2026-04", key=KeyRule.REFERENCE_PERIOD, pattern=b"9{3}"),
        spelled("1234/2026-04", key=KeyRule.REFERENCE_PERIOD, pattern=b"9{3}"),
    ),
    "a slash that is left out before a period": (
        "services",
        spelled("123/2026-04", key=KeyRule.REFERENCE_PERIOD, ignored=4),
        spelled("12/3/2026-04", key=KeyRule.REFERENCE_PERIOD, ignored=4),
    ),
    "one bill through two services": ("claims", through(6, 8), through(6, 7)),
    "one bill through two services, the other first": (
        "claims",
        through(8, 7),
        through(7, 6),
    ),
    "one bill through one service": ("claims", through(8, 9), through(8, 8)),
    "two bills of a series": (
        "claims",
        through(6, 7, "BILL-91"),
        through(6, 7, "BILL-90"),
    ),
    "a bill that is still claimed by a sister": (
        "claims",
        lambda s: freed(s, released=True),
        lambda s: freed(s, released=False),
    ),
    "a claim that another series has not taken": (
        "claims",
        given_back(releases=True),
        given_back(releases=False),
    ),
    "series of itself": ("services", joining(6), joining(8)),
    "series of a sister": ("services", joining(6), joining(7)),
    "series of another biller": ("services", joining(0, biller=4), joining(6, 4)),
    "series of no service": ("services", joining(0), joining(99)),
    "a series of another pattern": ("services", formed(), formed(pattern=b"A{2}9{5}")),
    "a series of other letters": ("services", formed(), formed(letters=1)),
    "a series that leaves out other characters": (
        "services",
        formed(),
        formed(ignored=1),
    ),
    "a series of another check digit": ("services", formed(), formed(check_digit=0)),
    "a series of another key rule": ("services", formed(), formed(key=2)),
    "an update of the pattern": (
        "services",
        updating(amount_min=500, active=0, heads=[Y, Y], mode=2),
        updating(pattern=b"A{2}9{5}"),
    ),
    "an update of the letters": ("services", updating(), updating(letters=1)),
    "an update of what is left out": ("services", updating(), updating(ignored=1)),
    "an update of the check digit": ("services", updating(), updating(check_digit=0)),
    "an update of the series": ("services", updating(), updating(series=0)),
    "an update of the duplicate rule": ("services", updating(), updating(rule=1)),
    "an update of the key rule": ("services", updating(), updating(key=2)),
    "an update of the biller": (
        "services",
        alone({"biller": 5}, {"biller": 5, "heads": [Y, Y]}),
        alone({"biller": 5}, {"biller": 4, "heads": [X0]}),
    ),
    "an update of the duplicate rule alone": (
        "services",
        alone({"rule": 3}, {"rule": 3, "hours": 48}),
        alone({"rule": 1}, {"rule": 3}),
    ),
}

RECORDS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "code": ({"code": b"A-9"}, {"code": b"a-9"}),
    "code of nothing": ({"code": b"A" * 16}, {"code": b""}),
    "code behind a zero": ({"code": b"AB"}, {"code": b"A\0B"}),
    "amount_rule": ({"amount_rule": 5}, {"amount_rule": 6}),
    "no amount_rule": ({"amount_rule": 1}, {"amount_rule": 0}),
    "mode": ({"mode": 2}, {"mode": 3}),
    "active": ({"active": 0}, {"active": 2}),
    "no heads": ({"heads_count": 1}, {"heads_count": 0}),
    "amount_min": ({"amount_min": 10**9}, {"amount_min": 10**9 + 1}),
    "amount_min without a most": (
        {"amount_max": 0, "amount_min": 10**18},
        {"amount_max": 0, "amount_min": 10**18 + 1},
    ),
    "amount_max": ({"amount_max": 10**18}, {"amount_max": 10**18 + 1}),
    "hours of once": ({"hours": 0}, {"hours": 1}),
    "hours of within": (
        {"rule": 3, "hours": 8_784},
        {"rule": 3, "hours": 8_785},
    ),
    "no hours of within": ({"rule": 3, "hours": 1}, {"rule": 3, "hours": 0}),
    "deadline_s": ({"deadline_s": 31 * 86_400}, {"deadline_s": 31 * 86_400 + 1}),
    "no deadline_s": (
        {"mode": 1, "deadline_s": 0},
        {"mode": 2, "deadline_s": 0},
    ),
    "deadline_policy": ({"policy": 2}, {"policy": 3}),
    "no deadline_policy": ({"mode": 1, "policy": 0}, {"mode": 2, "policy": 0}),
    "key_rule": ({"key": 2}, {"key": 3}),
    "letters": ({"letters": 3}, {"letters": 4}),
    "no letters": ({"letters": 1}, {"letters": 0}),
    "ignored": ({"ignored": 31}, {"ignored": 32}),
    "check_digit": ({"check_digit": 2}, {"check_digit": 3}),
    "price_rule": ({"price_rule": 0}, {"price_rule": 2}),
    "items_count": ({"items_count": 0}, {"items_count": 1}),
    "amount_step": ({"amount_step": 0}, {"amount_step": 100}),
    "a byte that is zero": ({"zero": 0}, {"zero": 1}),
    "bytes that are zero": ({"zeros": 0}, {"zeros": 1 << 31}),
    "pattern": ({"pattern": b"9{1,32}"}, {"pattern": b"9{1,33}"}),
    "pattern too long for a reference": (
        {"pattern": b"9{32}"},
        {"pattern": b"9{32}X"},
    ),
    "pattern behind a zero": ({"pattern": b"AB"}, {"pattern": b"A\0B"}),
    "pattern that no fold leaves": (
        {"pattern": b"'q'9", "letters": 3},
        {"pattern": b"'q'9", "letters": 2},
    ),
}
PAIRS |= {
    f"record: {name}": ("services", recorded(**right), recorded(**forged))
    for name, (right, forged) in RECORDS.items()
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_forgery_is_found_and_its_twin_is_not(tmp_path: Path, name: str) -> None:
    check, right, forged = PAIRS[name]
    assert found_in(tmp_path / "right", right) == set()
    assert found_in(tmp_path / "forged", forged) == {check}


def test_payments_of_a_service_without_sense_are_read_all_the_same(
    tmp_path: Path,
) -> None:
    """Rules that are none: nothing more is said of what is paid by them."""
    for name, rule in (
        ("letters", {"letters": 9, "ignored": 0xFF}),
        ("check digit", {"check_digit": 9}),
        ("pattern", {"pattern": b"9{"}),
    ):
        forged = spelled("MH2363", **rule)
        assert found_in(tmp_path / name, forged) == {"services"}
