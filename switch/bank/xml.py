"""XML that others have written, without its traps.

May use `lines` for its error. UTF-8 alone, no document type and no entity of its own:
so nothing expands, nothing is fetched, and what a person reads is what is taken.
Python's own expat reads it.
"""

from xml.parsers import expat

from switch.bank.lines import StatementError

FILE_MAX = 64 * 1024 * 1024
"""Bytes of one file: 50,000 lines have about that."""
ELEMENTS_MAX = 2_500_000
"""Elements of one file, 50 for each of so many lines: below 1 GB of memory."""
TEXT_BYTES = 1024 * 1024
"""Bytes of text that come in one piece: a long text is not put together of many."""
DEPTH_MAX = 32
"""Levels of elements; camt has 14."""

_BOM = b"\xef\xbb\xbf"


class Element:
    """An element by the names of its children: those of the root's namespace without
    it, others with theirs, which no path finds.
    """

    __slots__ = ("_attributes", "_children", "_line", "_outer", "_text", "name")

    def __init__(
        self, name: str, outer: "Element | None", line: int, attributes: dict[str, str]
    ) -> None:
        self.name = name
        self._outer = outer
        self._line = line
        self._attributes = attributes or None
        self._children: dict[str, list[Element]] | None = None
        self._text = ""

    @property
    def path(self) -> str:
        """The names from the root down to this one."""
        outer = self._outer
        return self.name if outer is None else f"{outer.path}/{self.name}"

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"line {self._line}, {self.path}"

    @property
    def text(self) -> str:
        """What it says, without the space around it. Raises StatementError if there are
        elements between its words.
        """
        text = self._text.strip()
        if text and self._children:
            raise StatementError(self.place, "has words beside elements")
        return text

    def attribute(self, name: str) -> str:
        """An attribute, or empty."""
        return self._attributes.get(name, "") if self._attributes else ""

    def all(self, path: str) -> "list[Element]":
        """Every element at a path of names: `Amt`, `Refs/TxId`."""
        first, _, rest = path.partition("/")
        found = self._children.get(first, []) if self._children else []
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

    def add(self, child: "Element") -> None:
        """Take in a child, behind those of its name."""
        if self._children is None:
            self._children = {}
        self._children.setdefault(child.name, []).append(child)

    def say(self, text: str) -> None:
        """Take in a piece of its text."""
        self._text += text


class _Reader:
    """What expat calls while it reads."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._parser = expat.ParserCreate("UTF-8", namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.buffer_size = TEXT_BYTES
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._say
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._open: list[Element] = []
        self._count = 0
        self._root: Element | None = None
        self._namespace = ""

    def read(self, data: bytes) -> tuple[str, Element]:
        """The namespace of the root, and the root."""
        self._parser.Parse(data, True)
        assert self._root is not None, "expat has seen one"
        return self._namespace, self._root

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, bare = name.rpartition(" ")
        line = self._parser.CurrentLineNumber
        outer = self._open[-1] if self._open else None
        self._count += 1
        if self._count > ELEMENTS_MAX:
            raise StatementError(f"line {line}", f"more than {ELEMENTS_MAX} elements")
        if len(self._open) >= DEPTH_MAX:
            where = f"line {line}"
            raise StatementError(where, f"is nested more than {DEPTH_MAX} deep")
        if outer is None:
            self._namespace = namespace
        known = namespace == self._namespace
        made = Element(
            bare if known else f"{namespace} {bare}", outer, line, attributes
        )
        if outer is None:
            self._root = made
        else:
            outer.add(made)
        self._open.append(made)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _say(self, text: str) -> None:
        self._open[-1].say(text)

    def _refuse_doctype(self, *_: object) -> None:
        raise StatementError(
            self._source, "has a document type, which no statement needs"
        )


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
    try:
        return _Reader(source).read(body)
    except expat.ExpatError as error:
        raise StatementError(source, f"is no XML: {error}") from error
