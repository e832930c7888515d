"""`python -m tools.cluster.supervised COMMAND…`: starts it again, as a unit would.

Who is fenced or asked to step down ends with 71, who could not hear from the log with
73, and shall follow; who is killed shall come back. What would be so again by itself
(settings, a difference) is left ended.
"""

import signal
import subprocess
import sys
import time

AGAIN = (70, 71, 73)
"""As `deploy/payswitch.service`: 72, 75 and 78 are for a person."""
PAUSE_S = 0.5


def main() -> int:
    """Until it ends in order, or for a reason that stays."""
    ending = False
    child: subprocess.Popen[bytes] | None = None

    def end(*_: object) -> None:
        nonlocal ending
        ending = True
        if child is not None:
            child.terminate()

    signal.signal(signal.SIGTERM, end)
    while True:
        child = subprocess.Popen(sys.argv[1:])
        code = child.wait()
        print(f"supervised: ended with {code}", file=sys.stderr, flush=True)
        if ending or not (code in AGAIN or code < 0):
            return max(0, code)
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    sys.exit(main())
