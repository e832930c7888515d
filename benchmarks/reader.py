"""A counter that looks and pays while somebody attacks: how long each takes.

    python -m benchmarks.reader --address A --tls DIRECTORY --seconds S

Run by `benchmarks.abuse`, with the victim's certificate: a page of its payments, and a
bill by `PayBill`, ten times a second each, one after the other.
"""

import json
import time

from benchmarks.messages import service_code
from benchmarks.victim import own, parser
from switch.client import Client
from switch.errors import SwitchError
from switch.ids import new_id
from switch.v1 import payments_pb2

APART_S = 0.1
PATIENCE_S = 10.0
PAGE = 50


def main() -> None:
    """Look and pay again and again."""
    options = parser().parse_args()
    took_ms: dict[str, list[float]] = {"list": [], "bill": []}
    refused, said = 0, ""
    address, credentials = options.address, own(options.tls)
    with Client(address, credentials, retries_max=0, timeout_s=PATIENCE_S) as client:
        client.wait_ready(PATIENCE_S)
        listed = payments_pb2.ListPaymentsRequest(page_size=PAGE)
        end_s = time.monotonic() + options.seconds
        while time.monotonic() < end_s:
            payment = payments_pb2.Payment(
                id=new_id(), service=service_code(0), reference="READER", amount=1
            )
            for kind, call in (
                ("list", lambda: client.list_payments(listed)),
                ("bill", lambda: client.pay_bill(payment)),  # noqa: B023
            ):
                began_s = time.monotonic()
                try:
                    call()
                except SwitchError as error:
                    refused, said = refused + 1, str(error)
                else:
                    took_ms[kind].append((time.monotonic() - began_s) * 1_000)
            time.sleep(APART_S)
    found: dict[str, object] = {"reads_refused": refused, "reads_said": said}
    for kind, times in took_ms.items():
        times.sort()
        found[f"{kind}s"] = len(times)
        for share in (50, 99):
            at = min(len(times) * share // 100, len(times) - 1)
            found[f"{kind}_p{share}_ms"] = round(times[at], 1) if times else None
    print(json.dumps(found))


if __name__ == "__main__":
    main()
