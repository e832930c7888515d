"""What each role may call.

May use `identity`. The table is the whole of it: what is not in it may be called by
nobody.
"""

from collections.abc import Mapping
from typing import Final

from switch.codes import Role
from switch.register.identity import ForbiddenError, Identity

_CENTRE = frozenset({Role.CENTRE})
_BILLER = frozenset({Role.BILLER})
_SENDERS = frozenset({Role.CENTRE, Role.HARNESS})
_TREASURY = frozenset({Role.TREASURY})
_OFFICES = frozenset({Role.TREASURY, Role.AUDITOR})
_READERS = _OFFICES | {Role.HARNESS}
_PMU = frozenset({Role.PMU})
_SUPPORT = frozenset({Role.SUPPORT})
_COMPLAINTS = _OFFICES | _CENTRE | _BILLER | _SUPPORT
_PUBLIC = frozenset({Role.PUBLIC})
MASKED: Final = frozenset({Role.PMU, Role.SUPPORT})
"""Who reads the whole network, but for references, notes and accounts at banks."""

MATRIX: Final[Mapping[str, frozenset[Role]]] = {
    "/payswitch.v1.PaymentService/CreatePayment": _SENDERS,
    "/payswitch.v1.PaymentService/CreatePayments": _SENDERS,
    "/payswitch.v1.PaymentService/CreateBasket": _SENDERS,
    "/payswitch.v1.PaymentService/StreamPayments": _SENDERS,
    "/payswitch.v1.PaymentService/GetPayment": _READERS | _CENTRE | _SUPPORT,
    "/payswitch.v1.PaymentService/GetPayments": _READERS | _CENTRE | _SUPPORT,
    "/payswitch.v1.PaymentService/WatchPayment": _READERS | _CENTRE | _SUPPORT,
    "/payswitch.v1.PaymentService/ListPayments": _READERS | _CENTRE | _SUPPORT,
    "/payswitch.v1.WalletService/GetWallet": _READERS | _CENTRE | MASKED,
    "/payswitch.v1.WalletService/ListStatement": _READERS | _CENTRE | _SUPPORT,
    "/payswitch.v1.WalletService/ListLowBalances": _OFFICES | _CENTRE | MASKED,
    "/payswitch.v1.CounterService/FetchBill": _SENDERS,
    "/payswitch.v1.CounterService/FetchBills": _SENDERS,
    "/payswitch.v1.CounterService/PayBill": _SENDERS,
    "/payswitch.v1.CounterService/GetReceipt": _READERS | _CENTRE | _SUPPORT,
    "/payswitch.v1.CounterService/GetAcknowledgement": _READERS | _CENTRE | _SUPPORT,
    "/payswitch.v1.CounterService/CloseShift": _SENDERS,
    "/payswitch.v1.CounterService/SignShift": _SENDERS,
    "/payswitch.v1.CounterService/CancelPayment": _SENDERS,
    "/payswitch.v1.CounterService/RaiseComplaint": _CENTRE,
    "/payswitch.v1.CounterService/GetComplaint": _COMPLAINTS,
    "/payswitch.v1.CounterService/ListComplaints": _COMPLAINTS,
    "/payswitch.v1.CounterService/AnswerComplaint": _TREASURY | _BILLER,
    "/payswitch.v1.CounterService/ListHandouts": _OFFICES | _CENTRE | _SUPPORT,
    "/payswitch.v1.CounterService/HandOut": _CENTRE,
    "/payswitch.v1.CounterService/GetSignOnNonce": _CENTRE,
    "/payswitch.v1.CounterService/SignOn": _CENTRE,
    "/payswitch.v1.CounterService/GetSession": _CENTRE,
    "/payswitch.v1.CounterService/SignOff": _CENTRE,
    "/payswitch.v1.CounterService/ListCatalogue": _READERS | _CENTRE | MASKED,
    "/payswitch.v1.CounterService/SearchPayments": _OFFICES | _CENTRE | _SUPPORT,
    "/payswitch.v1.BillerService/FollowFeed": _OFFICES | _BILLER,
    "/payswitch.v1.BillerService/Connect": _BILLER,
    "/payswitch.v1.BillerService/Acknowledge": _BILLER,
    "/payswitch.v1.BillerService/SendDayList": _BILLER,
    "/payswitch.v1.BillerService/PutBills": _BILLER,
    "/payswitch.v1.AdminService/LoadNetwork": _TREASURY,
    "/payswitch.v1.AdminService/TopUp": _TREASURY,
    "/payswitch.v1.AdminService/FreezeWallet": _TREASURY,
    "/payswitch.v1.AdminService/CloseWallet": _TREASURY,
    "/payswitch.v1.AdminService/SetLimit": _TREASURY,
    "/payswitch.v1.AdminService/ListExceptions": _OFFICES | _SUPPORT,
    "/payswitch.v1.AdminService/Propose": _TREASURY,
    "/payswitch.v1.AdminService/Withdraw": _TREASURY,
    "/payswitch.v1.AdminService/Approve": _TREASURY,
    "/payswitch.v1.AdminService/ListProposals": _OFFICES,
    "/payswitch.v1.AdminService/FundSuspense": _TREASURY,
    "/payswitch.v1.AdminService/RecoverAdvance": _TREASURY,
    "/payswitch.v1.AdminService/ListBillers": _READERS | MASKED,
    "/payswitch.v1.AdminService/CloseWindow": _TREASURY,
    "/payswitch.v1.AdminService/ListWindowLines": _OFFICES | MASKED,
    "/payswitch.v1.AdminService/ListWindows": _OFFICES | MASKED,
    "/payswitch.v1.AdminService/GetSchedule": _OFFICES | MASKED,
    "/payswitch.v1.AdminService/Settle": _TREASURY,
    "/payswitch.v1.AdminService/AcceptClock": _TREASURY,
    "/payswitch.v1.AdminService/RotateQuotationKey": _TREASURY,
    "/payswitch.v1.AdminService/RevokeCertificate": _TREASURY,
    "/payswitch.v1.AdminService/ConfirmRevocation": _TREASURY,
    "/payswitch.v1.AdminService/PinKeys": _TREASURY,
    "/payswitch.v1.AdminService/SetBudget": _TREASURY,
    "/payswitch.v1.AdminService/ListRevocations": _OFFICES,
    "/payswitch.v1.AdminService/ListPins": _OFFICES,
    "/payswitch.v1.AdminService/ListBudgets": _OFFICES,
    "/payswitch.v1.AdminService/ListAccounts": _READERS | MASKED,
    "/payswitch.v1.AdminService/ListNetwork": _OFFICES | _PMU,
    "/payswitch.v1.AdminService/ListServices": _READERS | MASKED,
    "/payswitch.v1.AdminService/GetLedger": _READERS | MASKED,
    "/payswitch.v1.PeopleService/ListPeople": _OFFICES,
    "/payswitch.v1.PeopleService/Prepare": _OFFICES,
    "/payswitch.v1.PeopleService/Submit": _OFFICES,
    "/payswitch.v1.PeopleService/GetProposal": _OFFICES,
    "/payswitch.v1.PeopleService/DoLines": _OFFICES,
    "/payswitch.v1.PeopleService/ListStops": _OFFICES,
    "/payswitch.v1.BankService/RequestTopUp": _CENTRE,
    "/payswitch.v1.BankService/GetTopUpRequest": _OFFICES | _CENTRE | _SUPPORT,
    "/payswitch.v1.BankService/ListTopUpRequests": _OFFICES | _CENTRE | _SUPPORT,
    "/payswitch.v1.BankService/ListBankAccounts": _OFFICES,
    "/payswitch.v1.BankService/ListBankItems": _OFFICES,
    "/payswitch.v1.BankService/ListBeneficiaries": _OFFICES,
    "/payswitch.v1.TotalsService/ReadTotals": _OFFICES | _BILLER | MASKED,
    "/payswitch.v1.ExplainService/ExplainAccount": _READERS
    | _CENTRE
    | _BILLER
    | MASKED,
    "/payswitch.v1.ExplainService/ListMovements": _READERS
    | _CENTRE
    | _BILLER
    | _SUPPORT,
    "/payswitch.v1.ExplainService/ExplainWindow": _OFFICES | MASKED,
    "/payswitch.v1.ExplainService/ExplainDay": _OFFICES | MASKED,
    "/payswitch.v1.FilesService/ListFiles": _OFFICES | _BILLER,
    "/payswitch.v1.FilesService/ReadFile": _OFFICES | _BILLER,
    "/payswitch.v1.PublicService/CheckReceipt": _PUBLIC,
    "/payswitch.v1.PublicService/CheckComplaint": _PUBLIC,
    "/payswitch.v1.PublicService/ReadPublicTotals": _PUBLIC,
    "/payswitch.v1.PublicService/ListRecoveries": _PUBLIC,
}
"""Full method name → roles. A method that is not here may be called by nobody."""

ACTS: Final = frozenset(
    name
    for name in MATRIX
    for service, _, method in [name.rpartition("/")]
    if service.endswith((".AdminService", ".PeopleService"))
    and not method.startswith(("List", "Get", "Prepare"))
) | {
    "/payswitch.v1.CounterService/CancelPayment",
    "/payswitch.v1.CounterService/HandOut",
}
"""The writing calls of the treasury, and what gives money back at a counter: each is a
line of the security log."""

SEARCHES: Final = frozenset({"/payswitch.v1.CounterService/SearchPayments"})
"""Calls that find what nobody has named by its id: all are in the security log."""

BOOTSTRAP = "/payswitch.v1.AdminService/LoadNetwork"
"""The one call that a treasury may make before the register has any treasury."""


def allow(caller: Identity, method: str) -> None:
    """Raise ForbiddenError unless `caller` may call `method` (its full name)."""
    if caller.role not in MATRIX.get(method, frozenset()):
        raise ForbiddenError(f"a {caller.role.name.lower()} may not call {method}")
    if caller.index == 0 and method != BOOTSTRAP:
        raise ForbiddenError(f"load the network first: {method} needs the register")
