"""Goal: a part of the core uses what is below it, and touches what is its own.

Method: the parts' source is read: calls, names of functions, fields of `State`, and
what Python would need.
"""

import re
from pathlib import Path

CORE = Path(__file__).resolve().parent.parent / "switch" / "core"

PARTS: dict[str, dict[str, set[str]]] = {
    # What each part of the core may call, by folder, lowest first; `native`, `fault`
    # and `lmdb` are C, and face/ is Python's.
    "row": {
        "kinds": set(),
        "fields": set(),
        "keys": {"kinds"},
        "effect": {"keys", "kinds"},
    },
    "journal": {
        "store": set(),
        "reserve": set(),
    },
    "index": {
        "damage": set(),
        "memo": set(),
        "sort": set(),
        "holds": set(),
        "cover": set(),
        "runs": {"cover", "damage"},
        "turns": {"damage"},
        "postings": {"damage", "store"},
        "segments": {"effect", "keys", "kinds", "store", "turns"},
        "hold_pieces": {"holds", "keys", "kinds", "turns"},
        "pages": {"memo", "runs"},
        "lookup": {"keys", "memo", "runs"},
        "merge": {"cover", "pages", "runs"},
        "views": {"lookup", "runs", "store"},
        "indexer": {
            "damage",
            "effect",
            "hold_pieces",
            "keys",
            "kinds",
            "postings",
            "segments",
            "sort",
            "store",
        },
        "retired": {"keys", "runs"},
        "steps": {
            "cover",
            "damage",
            "hold_pieces",
            "indexer",
            "merge",
            "pages",
            "postings",
            "retired",
            "runs",
            "segments",
            "turns",
            "views",
        },
        "pace": {"steps"},
    },
    "rules": {
        "quotation": set(),
        "references": {"keys"},
        "register": {"effect", "keys", "references"},
        "rows": {
            "effect",
            "hold_pieces",
            "keys",
            "kinds",
            "lookup",
            "holds",
            "memo",
            "register",
            "store",
        },
        "standing": {"holds", "rows"},
        "claims": {"holds", "keys", "kinds", "lookup", "rows", "standing"},
        "prices": {
            "claims",
            "fields",
            "keys",
            "kinds",
            "quotation",
            "references",
            "rows",
        },
        "payment": {
            "claims",
            "fields",
            "keys",
            "kinds",
            "prices",
            "references",
            "register",
            "rows",
        },
        "resolve": {"claims", "fields", "holds", "rows", "standing", "store"},
        "treasury": {"claims", "keys", "lookup", "payment", "register", "rows"},
        "answer": {"holds", "keys", "kinds", "rows", "treasury"},
        "refusals": {"rows"},
        "evidence": {
            "answer",
            "fields",
            "holds",
            "payment",
            "resolve",
            "rows",
            "standing",
        },
        "cases": {
            "fields",
            "holds",
            "keys",
            "kinds",
            "resolve",
            "rows",
            "standing",
            "treasury",
        },
        "machine": {
            "effect",
            "answer",
            "cases",
            "evidence",
            "fields",
            "holds",
            "keys",
            "kinds",
            "lookup",
            "payment",
            "prices",
            "references",
            "refusals",
            "register",
            "resolve",
            "rows",
            "treasury",
        },
    },
    "wire": {
        "wire": {"fields", "keys", "payment", "register"},
        "questions": {"fields", "views", "wire"},
    },
    "engine": {
        "replay": {
            "cover",
            "damage",
            "effect",
            "hold_pieces",
            "holds",
            "indexer",
            "keys",
            "kinds",
            "merge",
            "postings",
            "register",
            "rows",
            "runs",
            "segments",
            "steps",
            "store",
        },
        "reads": {
            "effect",
            "keys",
            "kinds",
            "memo",
            "postings",
            "runs",
            "standing",
            "store",
            "views",
        },
        "lifetime": {
            "cover",
            "damage",
            "holds",
            "indexer",
            "lookup",
            "merge",
            "replay",
            "reserve",
            "runs",
            "store",
            "views",
        },
        "group": {
            "damage",
            "fields",
            "holds",
            "lookup",
            "machine",
            "payment",
            "quotation",
            "register",
            "reserve",
            "resolve",
            "rows",
            "steps",
            "store",
            "wire",
        },
        "clock": {"group"},
        "meter": set(),
        "senders": set(),
        "takers": {"senders"},
        "queue": {"clock", "group", "meter", "senders", "takers", "wire"},
        "watch": set(),
    },
}
FACE = "face"


def part_files() -> list[Path]:
    """The parts of the core, wherever they lie; what Python sees of it is none."""
    found = sorted(CORE.rglob("*.pxi"))
    return [path for path in found if path.parent.name != FACE]


def part_functions(path: Path) -> set[str]:
    """Names of the C functions that a part defines."""
    pattern = r"^cdef (?!struct|enum|class|extern)[^=(\n]*?(\w+)\("
    return set(re.findall(pattern, path.read_text(), re.MULTILINE))


def calls(text: str) -> set[str]:
    """Names that are called in Cython source, comments and strings left out."""
    text = re.sub(r'"""(?s:.*?)"""|"[^"\n]*"|#[^\n]*', "", text)
    return set(re.findall(r"\b([a-z]\w*)\(", text))


def test_parts_call_only_what_is_below_them() -> None:
    parts = {path.stem: path for path in part_files()}
    there = {folder: {*table} for folder, table in PARTS.items()}
    found: dict[str, set[str]] = {}
    for path in parts.values():
        found.setdefault(path.parent.name, set()).add(path.stem)
    assert found == there, "a part is missing in the table, or has gone"
    home = {name: part for part in parts for name in part_functions(parts[part])}
    seen: set[str] = set()
    for part, allowed in (one for table in PARTS.values() for one in table.items()):
        assert allowed <= seen, f"the table lets {part} call up"
        seen.add(part)
        used = {home[name] for name in calls(parts[part].read_text()) if name in home}
        assert used - {part} <= allowed, f"{part}.pxi calls into {used - allowed}"


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
    "replay": {"index"},
    "lifetime": {"index"},
}


def test_the_drawing_has_every_part() -> None:
    text = (CORE.parents[1] / "docs" / "architecture.md").read_text()
    drawing = text[text.index("**The core**") :].split("```")[1]
    drawn = re.findall(r"[a-z_]+", drawing)
    assert {path.stem for path in part_files()} - set(drawn) == set()


def test_state_is_touched_by_its_owners() -> None:
    for path in part_files():
        allowed = OWNERS[path.parent.name] | OWNERS.get(path.stem, set())
        text = re.sub(r'"""(?s:.*?)"""|#[^\n]*', "", path.read_text())
        touched = set(re.findall(r"\bs\.(group|index)\.", text))
        assert touched <= allowed, f"{path.name} touches {touched - allowed}"


def test_functions_start_with_their_part() -> None:
    wrong = [
        f"{path.name}: {name}"
        for path in part_files()
        for name in sorted(part_functions(path))
        if not name.startswith(f"{path.stem}_")
    ]
    assert not wrong, "functions without their part's prefix"


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
