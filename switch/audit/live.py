"""What a live server serves, compared with the accounts that the journal gives.

Asking is apart from judging: `compare_live` takes plain data.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from switch.audit.accounts import TOTALS, Accounts, state_hash
from switch.audit.explained import Explained, Figures, Key, chosen
from switch.audit.findings import Findings
from switch.audit.layout import U64
from switch.errors import ConfigError, SwitchError

if TYPE_CHECKING:
    from switch.v1 import admin_pb2, explain_pb2_grpc

TIMEOUT_S: Final = 60
"""Seconds that the server has for each call."""
MESSAGE_BYTES_MAX: Final = 64 << 20


@dataclass(frozen=True)
class Live:
    """What a server said: totals (n × 4) at `as_of`, its own hash at `sequence`."""

    as_of: int
    totals: U64
    kinds: list[int]
    states: list[int]
    holds_counts: list[int]
    sequence: int
    state_hash: str
    explained: Explained = field(default_factory=dict)
    """How accounts came to their totals at `as_of`."""


def compare_live_accounts(live: Live, accounts: Accounts, findings: Findings) -> None:
    """Compare a server's accounts with `accounts`, which stand at `live.as_of`."""
    count = accounts.count
    if len(live.totals) != count:
        text = f"the server has {len(live.totals)} accounts, the journal {count}"
        findings.add("live", live.as_of, text)
    both = min(count, len(live.totals))
    mine = accounts.totals()
    for row, column in np.argwhere(mine[:both] != live.totals[:both]).tolist():
        name, theirs = TOTALS[column], live.totals[row, column]
        text = f"account {row + 1}: {name} is {theirs}, not {mine[row, column]}"
        findings.add("live", live.as_of, text)
    for name, served in (
        ("kind", live.kinds),
        ("state", live.states),
        ("holds_count", live.holds_counts),
    ):
        field = accounts[name][1 : both + 1]
        differs = field != np.array(served[:both], dtype=field.dtype)
        for at in np.flatnonzero(differs).tolist():
            text = f"account {at + 1}: {name} is {served[at]}, not {field[at]}"
            findings.add("live", live.as_of, text)


def compare_live_hash(live: Live, accounts: Accounts, findings: Findings) -> None:
    """Compare a server's state hash with `accounts`, at `live.sequence`."""
    mine = state_hash(accounts.totals())
    if mine != live.state_hash:
        text = f"the server's state hash is {live.state_hash}, not {mine}"
        findings.add("live", live.sequence, text)


def ask(address: str, ca: Path, cert: Path, key: Path) -> Live:
    """Ask the server at `host:port` over mutual TLS.

    Raises ConfigError if a certificate cannot be read, SwitchError if the server does
    not answer.
    """
    import grpc

    from switch.v1 import admin_pb2, admin_pb2_grpc, explain_pb2_grpc

    try:
        credentials = grpc.ssl_channel_credentials(
            ca.read_bytes(), key.read_bytes(), cert.read_bytes()
        )
    except OSError as error:
        raise ConfigError(f"a certificate cannot be read: {error}") from error
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)]
    try:
        with grpc.secure_channel(address, credentials, options) as channel:
            stub = admin_pb2_grpc.AdminServiceStub(channel)
            as_of, accounts = 0, list[admin_pb2.Account]()
            request = admin_pb2.ListAccountsRequest()
            for reply in stub.ListAccounts(request, timeout=TIMEOUT_S):
                as_of = reply.as_of_sequence
                accounts.extend(reply.accounts)
            explain = explain_pb2_grpc.ExplainServiceStub(channel)
            explained = {
                one: _explained(explain, accounts[one - 1], as_of)
                for one in chosen(len(accounts))
            }
            ledger = stub.GetLedger(admin_pb2.GetLedgerRequest(), timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        raise SwitchError(f"the server at {address} did not answer: {error}") from error
    totals = np.array(
        [[getattr(account, name) for name in TOTALS] for account in accounts],
        dtype=np.uint64,
    ).reshape(len(accounts), 4)
    return Live(
        as_of=as_of,
        totals=totals,
        kinds=[account.kind for account in accounts],
        states=[account.state for account in accounts],
        holds_counts=[account.holds_count for account in accounts],
        sequence=ledger.sequence,
        state_hash=ledger.state_hash.hex(),
        explained=explained,
    )


def _explained(
    stub: "explain_pb2_grpc.ExplainServiceStub",
    account: "admin_pb2.Account",
    as_of: int,
) -> dict[Key, Figures]:
    """All pages of what a server explains of an account up to a sequence, added up."""
    from switch.v1 import admin_pb2, explain_pb2

    wallet = account.kind == admin_pb2.ACCOUNT_KIND_WALLET
    request = explain_pb2.ExplainAccountRequest(
        participant=account.participant,
        head="" if wallet else account.head,
        sequence=as_of,
    )
    sums: dict[Key, Figures] = {}
    while True:
        page = stub.ExplainAccount(request, timeout=TIMEOUT_S)
        for one in page.movements:
            key = int(one.kind), int(one.side)
            rows, posted, reserved, released = sums.get(key, (0, 0, 0, 0))
            sums[key] = (
                rows + one.count,
                posted + one.posted,
                reserved + one.reserved,
                released + one.released,
            )
        request.page_token = page.next_page_token
        if not request.page_token:
            return sums
