"""Goal: what is written twice agrees, and the tree stays as it is meant to be.

Method: read the files. The codes in their three
places, the generated stubs, the size of files, words that have no place in the
product, and links of the documentation.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

import pytest
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from switch import codes, traits
from switch._core import BUDGET_BOUNDS, KIND_TRAITS
from switch.billing.health import Health
from switch.ledger import explained
from switch.ledger.statements import PaymentState
from switch.v1 import (
    admin_pb2,
    billers_pb2,
    budgets_pb2,
    counter_pb2,
    explain_pb2,
    network_pb2,
    payments_pb2,
    results_pb2,
    types_pb2,
    wallets_pb2,
)
from tools.import_table import read_table

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "switch" / "core"
LINES_MAX = 600
"""Past this a file of code is to be split."""
TABLE_LINE_MAX = 200
"""A longer line of a table fills a screen; what it says belongs into a list."""
NOT_OURS = {"build", "data", "node_modules", "dist"}
CODE = {".py", ".pyi", ".pyx", ".pxi", ".pxd", ".h", ".proto", ".sh"}
TEXT = CODE | {".md", ".toml", ".yaml", ".yml", ".csv", ".lock", ".json", ""}


def ours() -> Iterator[Path]:
    """Every text file of the project, without what is built or hidden."""
    stack = [ROOT]
    while stack:
        for path in sorted(stack.pop().iterdir()):
            hidden = path.name.startswith(".") and path.name not in {
                ".ci",
                ".gitignore",
                ".pre-commit-config.yaml",
            }
            if hidden or path.name in NOT_OURS or path.name.endswith(".egg-info"):
                continue
            if path.is_dir():
                stack.append(path)
            elif path.suffix in TEXT:
                yield path


# --- codes ----------------------------------------------------------------------


def layout_numbers() -> dict[str, int]:
    """Every `NAME = number` of codes.pxd and layout.pxd."""
    text = "".join((CORE / f"{name}.pxd").read_text() for name in ("codes", "layout"))
    pattern = r"^    ([A-Z][A-Z0-9_]*) = (0x[0-9A-Fa-f]+|\d+)\b"
    found = re.findall(pattern, text, re.MULTILINE)
    return {name: int(number, 0) for name, number in found}


@pytest.mark.parametrize(
    ("prefix", "enum"),
    [
        ("KIND", codes.Kind),
        ("RESULT", codes.Result),
        ("FIELD", codes.Field),
        ("STATE", codes.AccountState),
        ("ROLE", codes.Role),
        ("RECORD", codes.Record),
        ("BUDGET", codes.Budget),
        ("PRICE", codes.PriceRule),
        ("DUPLICATE", codes.DuplicateRule),
        ("KEY", codes.KeyRule),
        ("LETTERS", codes.Letters),
        ("IGNORED", codes.Ignored),
        ("CHECK_DIGIT", codes.CheckDigit),
        ("MODE", codes.Mode),
        ("POLICY", codes.Policy),
        ("TENDER", codes.Tender),
        ("ACCOUNT", codes.AccountKind),
        ("AMOUNT", codes.AmountRule),
        ("CASE", codes.CaseType),
        ("PAYMENT", PaymentState),
        ("QUESTION", codes.Question),
        ("ANSWERED", codes.Answered),
        ("OPENED", codes.Opened),
        ("DIFFERENCE", codes.Difference),
        ("REASON", codes.Reason),
        ("STEP", codes.Step),
        ("BILLS_FORM", codes.BillsForm),
    ],
)
def test_codes_match_the_layout(prefix: str, enum: type[IntEnum]) -> None:
    declared = {
        name.removeprefix(f"{prefix}_"): number
        for name, number in layout_numbers().items()
        if name.startswith(f"{prefix}_")
    }
    assert declared == {code.name: code.value for code in enum}


def test_row_flags_match_the_layout() -> None:
    declared = {
        name.removeprefix("ROW_"): number
        for name, number in layout_numbers().items()
        if name.startswith("ROW_")
    }
    # Two names of one bit are both there: which is meant the row's kind says.
    spelled = {name: flag.value for name, flag in codes.RowFlag.__members__.items()} | {
        "HEAD_SHIFT": codes.HEAD_SHIFT,
        "HEAD_MASK": codes.HEAD_MASK,
        "TENDER_SHIFT": codes.TENDER_SHIFT,
        "TENDER_MASK": codes.TENDER_MASK,
    }
    assert declared == spelled
    bits = [flag.value for flag in codes.RowFlag] + [codes.HEAD_MASK, codes.TENDER_MASK]
    assert sum(bits) == sum(bits) & 0xFFFF
    assert len({bit for mask in bits for bit in range(16) if mask >> bit & 1}) == sum(
        mask.bit_count() for mask in bits
    ), "two flags share a bit"


def test_traits_of_kinds_match_the_core() -> None:
    declared = {
        name.removeprefix("TRAIT_"): number
        for name, number in layout_numbers().items()
        if name.startswith("TRAIT_")
    }
    assert declared == {trait.name: trait.value for trait in traits.Trait}
    assert {*traits.TRAITS} == {*codes.Kind}, "a kind of row has no traits"
    spelled = {int(kind): int(told) for kind, told in traits.TRAITS.items()}
    # By every number that a row's byte can have.
    assert list(KIND_TRAITS) == [spelled.get(number, 0) for number in range(256)]


def test_bounds_of_budgets_match_the_core() -> None:
    none = 1, 0
    spelled = {int(one): bounds for one, bounds in codes.BUDGET_BOUNDS.items()}
    assert list(BUDGET_BOUNDS) == [spelled.get(number, none) for number in range(256)]


def test_the_rules_have_one_version() -> None:
    assert layout_numbers()["RULES_VERSION"] == codes.RULES_VERSION


def test_large_bounds_match_the_layout() -> None:
    text = (CORE / "layout.pxd").read_text()
    defined = dict(re.findall(r"#define (\w+) (0x[0-9A-F]+|\d+)U?L?L?\b", text))
    assert {name: int(number, 0) for name, number in defined.items()} == {
        "AMOUNT_MAX": codes.AMOUNT_MAX,
        "CHANNEL_AMOUNT_MAX": codes.CHANNEL_AMOUNT_MAX,
        "NO_AMOUNT_LIMIT": codes.NO_AMOUNT_LIMIT,
        "NO_COUNT_LIMIT": codes.NO_COUNT_LIMIT,
        "OPERATOR_NOBODY": 2**32,  # the core's own: nobody is signed on
        "NEVER": 2**64 - 1,  # the core's own: when a kept hold is due
        "UNVERIFIED": 2**64 - 3,  # and one that has expired and is in question
        "PROPOSAL_LIFE_NS": codes.PROPOSAL_LIFE_NS,
        "REQUEST_LIFE_NS": codes.REQUEST_LIFE_NS,
        "RECOVERY_WAIT_NS": codes.RECOVERY_WAIT_NS,
        "RECOVERY_LIFE_NS": codes.RECOVERY_LIFE_NS,
        "TOKEN_LIFE_MAX_NS": 24 * 3600 * 10**9,
    }


@pytest.mark.parametrize(
    ("prefix", "wire", "enum", "zero"),
    [
        ("RESULT", results_pb2.Result, codes.Result, "UNSPECIFIED"),
        ("FIELD", results_pb2.Field, codes.Field, "NONE"),
        ("TENDER", types_pb2.Tender, codes.Tender, "CASH"),
        ("ENTRY_KIND", types_pb2.EntryKind, codes.Kind, None),
        ("ACCOUNT_STATE", wallets_pb2.AccountState, codes.AccountState, None),
        ("ACCOUNT_KIND", admin_pb2.AccountKind, codes.AccountKind, None),
        ("ROLE", network_pb2.Role, codes.Role, None),
        ("BUDGET", budgets_pb2.Budget, codes.Budget, None),
        ("AMOUNT_RULE", network_pb2.AmountRule, codes.AmountRule, None),
        ("SERVICE_MODE", network_pb2.ServiceMode, codes.Mode, None),
        ("DUPLICATE_RULE", network_pb2.DuplicateRule, codes.DuplicateRule, None),
        ("KEY_RULE", network_pb2.KeyRule, codes.KeyRule, None),
        ("DEADLINE_POLICY", network_pb2.DeadlinePolicy, codes.Policy, None),
        ("LETTERS", network_pb2.Letters, codes.Letters, None),
        ("CHECK_DIGIT", network_pb2.CheckDigit, codes.CheckDigit, "NONE"),
        ("BILLER_HEALTH", admin_pb2.BillerHealth, Health, None),
        ("CASE_TYPE", types_pb2.CaseType, codes.CaseType, None),
        ("PAYMENT_STATE", payments_pb2.PaymentState, PaymentState, "NONE"),
        ("QUESTION_KIND", billers_pb2.QuestionKind, codes.Question, None),
        ("ANSWER_KIND", billers_pb2.AnswerKind, codes.Answered, None),
        ("SIDE", explain_pb2.Side, explained.Side, "NONE"),
        ("SHIFT_DIFFERENCE", counter_pb2.ShiftDifference, codes.Difference, None),
    ],
)
def test_codes_match_the_wire(
    prefix: str, wire: EnumTypeWrapper, enum: type[IntEnum], zero: str | None
) -> None:
    # The wire must call its zero UNSPECIFIED; `zero` is what the ledger calls it.
    expected = {code.name: code.value for code in enum}
    if zero:
        assert expected.pop(zero) == 0
    spelled = {name.removeprefix(f"{prefix}_"): number for name, number in wire.items()}
    assert spelled.pop("UNSPECIFIED") == 0
    assert spelled == expected


def test_what_is_ignored_is_counted_on_the_wire_and_bits_in_the_ledger() -> None:
    bits = {
        name.removeprefix("IGNORED_"): 1 << number >> 1
        for name, number in network_pb2.Ignored.items()
    }
    assert bits.pop("UNSPECIFIED") == 0
    assert bits == {one.name: one.value for one in codes.Ignored}


# --- generated stubs ------------------------------------------------------------


def test_stubs_are_as_generated(tmp_path: Path) -> None:
    made = tmp_path / "v1"
    command = [sys.executable, "tools/gen_proto.py", "--out", str(made)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    committed = ROOT / "switch" / "v1"
    stubs = {
        path.name: path.read_bytes()
        for path in committed.iterdir()
        if path.suffix in {".py", ".pyi"}
    }
    again = {path.name: path.read_bytes() for path in made.iterdir()}
    assert stubs.keys() == again.keys()
    differing = [name for name in stubs if stubs[name] != again[name]]
    assert not differing, "run `make proto` and commit what it writes"


# --- files, words, links --------------------------------------------------------


def test_files_are_short() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines())
        for path in ours()
        if path.suffix in CODE and path.parent.name != "v1"
    }
    long = {name for name, lines in lengths.items() if lines > LINES_MAX}
    assert not long, "split the file"


def test_no_machine_is_named() -> None:
    # Spelled in pieces, so that this file passes its own test.
    places = "|".join(["wor" + "k", "roo" + "t", "home/[a-z]+", "Users/[A-Za-z]+"])
    pattern = re.compile(rf"(?<![\w.:/-])/(?:{places})/|\.\./sha" + "red")
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in ours()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert not wrong, "paths of one machine"


def test_text_is_clean() -> None:
    wrong = []
    for path in ours():
        # Generated code is its generator's matter.
        if path.parent.name == "v1" or path.suffix == ".csv":
            continue
        text = path.read_text()
        if text and not text.endswith("\n"):
            wrong.append(f"{path.relative_to(ROOT)}: no newline at the end")
        for number, line in enumerate(text.splitlines(), 1):
            indent = line[: len(line) - len(line.lstrip())]
            if line != line.rstrip() or ("\t" in indent and path.name != "Makefile"):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: stray white space")
            if re.match(r"<{7} |>{7} ", line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: half merged")
    assert not wrong


def test_links_lead_somewhere() -> None:
    wrong = []
    for path in ours():
        if path.suffix != ".md":
            continue
        text = re.sub(r"```(?s:.*?)```", "", path.read_text())
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            file, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            there = (path.parent / file) if file else path
            if not there.exists():
                wrong.append(f"{path.relative_to(ROOT)}: {target}")
            elif anchor and there.suffix == ".md" and anchor not in anchors(there):
                wrong.append(f"{path.relative_to(ROOT)}: {target} (no such heading)")
    assert not wrong


def test_files_that_documents_name_are_there() -> None:
    # By the end of their path, as the stops in CONTRIBUTING.md name them. What was
    # decided once may speak of files that have gone.
    there = [f"/{path.relative_to(ROOT).as_posix()}" for path in ours()]
    pattern = re.compile(r"`([\w/.-]+\.(?:p[xy][a-z]?|pyi|proto|md|h|sh))`")
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in ours()
        if path.suffix == ".md" and path.name not in {"decisions.md", "CHANGELOG.md"}
        for name in sorted({*pattern.findall(path.read_text())})
        if not any(one.endswith(f"/{name}") for one in there)
    ]
    assert not wrong


def test_tables_fit_a_screen() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {len(line)} characters"
        for path in ours()
        if path.suffix == ".md"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.startswith("|") and len(line) > TABLE_LINE_MAX
    ]
    assert not wrong


def anchors(path: Path) -> set[str]:
    """The names that a page's headings have as link targets."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


