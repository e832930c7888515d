"""A counter at the switch: fetches a bill, pays it, prints what the citizen takes home.

    python counter.py CENTRE SERVICE REFERENCE --operator 7
    python counter.py CENTRE                       # settles what was left behind

One rule makes it correct. A payment has its id, and is on disk with it, before it is
sent for the first time. Whatever happens then, the very same message is sent again, and
never another one for the same cash. Exit code: 0 paid, 1 not paid, 3 not known yet.
"""

import argparse
import os
import random
import sys
import time
from pathlib import Path

import grpc

from switch.v1 import counter_pb2 as pb
from switch.v1 import counter_pb2_grpc, payments_pb2, payments_pb2_grpc, results_pb2

CALL_S = 30.0  # for a reply to come
BILLER_MS = 10_000  # of these, that the switch may wait for the department
WAIT_FIRST_S, WAIT_MAX_S = 0.5, 10.0  # before the same is sent again
PAID, NOT_PAID, NOT_KNOWN = 0, 1, 3

BILLS = {
    pb.BILL_STATE_DUE: "to be paid",
    pb.BILL_STATE_IN_PROGRESS: "somebody is paying it: take no money",
    pb.BILL_STATE_PAID: "paid already: take no money",
}
FETCHES = {
    grpc.StatusCode.NOT_FOUND: "The department knows of nothing to pay.",
    grpc.StatusCode.INVALID_ARGUMENT: "The service has no such reference.",
    grpc.StatusCode.UNAVAILABLE: "The department does not answer; come again later.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "Too many are asking; try again in a minute.",
    grpc.StatusCode.FAILED_PRECONDITION: "The department must put its bill right.",
}
# In all other states the money is reserved, and the department is being asked.
ENDS = {
    payments_pb2.PAYMENT_STATE_COMPLETED: "Paid.",
    payments_pb2.PAYMENT_STATE_REFUNDED: "It was paid, and refunded since.",
    payments_pb2.PAYMENT_STATE_REVERSED: "Not credited. Return the cash.",
    payments_pb2.PAYMENT_STATE_EXPIRED: "Not credited. Return the cash.",
    # Not the last word about the bill, but about the cash.
    payments_pb2.PAYMENT_STATE_UNVERIFIED: "The time is over. Return the cash against"
    " the acknowledgement. Nobody can pay this bill until the department has said.",
}
REFUSALS = {
    results_pb2.RESULT_BILL_ALREADY_CLAIMED: "it is paid already, or being paid",
    # With it may come a handle to pay once more. It is for a person who has asked the
    # citizen, and for another payment: no program gives it back by itself.
    results_pb2.RESULT_PAID_RECENTLY: "this reference was paid a short time ago",
    results_pb2.RESULT_QUOTATION_EXPIRED: "the bill may have changed: fetch it again",
    results_pb2.RESULT_QUOTATION_WRONG: "the bill is another one: fetch it again",
    results_pb2.RESULT_INSUFFICIENT_FUNDS: "this centre's wallet has too little",
    results_pb2.RESULT_DEBIT_FROZEN: "this centre's wallet is frozen",
    results_pb2.RESULT_DAY_AMOUNT_EXCEEDED: "it is more than the centre may pay today",
    results_pb2.RESULT_DAY_COUNT_EXCEEDED: "the centre may pay no more bills today",
    results_pb2.RESULT_PAYMENT_AMOUNT_EXCEEDED: "it is above the limit of one payment",
    results_pb2.RESULT_SERVICE_INACTIVE: "the service is closed at present",
}


