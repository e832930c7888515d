"""`make journeys`: the documents' commands as typed, and four people's ways.

    python -m tests.journeys [newcomer] [operator] [citizen] [treasury] [documents]

Without a name all of them, one after the other, beside one ledger of `make run` in a
folder of its own. What took how long, what was read and every picture is under
build/journeys; the exit code is 0 if nothing stopped anybody.
"""

import signal
import sys
import time
import traceback

from tests.journeys import citizen, documents, namespace, newcomer, operator, treasury
from tests.journeys.report import write_report
from tests.journeys.world import World

JOURNEYS = {
    "newcomer": newcomer.walk,
    "operator": operator.walk,
    "citizen": citizen.walk,
    "treasury": treasury.walk,
    "documents": documents.walk,
}


def main() -> int:
    """Runs them; the exit code."""
    wanted = sys.argv[1:] or list(JOURNEYS)
    unknown = sorted(set(wanted) - set(JOURNEYS))
    if unknown:
        print(f"no such journey: {', '.join(unknown)}", file=sys.stderr)
        return 2
    where = namespace.enter()
    print(f"journeys {', '.join(wanted)}, {where}", flush=True)
    # Where it was ignored, as in the background, Ctrl-C would end no command either.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Who is ended ends the day's server, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    world = World()
    minutes: dict[str, float] = {}
    try:
        for name, walk in JOURNEYS.items():
            # Everybody comes after the newcomer, who begins the ledger.
            if name not in wanted and name != "newcomer":
                continue
            begin_s = time.monotonic()
            world.journey = name
            print(f"--- {name}", flush=True)
            try:
                walk(world, whole=name in wanted)
            except Exception:  # noqa: BLE001 - the next one is walked all the same
                world.failed.append(f"{name}: stopped")
                traceback.print_exc()
                if name == "newcomer":
                    break
            minutes[name] = (time.monotonic() - begin_s) / 60
    finally:
        world.end()
    path = write_report(world, minutes, where)
    for failed in world.failed:
        print(f"FAILED  {failed}", flush=True)
    print(f"{len(world.failed)} stops; {path}", flush=True)
    return 1 if world.failed else 0


if __name__ == "__main__":
    sys.exit(main())