def imports(path: Path) -> set[str]:
    """Every name that a Python file imports, with its module."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_every_test_file_has_its_goal_in_the_docs() -> None:
    told = (ROOT / "docs/testing.md").read_text()
    names = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert not {name for name in names if name not in told}
    # Where two have written at once an entry can be there twice, each half true.
    begun = re.findall(r"^- `(tests/[^`]+)`: ", told, re.MULTILINE)
    assert len(begun) == len(set(begun))


def test_no_page_says_a_line_twice() -> None:
    wrong = []
    for page in sorted((ROOT / "docs").glob("*.md")):
        # Lines of drawings, further in, may be alike.
        lines = re.findall(r"^\S.{60,}$", page.read_text(), re.MULTILINE)
        wrong += [f"{page.name}: {line}" for line, n in Counter(lines).items() if n > 1]
    assert not wrong


def test_examples_need_the_stubs_and_grpc_alone() -> None:
    # Whoever copies one has nothing else of the product.
    examples = sorted((ROOT / "docs" / "examples").glob("*.py"))
    assert len(examples) == 2
    wrong = [
        f"{path.name}: {name}"
        for path in examples
        for name in imports(path)
        if not name.startswith("switch.v1.")
        and name.split(".")[0] not in {"grpc", *sys.stdlib_module_names}
    ]
    assert not wrong


def import_table() -> dict[str, set[str]]:
    """Which package may use which, as import-linter holds it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    return read_table(contracts[0]["lines"])


