"""atheris over the target of bank statements: `python -m tests.fuzz.camt_covered
FOLDER`.

Its options are libFuzzer's. It stands where PYTHONPATH says (`make torture --only fuzz`
puts it into build/fuzz/atheris); what `switch.bank` reaches is counted.
"""

import importlib
import sys

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]


def main() -> None:
    """Until atheris ends."""
    with atheris.instrument_imports(include=["switch.bank"]):
        camt = importlib.import_module("tests.fuzz.camt")

    def target(data: bytes) -> None:
        camt.run(data)

    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
