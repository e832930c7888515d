"""Find libpq to build with; print how, as JSON, or nothing where it is not.

Only clusters need it (switch/cluster): without it everything else is built all the
same, and a line on stderr says so. Nothing is installed.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

LEAST = (14, 0)
"""The oldest libpq whose functions and settings are all that we use."""


def asked(*command: str) -> str:
    """What a program prints, or nothing where it is not or fails."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def version(said: str) -> tuple[int, ...]:
    """Numbers of `17.12` or `PostgreSQL 17.12 (Debian ...)`."""
    words = [word for word in said.split() if word[:1].isdigit()]
    return tuple(int(n) for n in words[0].split(".") if n.isdigit()) if words else ()


def find() -> dict[str, list[str]] | None:
    """Where its header and library are: by pkg-config, else by pg_config."""
    if version(asked("pkg-config", "--modversion", "libpq")) >= LEAST:
        include = asked("pkg-config", "--variable=includedir", "libpq")
        library = asked("pkg-config", "--variable=libdir", "libpq")
    elif version(asked("pg_config", "--version")) >= LEAST:
        include = asked("pg_config", "--includedir")
        library = asked("pg_config", "--libdir")
    else:
        return None
    # Debian has the program without the header, too.
    if not (Path(include) / "libpq-fe.h").is_file():
        return None
    return {"include_dirs": [include], "library_dirs": [library]}


def main() -> None:
    """Print what was found."""
    found = find()
    if found is None:
        print(
            "built without clusters: no libpq 14 or newer (apt-get install libpq-dev)",
            file=sys.stderr,
        )
        return
    print(json.dumps(found))


if __name__ == "__main__":
    main()
