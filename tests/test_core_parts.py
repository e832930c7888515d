"""Goal: a part of the core uses what is below it, and touches what is its own.

Method: the parts' source is read: calls, names of functions, fields of `State`, and
what Python would need.
"""

import re
from pathlib import Path

CORE = Path(__file__).resolve().parent.parent / "switch" / "core"

MAY_CALL: dict[str, set[str]] = {
    # Parts of which other folders those of a folder may call; `native`, `fault` and
    # `lmdb` are C, and face/ is Python's.
    "row": set(),
    "journal": set(),
    "index": {"row", "journal"},
    "rules": {"row", "journal", "index"},
    "wire": {"row", "index", "rules"},
    "engine": {"row", "journal", "index", "rules", "wire"},
}
FACE = "face"


def included() -> list[Path]:
    """The files that make up the core, in the order in which they are included."""
    text = (CORE.parent / "_core.pyx").read_text()
    found = re.findall(r'^include "core/(.+)"$', text, re.MULTILINE)
    return [CORE / name for name in found]


def part_files() -> list[Path]:
    """The parts of the core, wherever they lie; what Python sees of it is none."""
    return [path for path in included() if path.parent.name != FACE]


def code_of(path: Path) -> str:
    """A file of Cython without what it says in words."""
    return re.sub(r'"""(?s:.*?)"""|#[^\n]*', "", path.read_text())


DEFINED = r"cdef (?!struct|enum|class|extern)[^=(\n]*?(\w+)\("


def part_functions(path: Path) -> dict[str, str]:
    """The C functions that a part defines, and the code of each."""
    pieces = re.split(r"(?m)^(?=cdef )", code_of(path))
    found = ((re.match(DEFINED, piece), piece) for piece in pieces)
    return {match.group(1): piece for match, piece in found if match}


def calls(text: str) -> set[str]:
    """Names that are called in Cython source, comments and strings left out."""
    text = re.sub(r'"""(?s:.*?)"""|"[^"\n]*"|#[^\n]*', "", text)
    return set(re.findall(r"\b(_?[a-z]\w*)\(", text))


def test_parts_call_only_what_is_included_before_them() -> None:
    files = included()
    assert sorted(files) == sorted(CORE.rglob("*.pxi")), "a file is missing, or twice"
    parts = [path for path in files if path.parent.name != FACE]
    assert files[: len(parts)] == parts, "the face comes last"
    assert {path.parent.name for path in parts} == {*MAY_CALL}
    home = {name: path for path in parts for name in part_functions(path)}
    before: list[Path] = []
    for path in parts:
        folder = path.parent.name
        used = {home[name] for name in calls(path.read_text()) if name in home}
        wrong = {
            other.name
            for other in used - {path}
            if other not in before
            or other.parent.name not in MAY_CALL[folder] | {folder}
        }
        assert not wrong, f"{path.name} calls into {wrong}"
        before.append(path)


OWNERS: dict[str, set[str]] = {
    # Which of State's structs the parts of each folder touch, and what a part touches
    # besides; `config` and `shared` are anybody's.
    "row": set(),
    "journal": set(),
    "index": {"index"},
    "rules": {"group"},
    "wire": set(),
    "engine": {"group"},
    # The committer looks up in maps, and probes its drafts.
    "lookup": {"group"},
    # A service's code never changes once its row is durable.
    "questions": {"group"},
    # Opening and closing have no other thread beside them.
    "recall": {"index"},
    "replay": {"index"},
    "lifetime": {"index"},
    # What Python asks for comes from a part: `durable` reads the committer's tables.
    FACE: set(),
}


def test_the_drawing_has_every_part() -> None:
    text = (CORE.parents[1] / "docs" / "architecture.md").read_text()
    drawing = text[text.index("**The core**") :].split("```")[1]
    drawn = re.findall(r"[a-z_]+", drawing)
    assert {path.stem for path in part_files()} - set(drawn) == set()


def test_state_is_touched_by_its_owners() -> None:
    for path in [*CORE.rglob("*.pxi"), CORE.parent / "_core.pyx"]:
        folder = FACE if path.stem == "_core" else path.parent.name
        allowed = OWNERS[folder] | OWNERS.get(path.stem, set())
        touched = set(re.findall(r"\bs\.(group|index)\.", code_of(path)))
        assert touched <= allowed, f"{path.name} touches {touched - allowed}"


def test_functions_start_with_their_part() -> None:
    wrong = [
        f"{path.name}: {name}"
        for path in part_files()
        for name in part_functions(path)
        if not name.removeprefix("_").startswith(f"{path.stem}_")
    ]
    assert not wrong, "functions without their part's prefix"


def test_an_underscore_says_that_a_function_is_its_parts_own() -> None:
    files = [*included(), CORE.parent / "_core.pyx"]
    words = {path: {*re.findall(r"\w+", code_of(path))} for path in files}
    wrong = [
        f"{path.name}: {name}"
        for path in part_files()
        for name in part_functions(path)
        if name.startswith("_")
        == any(name in words[other] for other in files if other != path)
    ]
    assert not wrong, "others use it, or nobody else does"


def test_parts_hold_no_python_objects() -> None:
    wrong = [
        f"{path.name}:{number}: {line.strip()}"
        for path in part_files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.match(r"\s*(def |class |raise |try:|import |with gil)", line)
    ]
    assert not wrong, "Python in a part of the core; it belongs into _core.pyx"


def test_no_rule_follows_from_the_order_of_kinds() -> None:
    # What several kinds have in common is a trait; rules name a kind of their own.
    order = re.compile(r"(<|>)=? *KIND_[A-Z]|KIND_[A-Z_]+ *(<|>)")
    several = re.compile(r"kind [=!]= KIND_\w+\s+(or|and) [\w.\[\]]*kind [=!]= KIND_")
    wrong = [
        f"{path.name}: {found.group()}"
        for path in part_files()
        for pattern in (order, several)
        for found in pattern.finditer(path.read_text())
    ]
    assert not wrong, "ask row/kinds.pxi what a kind is"


SEVERAL_KINDS_MAX = 37
"""Functions that ask for two kinds of row or more. Those that are left have a case for
each (what a row does to accounts, its keys, its shape), or ask for one and another."""


def test_what_kinds_have_in_common_is_a_trait() -> None:
    asked = {
        f"{path.name}: {name}"
        for path in part_files()
        for name, code in part_functions(path).items()
        if len({*re.findall(r"[=!]= (KIND_\w+)", code)}) > 1
    }
    assert len(asked) <= SEVERAL_KINDS_MAX, sorted(asked)


def test_who_changes_state_says_what_it_relies_on() -> None:
    # A part, not each function: one that sets a word has nothing to say.
    changes = re.compile(r"\bs\.(group|index)\.[\w.\[\]]+ [-+|]?= ")
    wrong = [
        path.name
        for path in part_files()
        if changes.search(code_of(path)) and "native_assert(" not in code_of(path)
    ]
    assert not wrong, "they change what is open, and assert nothing"
