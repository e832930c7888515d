"""`python -m switch.web.counter`: the counter alone, without any other command."""

import argparse
import sys

from switch.errors import SwitchError
from switch.web.counter import command
from switch.web.counter.arguments import add_arguments


def main() -> int:
    """Runs it; the exit code."""
    parser = argparse.ArgumentParser(prog="payswitch counter", description=__doc__)
    add_arguments(parser)
    try:
        return command.serve(parser.parse_args())
    except SwitchError as error:
        print(f"payswitch counter: {error}", file=sys.stderr)
        return 78


if __name__ == "__main__":
    sys.exit(main())
