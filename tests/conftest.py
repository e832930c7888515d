"""Lets the tests run on another build of what is compiled: see SWITCH_TEST_LIB.

And apart from those that bear one other beside them, or none, or that fill the time in
which those wait: see `--alone`.
"""

import gc
import importlib.util
import os
import sys
from collections import Counter
from collections.abc import Generator, Iterable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

import switch.billing
import switch.cluster
import switch.totals
from tests import guard

# What a machine that stands still for a second does to a draw says nothing of the code.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")

GARBAGE = (50_000, 20, 20)
"""So many more objects, and looks at newer ones, before garbage is looked for."""


def load_built(folder: Path, package: ModuleType, name: str) -> None:
    """Make this module of a package the one that a build mode left in `folder`."""
    full = f"{package.__name__}.{name}"
    found = sorted(folder.glob(f"{full.replace('.', '/')}.*.so"))
    if len(found) != 1:
        raise FileNotFoundError(f"not one compiled {full} in {folder}: {found}")
    spec = importlib.util.spec_from_file_location(full, found[0])
    if spec is None or spec.loader is None:
        raise ImportError(f"{found[0]} is no module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[full] = module
    spec.loader.exec_module(module)
    vars(package)[name] = module


# `make sanitize` and `make coverage` name the folder with their own build.
if os.environ.get("SWITCH_TEST_LIB"):
    BUILT = Path(os.environ["SWITCH_TEST_LIB"])
    load_built(BUILT, switch, "_core")
    load_built(BUILT, switch.billing, "_hot")
    load_built(BUILT, switch.totals, "_sums")
    # Not all modes have it, nor do machines without libpq.
    if any(BUILT.glob("switch/cluster/_pq.*.so")):
        load_built(BUILT, switch.cluster, "_pq")


def pytest_configure(config: pytest.Config) -> None:
    """What holds for every test: see tests/guard.py."""
    config.pluginmanager.register(guard, "guard")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays: to look for garbage in it took ten seconds a process."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        # What a model keeps is no garbage: to look through it took a quarter of the
        # time of the largest ledgers.
        gc.set_threshold(*GARBAGE)
        gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--alone",
        choices=("without", "pair", "fill", "only"),
        help="of the tests marked `alone` or `fills` none; those that bear another;"
        " those that fill; the others",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only marked tests are wanted other files need not be read."""
    marks = {"pair": "mark.alone", "only": "mark.alone", "fill": "mark.fills"}
    mark = marks.get(config.getoption("--alone") or "")
    if mark is None or collection_path.suffix != ".py":
        return None
    return mark not in collection_path.read_text() or None


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out what `--alone` leaves out; `-m` stays free for the caller.

    Files that fork come first: each process takes files in this order, and so has not
    used gRPC before (tests/guard.py).

    All parts are sorted: files with the most slow tests first, so that no process has
    one left when the other has none. The files of each folder are then spread over the
    run: those that wait for servers stand beside those that compute.
    """
    forks = {item.path for item in items if item.get_closest_marker("forks")}
    items.sort(key=lambda item: item.path not in forks)
    wanted = config.getoption("--alone")
    if wanted is None:
        return
    config.hook.pytest_deselected(
        items=[item for item in items if part_of(item) != wanted]
    )
    items[:] = [item for item in items if part_of(item) == wanted]
    slow = Counter(i.path for i in items if i.get_closest_marker("slow"))
    place = spread(dict.fromkeys(item.path for item in items))
    items.sort(
        key=lambda item: (item.path not in forks, -slow[item.path], place[item.path])
    )


def part_of(item: pytest.Item) -> str:
    """With what of a run a test goes, as `--alone` names it."""
    if item.get_closest_marker("fills"):
        return "fill"
    marker = item.get_closest_marker("alone")
    if marker is None:
        return "without"
    return "pair" if marker.kwargs.get("beside") else "only"


def spread(paths: Iterable[Path]) -> dict[Path, float]:
    """Of each file the share of its folder's files that stand before it."""
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        folders.setdefault(path.parent, []).append(path)
    return {
        path: at / len(files)
        for files in folders.values()
        for at, path in enumerate(files)
    }
