"""`python -m switch.web.counter`: the counter alone, without any other command."""

import argparse
import sys
from pathlib import Path

from switch.config import Config
from switch.errors import SwitchError
from switch.web.counter import command


def main() -> int:
    """Runs it; the exit code."""
    config = Config()
    parser = argparse.ArgumentParser(prog="payswitch counter", description=__doc__)
    parser.add_argument("--address", default=config.address, help="host:port")
    parser.add_argument("--tls", type=Path, default=config.tls_dir, metavar="DIR")
    command.add_arguments(parser)
    try:
        return command.serve(parser.parse_args())
    except SwitchError as error:
        print(f"payswitch counter: {error}", file=sys.stderr)
        return 78


if __name__ == "__main__":
    sys.exit(main())
