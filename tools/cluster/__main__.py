"""`python -m tools.cluster`: start it, harm it, prove it, end it."""

import sys
from pathlib import Path

from tools.cluster.stand import Stand

if __name__ == "__main__":
    say = lambda text: print(text, file=sys.stderr, flush=True)
    folder = Path("data/cluster")
    if sys.argv[1] == "up":
        stand = Stand.make(folder, say, archive="noarchive" not in sys.argv)
        try:
            stand.up()
        except BaseException:
            stand.down()
            raise
        print(stand.told())
    else:
        stand = Stand.open(folder, say)
        stand.down()
        stand.remove()
