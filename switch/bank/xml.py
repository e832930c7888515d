"""XML that others have written, without its traps.

May use `lines` for its error. UTF-8 alone, no document type and no entity of its own:
so nothing expands, nothing is fetched, and what a person reads is what is taken.
"""

from lxml import etree

from switch.bank.lines import StatementError

FILE_MAX = 64 * 1024 * 1024
"""Bytes of one file: a statement of 200,000 lines has half of it."""
DEPTH_MAX = 32
"""Levels of elements; camt has 14."""

_BOM = b"\xef\xbb\xbf"


class Element:
    """An element by the names of its children, without their namespace."""

    __slots__ = ("_children", "_inner", "_outer", "name")

    def __init__(self, inner: etree._Element, outer: "Element | None" = None) -> None:
        self._inner = inner
        self._outer = outer
        self._children: dict[str, list[Element]] | None = None
        self.name = str(inner.tag).rpartition("}")[2]

    @property
    def path(self) -> str:
        """The names from the root down to this one."""
        outer = self._outer
        return self.name if outer is None else f"{outer.path}/{self.name}"

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"line {self._inner.sourceline}, {self.path}"

    @property
    def text(self) -> str:
        """What it says, without the space around it."""
        return (self._inner.text or "").strip()

    def attribute(self, name: str) -> str:
        """An attribute, or empty."""
        return str(self._inner.get(name, ""))

    def _named(self, name: str) -> "list[Element]":
        children = self._children
        if children is None:
            children = self._children = {}
            for inner in self._inner:
                child = Element(inner, self)
                children.setdefault(child.name, []).append(child)
        return children.get(name, [])

    def all(self, path: str) -> "list[Element]":
        """Every element at a path of names: `Amt`, `Refs/TxId`."""
        first, _, rest = path.partition("/")
        found = self._named(first)
        if not rest:
            return found
        return [inner for one in found for inner in one.all(rest)]

    def maybe(self, path: str) -> "Element | None":
        """The element at a path, if there is one. Raises StatementError for two."""
        found = self.all(path)
        if len(found) > 1:
            raise StatementError(found[1].place, "is there twice")
        return found[0] if found else None

    def one(self, path: str) -> "Element":
        """The element at a path. Raises StatementError without just one."""
        found = self.maybe(path)
        if found is None:
            raise StatementError(self.place, f"has no {path}")
        return found

    def text_of(self, path: str) -> str:
        """What the element at a path says, or empty."""
        found = self.maybe(path)
        return found.text if found is not None else ""


def parse(data: bytes, source: str) -> tuple[str, Element]:
    """The namespace of a document and its root. Raises StatementError."""
    if len(data) > FILE_MAX:
        raise StatementError(source, f"has more than {FILE_MAX} bytes")
    body = data.removeprefix(_BOM)
    head = body[:200].split(b"?>")[0].lower()
    if b"encoding" in head and b"utf-8" not in head:
        raise StatementError(source, "is not in UTF-8")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise StatementError(source, f"is not in UTF-8, byte {error.start}") from error
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise StatementError(source, "has a document type, which no statement needs")
    try:
        root = etree.fromstring(body, _parser())
    except etree.XMLSyntaxError as error:
        raise StatementError(source, f"is no XML: {error.msg}") from error
    _look_deep(root, source)
    name = etree.QName(root)
    return name.namespace or "", Element(root)


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _look_deep(root: etree._Element, source: str) -> None:
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > DEPTH_MAX:
            raise StatementError(source, f"is nested more than {DEPTH_MAX} deep")