def test_only_the_inside_imports_the_core() -> None:
    # The auditor is a second reading only as long as it shares no code with the
    # core, and the client's side speaks over the wire only. import-linter, which
    # does not see compiled modules, looks after the ways around.
    table = import_table()
    users = {name for name, used in table.items() if "core" in used}
    found = {
        name: {
            path.relative_to(ROOT).as_posix()
            for path in files
            if any(one.startswith("switch._core") for one in imports(path))
        }
        for name, files in {
            "server": [*(ROOT / "server").rglob("*.py")],
            "words": [*(ROOT / "switch").glob("*.py")],
            **{
                folder.name: [*folder.rglob("*.py")]
                for folder in (ROOT / "switch").iterdir()
                if folder.is_dir()
            },
        }.items()
    }
    assert {name for name, files in found.items() if files} == users, found


def test_the_table_of_imports_lets_nothing_reach_the_ledger_from_outside() -> None:
    # Each line is kept import by import; this is what follows from all of them.
    reached: dict[str, set[str]] = {}
    for name, used in import_table().items():
        reached[name] = used.union(*(reached[one] for one in used))
    inside = {"core", "ledger", "register", "billing", "counter", "audit"}
    assert not {*reached["cli"]} & inside
    assert not {*reached["simulator"]} & (inside | {"authority"})
    assert not {*reached["audit"]} & (inside | {"authority"})
    assert not {*reached["server"]} & {"audit", "client", "cli", "day", "console"}
