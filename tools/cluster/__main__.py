"""`python -m tools.cluster`: start it, harm it, prove it, end it."""

import json
import sys
from pathlib import Path

from tools.cluster.drills import cold_starts
from tools.cluster.stand import Stand
from tools.cluster.writer import make_schema

if __name__ == "__main__":
    say = lambda text: print(text, file=sys.stderr, flush=True)
    folder = Path("data/cluster")
    if sys.argv[1] == "up":
        stand = Stand.make(folder, say, archive="noarchive" not in sys.argv)
        try:
            stand.up()
            make_schema(stand)
        except BaseException:
            stand.down()
            raise
        print(stand.told())
    elif sys.argv[1] == "cold":
        stand = Stand.open(folder, say)
        for one in cold_starts(stand, int(sys.argv[2])):
            print(json.dumps(one), flush=True)
    else:
        stand = Stand.open(folder, say)
        stand.down()
        stand.remove()