class Counter:
    """The calls of one counter, and a folder with the payments that have no end yet."""

    def __init__(self, channel: grpc.Channel, folder: Path) -> None:
        self.counter = counter_pb2_grpc.CounterServiceStub(channel)
        self.payments = payments_pb2_grpc.PaymentServiceStub(channel)
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def choose(self, service: str, reference: str) -> pb.Bill | None:
        """Show what a reference owes; the bill that the citizen pays, if any."""
        request = pb.FetchBillRequest(service=service, reference=reference)
        bills = self.counter.FetchBill(request, timeout=CALL_S).bills
        for place, bill in enumerate(bills, 1):
            name = f"{bill.id} {bill.period}".strip()
            print(f"{place}: {name} {rupees(bill.amount_due)}, {BILLS[bill.state]}")
        told = input("Number of the bill whose cash you have, or Enter for none: ")
        place = int(told) if told.isdecimal() else 0
        if not 1 <= place <= len(bills) or bills[place - 1].state != pb.BILL_STATE_DUE:
            return None
        return bills[place - 1]

    def write(self, bill: pb.Bill, operator: int) -> Path:
        """The payment of a bill as it will be sent, on disk."""
        # A UUIDv7, as ids that ascend keep the switch's index small.
        raw = bytearray(int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10))
        raw[6], raw[8] = 0x70 | raw[6] & 0x0F, 0x80 | raw[8] & 0x3F
        payment = payments_pb2.Payment(
            id=bytes(raw),
            service=bill.service,
            amount=bill.amount_due,
            reference=bill.reference,
            operator=operator,
            head=bill.head,
            quotation=bill.quotation,
        )
        draft = self.folder / "draft"  # half a message is no payment
        with draft.open("wb") as file:
            file.write(payment.SerializeToString())
            file.flush()
            os.fsync(file.fileno())
        path = draft.rename(self.folder / f"{payment.id.hex()}.payment")
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)  # its name, too, survives a power cut
        os.close(folder)
        return path

    def settle(self, path: Path, patience_s: float) -> int:
        """Send a payment until its end is known, or the patience is; the exit code."""
        payment = payments_pb2.Payment.FromString(path.read_bytes())
        print(f"Payment {payment.id.hex()} of {rupees(payment.amount)}")
        end_s, wait_s = time.monotonic() + patience_s, WAIT_FIRST_S
        while True:
            try:
                code = self.attempt(payment, end_s)
            except grpc.RpcError as error:
                # Whatever it says, this or an earlier one may have been taken.
                print(f"No answer yet: {error.code().name} {error.details()}")
                code = NOT_KNOWN
            if code != NOT_KNOWN:
                path.unlink()
                return code
            if time.monotonic() + wait_s > end_s:
                print("Not known yet. Take no cash again, return none, run this again.")
                self.acknowledge(payment)
                return NOT_KNOWN
            # Not in the same moment as all other counters.
            time.sleep(wait_s * random.uniform(0.5, 1.0))
            wait_s = min(2 * wait_s, WAIT_MAX_S)

    def attempt(self, payment: payments_pb2.Payment, end_s: float) -> int:
        """Send it once and follow it to its end, or ours; the exit code."""
        pay = pb.PayBillRequest(payment=payment, wait_ms=BILLER_MS)
        outcome = self.counter.PayBill(pay, timeout=CALL_S).outcome
        if outcome.result == results_pb2.RESULT_BILLER_BUSY:
            return NOT_KNOWN  # nothing was recorded, and the same may be sent again
        if outcome.result != results_pb2.RESULT_OK:
            name = results_pb2.Result.Name(outcome.result)
            print(f"Not paid: {REFUSALS.get(outcome.result, name)}. Return the cash.")
            return NOT_PAID
        state = outcome.state
        if state not in ENDS:
            print("The department has not said yet. The money is reserved.")
            watch = payments_pb2.WatchPaymentRequest(id=payment.id)
            wait_s = max(end_s - time.monotonic(), 1.0)
            for reply in self.payments.WatchPayment(watch, timeout=wait_s):
                state = reply.payment.state
                if state in ENDS:
                    break
        if state not in ENDS:
            return NOT_KNOWN
        print(ENDS[state])
        if state == payments_pb2.PAYMENT_STATE_COMPLETED:
            receipt = pb.GetReceiptRequest(id=payment.id)
            print(self.counter.GetReceipt(receipt, timeout=CALL_S).text)
            return PAID
        self.acknowledge(payment)
        return NOT_PAID

    def acknowledge(self, payment: payments_pb2.Payment) -> None:
        """Print what the citizen takes home where there is no receipt."""
        request = pb.GetAcknowledgementRequest(id=payment.id)
        try:
            print(self.counter.GetAcknowledgement(request, timeout=CALL_S).text)
        except grpc.RpcError:
            print("Give the citizen the number of the payment above.")


def rupees(paise: int) -> str:
    """An amount for people."""
    return f"₹{paise // 100:,}.{paise % 100:02}"


def dial(args: argparse.Namespace) -> grpc.Channel:
    """A channel to the switch, which knows us by our certificate alone."""
    own = args.tls / f"centre-{args.centre}"
    credentials = grpc.ssl_channel_credentials(
        (args.tls / "ca.pem").read_bytes(),
        own.with_suffix(".key").read_bytes(),
        own.with_suffix(".pem").read_bytes(),
    )
    return grpc.secure_channel(args.switch, credentials)


def main() -> int:
    """Runs it; the exit code."""
    parser = argparse.ArgumentParser(description="A counter of a centre.")
    parser.add_argument("centre", help="participant id, as in the certificate")
    parser.add_argument("service", nargs="?")
    parser.add_argument("reference", nargs="?")
    parser.add_argument("--operator", type=int, default=1)
    parser.add_argument("--open", type=Path, default=Path("data/open-payments"))
    parser.add_argument("--patience", type=float, default=120.0, help="seconds")
    parser.add_argument("--switch", default="127.0.0.1:7443", help="host:port")
    parser.add_argument("--tls", type=Path, default=Path("data/tls"))
    args = parser.parse_intermixed_args()
    with dial(args) as channel:
        counter = Counter(channel, args.open)
        left = sorted(args.open.glob("*.payment"))
        codes = [counter.settle(path, args.patience) for path in left]
        if not args.reference:
            return max(codes, default=PAID)
        try:
            bill = counter.choose(args.service, args.reference)
        except grpc.RpcError as error:
            print(FETCHES.get(error.code(), "It is not known."), error.details())
            return NOT_PAID
        if bill is None:
            return NOT_PAID
        return counter.settle(counter.write(bill, args.operator), args.patience)


if __name__ == "__main__":
    sys.exit(main())
