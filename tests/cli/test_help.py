"""Goal: whatever a command takes stands in its help, with a sentence.

Method: the parser's commands are walked, every verb included; what each takes is looked
for in the help that a person reads. The two commands that hand their arguments on to
another program are held against that program's own parser.
"""

import argparse
import ast
import contextlib
import importlib
import inspect
import io
import re
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from server.__main__ import parse as parse_serve
from switch.audit.__main__ import parser as audit_parser
from switch.cli import main
from switch.cli.entry import _parser
from switch.cli.others import AUDIT_OPTIONS
from switch.console.output import Exit, Screen
from tests.cli.drawn_tables import ROOT


def _commands(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that runs, by the words that are typed."""
    found = [each for each in parser._actions if isinstance(each, _Sub)]
    if not found:
        yield parser.prog, parser
    for action in found:
        for command in action.choices.values():
            yield from _commands(command)


_Sub = argparse._SubParsersAction
COMMANDS = dict(_commands(_parser()))


def test_the_walk_finds_verbs_too() -> None:
    known = {"payswitch audit", "payswitch bill pay", "payswitch propose ending recall"}
    assert known <= COMMANDS.keys()
    assert len(COMMANDS) > 60


@pytest.mark.parametrize("name", [each for each in COMMANDS if "serve" not in each])
def test_all_that_a_command_takes_stands_in_its_help(name: str) -> None:
    options = COMMANDS[name].format_help().partition("\n\n")[2]
    for action in COMMANDS[name]._actions:
        what = f"{name} {action.dest}"
        assert action.help, f"{what}: says nothing"
        assert action.help is not argparse.SUPPRESS, what
        for option in action.option_strings:
            assert option in options, f"{what}: not in its help"
    assert COMMANDS[name].description, name


def test_all_tables_can_be_wide() -> None:
    for name, command in COMMANDS.items():
        options = command._option_string_actions
        assert ("--wide" in options) == (name != "payswitch serve"), name


ALWAYS_JSON = {"payswitch serve", "payswitch counter"}
"""They say that they are there in one JSON object, whoever asks."""


@cache
def _source(function: object) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function))  # type: ignore[arg-type]
    except (OSError, TypeError):
        return ""


@cache
def _used(function: Callable[..., object]) -> list[object]:
    """What of this package a function names, by its module and its own imports."""
    used: list[object] = []
    source = _source(function)
    tree = ast.parse(source) if source else ast.Module([], [])
    names = {**vars(sys.modules[function.__module__])}
    for part in ast.walk(tree):
        if isinstance(part, ast.ImportFrom) and (part.module or "")[:6] == "switch":
            module = importlib.import_module(part.module or "")
            for each in part.names:
                if not hasattr(module, each.name):
                    importlib.import_module(f"{part.module}.{each.name}")
                names[each.asname or each.name] = getattr(module, each.name)
    for part in ast.walk(tree):
        found: object = None
        if isinstance(part, ast.Name):
            found = names.get(part.id)
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            found = getattr(names.get(part.value.id), part.attr, None)
        if str(getattr(found, "__module__", ""))[:6] == "switch":
            used.append(found)
    return used


def _answers_machines(run: Any) -> bool:
    """Whether it, or what it calls, looks at what `--json` says."""
    seen: list[Any] = []
    waiting: list[Any] = [run]
    while waiting:
        named = waiting.pop()
        one: Callable[..., object] = getattr(named, "func", None) or named
        has_source = inspect.isfunction(one) or inspect.isclass(one)
        if one in seen or not has_source:
            continue
        seen.append(one)
        if one is Screen:
            continue
        if re.search(r"\.as_json|args\.json", _source(one)):
            return True
        waiting += _used(one)
        # What a wrapper runs.
        cells = getattr(one, "__closure__", None) or ()
        waiting += [cell.cell_contents for cell in cells]
    return False


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_answers_machines(name: str) -> None:
    command = COMMANDS[name]
    takes = "--json" in command._option_string_actions
    assert takes == (name != "payswitch serve")
    if name not in ALWAYS_JSON:
        assert _answers_machines(command.get_default("run")), f"{name} ignores --json"


def test_the_readme_says_so() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "Each command but `serve` has `--json` for machines" in text


def test_an_option_is_declared_once() -> None:
    """Where several commands take the same, one function says what it is."""
    found: Counter[str] = Counter()
    for path in (ROOT / "switch/cli").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr == "add_argument"
                and ast.unparse(call.args[0])[1:3] == "--"
            ):
                words = map(ast.unparse, (*call.args, *call.keywords))
                found[", ".join(words)] += 1
    assert len(found) > 100
    assert [words for words, count in found.items() if count > 1] == []


def test_help_is_printed_by_the_command() -> None:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), pytest.raises(SystemExit) as caught:
        main(["audit", "--help"])
    assert caught.value.code == Exit.DONE
    for option in ("--at", "--only", "--live", "--ca", "--cert", "--key", "--log"):
        assert option in text.getvalue()


def test_the_auditor_takes_what_its_command_says() -> None:
    mine = {each.dest: each for each in COMMANDS["payswitch audit"]._actions}
    auditor = {each.dest: each for each in audit_parser()._actions}
    assert {*auditor} - {"help", "json", "directory"} == {*AUDIT_OPTIONS}
    for name in AUDIT_OPTIONS:
        ours, theirs = mine[name], auditor[name]
        assert ours.option_strings == theirs.option_strings
        assert (ours.metavar, ours.default) == (theirs.metavar, theirs.default)
        assert ours.choices == theirs.choices


def test_the_server_has_all_arguments_of_serve() -> None:
    # Whatever `serve` does not take itself is the server's, which refuses what it
    # does not know.
    assert not COMMANDS["payswitch serve"]._actions
    text = io.StringIO()
    with contextlib.redirect_stderr(text), pytest.raises(SystemExit) as caught:
        parse_serve(["--json"])
    assert caught.value.code == Exit.USAGE
    assert "payswitch serve: error: unrecognized arguments: --json" in text.getvalue()


def test_only_who_matches_waits_for_numpy() -> None:
    """To import it takes as long as all else that a command needs."""
    code = "import sys, switch.cli; print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
