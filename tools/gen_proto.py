"""Generate `switch/v1` from `proto/`: messages, calls and their types.

    python tools/gen_proto.py [--out DIR]

Uses grpcio-tools' own protoc, never the system's, and mypy-protobuf's plugins, both
as pinned in requirements.lock: the same sources give the same bytes, and a test
holds the committed stubs to that.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
PACKAGE = Path("switch/v1")
INIT = '"""Generated from proto/ by tools/gen_proto.py. Never edited."""\n'


def protoc(out: Path) -> None:
    """Run protoc over every file of the contract, writing below `out`."""
    sources = sorted(path.relative_to(PROTO) for path in PROTO.rglob("*.proto"))
    well_known = resources.files("grpc_tools") / "_proto"
    # mypy-protobuf's plugins stand beside the interpreter that runs this.
    plugins = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{plugins}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc"),
            *(f"--proto_path={PROTO}", f"--proto_path={well_known}"),
            *(f"--python_out={out}", f"--grpc_python_out={out}"),
            *(f"--mypy_out={out}", f"--mypy_grpc_out={out}"),
            *(str(source) for source in sources),
        ],
        check=True,
        env=environment,
    )


def generate(out: Path) -> list[Path]:
    """Write the package's files into `out`, replacing what was generated before.

    Returns the files in order. Raises CalledProcessError if protoc refuses.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        protoc(made)
        if out.exists():
            shutil.rmtree(out)
        out.mkdir(parents=True)
        (out / "__init__.py").write_text(INIT)
        for path in sorted((made / PACKAGE).iterdir()):
            # A file without a service has empty call stubs: leave them out.
            if "_pb2_grpc" in path.name and "\nservice " not in source(path):
                continue
            shutil.copyfile(path, out / path.name)
    return sorted(out.iterdir())


def source(generated: Path) -> str:
    """Return the text of the .proto file that a generated file comes from."""
    stem = generated.name.split("_pb2")[0]
    return (PROTO / PACKAGE / f"{stem}.proto").read_text()


def main() -> None:
    """Read the command line and generate."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / PACKAGE)
    arguments = parser.parse_args()
    for path in generate(arguments.out):
        print(path.name)


if __name__ == "__main__":
    main()
