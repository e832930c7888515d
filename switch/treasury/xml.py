"""XML as it is written: by lxml, streaming, with texts that XML can have.

May use words. One element after the other, so that a file of a million entries needs
the room of one.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Final

from lxml import etree

# What XML 1.0 has no way to write, line ends too: no field of ours has lines.
_NO_XML: Final = re.compile(
    "[^\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)


def xml_text(text: str, most: int, otherwise: str = "-") -> str:
    """A text as a field of at most so many characters; `otherwise` if none is left."""
    return _NO_XML.sub("?", text).strip()[:most].strip() or otherwise


Element = Any
"""One of lxml's; its stubs know no type of what they make."""


def start(tag: str) -> Element:
    """An element for `Writer.tree`."""
    return etree.Element(tag)


def add(parent: Element, path: str, text: str = "", currency: str = "") -> Element:
    """Elements in each other, `A/B/C`, and text in the innermost, which is returned."""
    for tag in path.split("/"):
        parent = etree.SubElement(parent, tag)
    if text:
        parent.text = text
    if currency:
        parent.set("Ccy", currency)
    return parent


class Form:
    """An element that comes again and again with other texts: to copy one and fill it
    in takes a quarter of making it.
    """

    def __init__(self, element: Element, blanks: Sequence[Element]) -> None:
        """`blanks` are those in it whose texts differ."""
        self._element = element
        nodes = list(element.iter())
        self._places = [nodes.index(one) for one in blanks]

    def filled(self, texts: Sequence[str]) -> Element:
        """One with these texts in its blanks, in their order."""
        made = deepcopy(self._element)
        nodes = list(made.iter())
        for place, text in zip(self._places, texts, strict=True):
            nodes[place].text = text
        return made


class Writer:
    """Writes elements of one namespace; what is written is taken from time to time."""

    def __init__(self, namespace: str) -> None:
        """Used by `document`."""
        self._namespace = namespace
        self._parts: list[bytes] = []
        self._file: Any = None

    def write(self, data: bytes) -> None:
        """Called by lxml, with what is to be written."""
        self._parts.append(data)

    def take(self) -> bytes:
        """What was written since."""
        if self._file is not None:
            self._file.flush()
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken

    @contextmanager
    def document(self) -> Iterator[None]:
        """The document: its root is the one element that is written in it."""
        with etree.xmlfile(self, encoding="UTF-8") as file:
            self._file = file
            file.write_declaration()
            with file.element(
                f"{{{self._namespace}}}Document", nsmap={None: self._namespace}
            ):
                yield
        self._file = None

    @contextmanager
    def element(self, tag: str) -> Iterator[None]:
        """An element with others in it."""
        with self._file.element(f"{{{self._namespace}}}{tag}"):
            yield

    def leaf(self, tag: str, text: str, **attributes: str) -> None:
        """An element with text."""
        with self._file.element(f"{{{self._namespace}}}{tag}", attributes):
            self._file.write(text)

    def tree(self, element: Element) -> None:
        """An element that was made with all that is in it, by `add`: far faster than
        one opened and closed after the other. It has names without a namespace, which
        its place in the document gives them.
        """
        self._file.write(element)

    def path(self, tags: str, text: str, **attributes: str) -> None:
        """Elements in each other, `A/B/C`, and text in the innermost."""
        outer, _, rest = tags.partition("/")
        if not rest:
            self.leaf(outer, text, **attributes)
            return
        with self.element(outer):
            self.path(rest, text, **attributes)
