"""A counter that looks and pays while somebody attacks: how long each takes.

    python -m benchmarks.reader --address A --tls DIRECTORY --seconds S

Run by `benchmarks.abuse`, with the victim's certificate: a page of its payments, and a
bill by `PayBill`, ten times a second each, one after the other.
"""

import argparse
import json
import time
from pathlib import Path

from benchmarks.messages import centre_code, service_code
from benchmarks.victim import VICTIM
from switch.client import Client
from switch.credentials import Credentials
from switch.errors import SwitchError
from switch.ids import new_id
from switch.v1 import payments_pb2

APART_S = 0.1
PATIENCE_S = 10.0
PAGE = 50


def main() -> None:
    """Look and pay again and again."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True)
    parser.add_argument("--tls", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    centre = centre_code(VICTIM)
    tls, name = options.tls, f"centre-{centre}"
    own = Credentials(tls / f"{name}.pem", tls / f"{name}.key", tls / "ca.pem")
    took_ms: dict[str, list[float]] = {"list": [], "bill": []}
    refused, said = 0, ""
    with Client(options.address, own, retries_max=0, timeout_s=PATIENCE_S) as client:
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
