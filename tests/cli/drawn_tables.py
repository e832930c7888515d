"""All tables that the product draws, as its source states them.

A call of `screen.table` names its columns, those with numbers, and those that a narrow
screen wraps, puts below a row or leaves out first. Here they are read from the source,
so that a new table is tested without a word.
"""

import ast
import contextlib
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = ("cli", "day", "simulator", "backup", "joining", "web")
STANDS_FOR: dict[str, Any] = {"by": "biller"}
"""What a call takes from its caller, with a value that it may have."""


@dataclass(frozen=True)
class Drawn:
    """One call."""

    where: str
    columns: tuple[str, ...]
    right: tuple[str, ...]
    drop: tuple[str, ...]
    wraps: tuple[str, ...]
    below: str | None
    whole: bool


def drawn_tables() -> list[Drawn]:
    """Every table, in the order of files and lines. Fails on one that is not read."""
    found: list[Drawn] = []
    for package in PACKAGES:
        for path in sorted((ROOT / "switch" / package).rglob("*.py")):
            found += _of_file(path)
    return found


def _of_file(path: Path) -> Iterator[Drawn]:
    text = path.read_text(encoding="utf-8")
    # Each process that collects tests comes by here; most files draw none.
    if "screen" not in text or ".table" not in text:
        return
    tree = ast.parse(text)
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and _draws(call.func):
                    yield _read(name, function, call)


def _draws(called: ast.expr) -> bool:
    return (
        isinstance(called, ast.Attribute)
        and called.attr == "table"
        and ast.unparse(called.value).endswith("screen")
    )


def _read(module: str, function: ast.FunctionDef, call: ast.Call) -> Drawn:
    """The call's arguments; a name in them stands for what the function made it."""
    names = {**vars(importlib.import_module(module)), **STANDS_FOR}
    for statement in ast.walk(function):
        if isinstance(statement, ast.Assign) and statement.lineno < call.lineno:
            code = compile(ast.Module([statement], []), module, "exec")
            # What depends on the ledger has no names of columns.
            with contextlib.suppress(Exception):
                exec(code, names)
    given = {each.arg: each.value for each in call.keywords if each.arg}

    def value(node: ast.expr | None) -> tuple[str, ...]:
        if node is None:
            return ()
        return tuple(eval(compile(ast.Expression(node), module, "eval"), names))

    return Drawn(
        where=f"{module}:{function.name}:{call.lineno}",
        columns=value(call.args[0]),
        right=value(given.get("right")),
        drop=value(given.get("drop")),
        wraps=value(given.get("wraps")),
        below=ast.literal_eval(given["below"]) if "below" in given else None,
        whole="whole" in given,
    )
