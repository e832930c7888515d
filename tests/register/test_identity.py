"""Goal: a certificate gives one identity, or none, and a role what it may call.

Method: alternative names of a certificate, right and wrong.
"""

import pytest

from switch.authority.development import DOMAIN
from switch.codes import Role
from switch.register.identity import (
    ForbiddenError,
    Identity,
    IdentityError,
    identify,
    parse_names,
)
from switch.register.rights import BOOTSTRAP, MATRIX, allow
from switch.specs import TREASURY, ParticipantSpec


class One:
    """A participant of the register."""

    def __init__(self, index: int, spec: ParticipantSpec) -> None:
        self.index = index
        self.spec = spec


class Names:
    """A register of a few names."""

    def __init__(self, *specs: ParticipantSpec) -> None:
        self.known = {spec.id: One(at, spec) for at, spec in enumerate(specs, 1)}

    def find_participant(self, participant_id: str, /) -> One | None:
        return self.known.get(participant_id)


CENTRE = f"spiffe://{DOMAIN}/centre/bsk-1"


def test_the_one_name() -> None:
    assert parse_names([CENTRE], DOMAIN) == (Role.CENTRE, "bsk-1")


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["localhost"],
        [CENTRE, CENTRE],
        [CENTRE, "https://localhost/"],
        [CENTRE, f"spiffe://{DOMAIN}/treasury/x"],
        [f"spiffe://{DOMAIN}/centre"],
        [f"spiffe://{DOMAIN}/centre/a/b"],
        [f"spiffe://{DOMAIN}/centre/A"],
        [f"spiffe://{DOMAIN}/centre/{'a' * 33}"],
        [f"spiffe://{DOMAIN}/centre/a\n"],
        [f"{CENTRE}\0"],
        [f"{CENTRE}\0.example"],
        [f"spiffe://{DOMAIN}/king/a"],
        ["spiffe://other.test/centre/bsk-1"],
        [f"https://{DOMAIN}/centre/bsk-1"],
        ["spiffe://\u0995/centre/a"],
    ],
)
def test_names_that_are_no_identity(names: list[str]) -> None:
    with pytest.raises(IdentityError):
        parse_names(names, DOMAIN)


def test_the_register_has_the_last_word() -> None:
    register = Names(
        ParticipantSpec(id=TREASURY, role=Role.TREASURY),
        ParticipantSpec(id="bsk-1", role=Role.CENTRE),
        ParticipantSpec(id="bsk-2", role=Role.CENTRE, active=False),
    )
    caller = identify([CENTRE], register, DOMAIN)
    assert caller == Identity(Role.CENTRE, "bsk-1", 2)
    assert caller.bound_centre == 2
    for name in ("centre/bsk-2", "centre/bsk-3", "biller/bsk-1", "treasury/other"):
        with pytest.raises(IdentityError):
            identify([f"spiffe://{DOMAIN}/{name}"], register, DOMAIN)
    with pytest.raises(IdentityError):
        identify([], register, DOMAIN)


def test_the_first_treasury_may_load_the_network_and_nothing_else() -> None:
    name = f"spiffe://{DOMAIN}/treasury/{TREASURY}"
    caller = identify([name], Names(), DOMAIN)
    assert caller.index == 0
    allow(caller, BOOTSTRAP)
    for method in MATRIX:
        if method != BOOTSTRAP:
            with pytest.raises(ForbiddenError):
                allow(caller, method)


def test_a_method_that_is_not_in_the_matrix_is_nobodys() -> None:
    for role in Role:
        with pytest.raises(ForbiddenError):
            allow(Identity(role, "x", 1), "/payswitch.v1.AdminService/NoSuch")


def test_senders_that_may_name_a_centre_are_bound_to_none() -> None:
    assert Identity(Role.HARNESS, "harness", 7).bound_centre == 0
