"""A process that asks for the lease, and says when it has it and when it has not.

python -m tests.cluster.lease_holder DSN NAME LEASE_S
"""

import sys
import time

from switch.cluster.lease import Lease


def main() -> None:
    dsn, name, lease_s = sys.argv[1:]
    lease = Lease(dsn, name, float(lease_s))
    lease.start()
    told: bool | None = None
    while True:
        if (holds := lease.holds()) is not told:
            told = holds
            print("holds" if holds else "waits", flush=True)
        time.sleep(0.01)


if __name__ == "__main__":
    main()
