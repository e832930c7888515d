"""Who is at the counters that are measured, beside the network of every load.

Some centres have a page, and operators who sign on. Others pay over connections of
their own, as a centre with software of its own would: those of one group sign on, those
of the other do not. These are believed about their bills, so that no biller has to be
asked for each.
"""

from collections.abc import Mapping
from hashlib import blake2b

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks.messages import centre_code
from switch.v1 import network_pb2

COUNTERS_MAX = 100
PAYERS_FIRST = {False: 1_000, True: 2_000}
"""Number of the first centre that pays without, and with a session."""
PAYERS_MAX = 500
OPERATOR = 1
"""The operator of each."""
SERVICE = "C0001"
BILLER = "biller-0"
HEAD = "test:0000"
PIN = "902745"


def payers(count: int, *, is_signed: bool) -> list[str]:
    """The centres that pay over connections of their own."""
    first = PAYERS_FIRST[is_signed]
    return [centre_code(number) for number in range(first, first + count)]


def key_of(centre: str) -> Ed25519PrivateKey:
    """The key of the operator of a centre that pays with a session."""
    return Ed25519PrivateKey.from_private_bytes(blake2b(centre.encode()).digest()[:32])


def all_centres(counters_count: int, payers_count: int) -> list[str]:
    """Those with a page, and both groups that pay over connections of their own."""
    return [
        *map(centre_code, range(counters_count)),
        *payers(payers_count, is_signed=False),
        *payers(payers_count, is_signed=True),
    ]


def participants(
    payers_count: int, counter_keys: Mapping[str, bytes]
) -> list[network_pb2.Participant]:
    """The centres, as the register is to have them.

    `counter_keys`: public ones of the operators who have a page, by centre.
    """
    signing = {one: public(key_of(one)) for one in payers(payers_count, is_signed=True)}
    found = [
        _centre(code, key, may_state_dues=code in signing)
        for code, key in (signing | dict(counter_keys)).items()
    ]
    found += [
        _centre(code, b"", may_state_dues=True)
        for code in payers(payers_count, is_signed=False)
    ]
    return found


def public(key: Ed25519PrivateKey) -> bytes:
    """The half that the register has."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _centre(code: str, key: bytes, *, may_state_dues: bool) -> network_pb2.Participant:
    operator = network_pb2.Operator(number=OPERATOR, key=key, active=True)
    return network_pb2.Participant(
        id=code,
        role=network_pb2.ROLE_CENTRE,
        active=True,
        may_state_dues=may_state_dues,
        signs_on=bool(key),
        operators=[operator] if key else [],
    )


def service() -> network_pb2.Service:
    """What is paid at the pages: a bill that is fetched, and confirmed."""
    return network_pb2.Service(
        code=SERVICE,
        name_en="Electricity bill",
        name_bn="বিদ্যুৎ বিল",
        department_en="Power Department",
        department_bn="বিদ্যুৎ বিভাগ",
        called_en=["light bill"],
        biller=BILLER,
        heads=[HEAD],
        price_rule=network_pb2.PRICE_RULE_BILL,
        amount_rule=network_pb2.AMOUNT_RULE_EXACT,
        mode=network_pb2.SERVICE_MODE_CONFIRMED,
        deadline_s=3_600,
        deadline_policy=network_pb2.DEADLINE_POLICY_KEEP,
        duplicate_rule=network_pb2.DUPLICATE_RULE_ONCE,
        key_rule=network_pb2.KEY_RULE_BILL_ID,
        active=True,
    )
