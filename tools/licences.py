"""Write the table of licences in docs/licences.md, from what is installed:

    python tools/licences.py [--check]

For each release of requirements.lock its licence as its own metadata has it, whether
the product needs it, a counter alone, or only building and testing, and which libraries
its files carry along. `--check` writes nothing and fails if the page is not as it would
be written, or if a licence is none of those that we take.
"""

import argparse
import re
import sys
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PAGE = ROOT / "docs" / "licences.md"
BEGIN, END = "<!-- table: tools/licences.py -->\n", "<!-- end of the table -->\n"

SPELLED = {
    "Apache License 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "MIT License": "MIT",
}
"""How some metadata say what SPDX has another name for."""
NAMED = {"Jinja2": "BSD-3-Clause", "segno": "BSD-3-Clause"}
"""Of releases whose metadata say less than the licence that they carry."""
TAKEN = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "MIT"),
        *("MIT-0", "MIT-CMU", "MPL-2.0", "OLDAP-2.8", "PSF-2.0", "Zlib"),
    }
)
"""Licences that we take; MPL-2.0 asks only that its own files stay open."""
CARRIED = {
    "libXau": "MIT",
    "libavif": "BSD-2-Clause",
    "libbrotlicommon": "MIT",
    "libbrotlidec": "MIT",
    "libcrc32c": "BSD-3-Clause",
    "libfreetype": "FTL OR GPL-2.0-or-later",
    "libgfortran": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libharfbuzz": "MIT",
    "libjpeg": "IJG AND BSD-3-Clause AND Zlib",
    "liblcms2": "MIT",
    "liblzma": "0BSD",
    "libopenjp2": "BSD-2-Clause",
    "libpng16": "libpng-2.0",
    "libquadmath": "LGPL-2.1-or-later",
    "libscipy_openblas64_": "BSD-3-Clause",
    "libsharpyuv": "BSD-3-Clause",
    "libtiff": "libtiff",
    "libwebp": "BSD-3-Clause",
    "libwebpdemux": "BSD-3-Clause",
    "libwebpmux": "BSD-3-Clause",
    "libxcb": "MIT",
    "libzstd": "BSD-3-Clause",
}
"""Libraries that wheels bring along as files of their own, by name.

Those of images are Pillow's; of FreeType we take its own terms. The two of GCC are its
runtime for Fortran, which NumPy's wheels load as they are; who
passes the product on and wants neither builds NumPy from its sources.
"""


CARRIED_SHOWN = 80
"""Characters of the last column, so that a line fits a screen."""


class LicenceError(Exception):
    """Something is installed under terms that nobody has looked at."""


def licence_of(found: Distribution) -> str:
    """Its licence in the names of SPDX. Raises LicenceError for one we do not take."""
    metadata = found.metadata.json
    said = metadata.get("license_expression") or metadata.get("license") or ""
    if not said:
        classifiers = metadata.get("classifier", [])
        named = [one for one in classifiers if one.startswith("License :: OSI")]
        said = named[0] if len(named) == 1 else "unknown"
    assert isinstance(said, str)
    said = NAMED.get(found.name, SPELLED.get(said, said))
    if not set(re.split(r" (?:AND|OR) ", said)) <= TAKEN:
        raise LicenceError(f"{found.name} {found.version}: {said[:200]}")
    return said


def carried_by(found: Distribution) -> str:
    """The shared libraries among its files that are not its own modules."""
    names = set()
    for file in found.files or ():
        # `libcrc32c-7ebc40c5.so.1.1.0` in a folder `NAME.libs`.
        if file.parent.name.endswith(".libs"):
            names.add(re.split(r"-[0-9a-f]{8}|\.so", file.name)[0])
    unknown = sorted(names - CARRIED.keys())
    if unknown:
        raise LicenceError(f"{found.name} {found.version} carries {', '.join(unknown)}")
    return ", ".join(sorted(names))


def needed(group: str = "") -> set[str]:
    """What the product needs to run, or an extra of it, and what these need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    left = [_name(one) for one in (extras[group] if group else project["dependencies"])]
    seen: set[str] = set()
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            wants = distribution(name).requires or []
            # What is for an extra, or for an older Python, is not.
            apart = {"extra": ""}
            markers = {one: Requirement(one).marker for one in wants}
            left += [
                _name(one)
                for one, marker in markers.items()
                if marker is None or marker.evaluate(apart)
            ]
    return seen


def _name(requirement: str) -> str:
    matched = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert matched is not None
    return re.sub(r"[-_.]+", "-", matched[0]).lower()


def table() -> str:
    """The table. Raises LicenceError."""
    locked = re.findall(r"^([A-Za-z0-9._-]+)==", LOCK.read_text(), re.MULTILINE)
    runs, counters = needed(), needed("counter")
    lines = ["| package | licence | for | carries |", "|---|---|---|---|"]
    for name in sorted(locked, key=str.lower):
        found = distribution(name)
        use = "building and testing"
        if _name(name) in runs:
            use = "running"
        elif _name(name) in counters:
            use = "a counter"
        licence, carried = licence_of(found), carried_by(found)
        if len(carried) > CARRIED_SHOWN:
            carried = f"{len(carried.split(', '))} of those below"
        lines.append(f"| {name} | {licence} | {use} | {carried} |")
    lines += ["", *(f"- `{name}`: {terms}" for name, terms in CARRIED.items())]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    try:
        made = before + BEGIN + table() + END + rest.partition(END)[2]
    except LicenceError as error:
        print(f"look at its terms first: {error}", file=sys.stderr)
        return 1
    if args.check:
        if made != page:
            print("run `make licences` and commit what it writes", file=sys.stderr)
        return int(made != page)
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
