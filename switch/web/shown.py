"""Text on its way into a page: escaped by Jinja2, and nothing in it that hides.

Names come from people elsewhere. What has no picture, or turns the direction of what
stands around it, is shown as its number, so that nobody reads another amount or name
than there is.
"""

import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from switch.catalogue import is_hidden

TEXT_MAX = 4_096
"""Characters of one value that a page shows."""


def visible(text: str) -> str:
    """`text` with whatever has no picture as its number, and not endless."""
    if len(text) > TEXT_MAX:
        text = text[:TEXT_MAX] + "…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(_picture(one) for one in text)


def _picture(character: str) -> str:
    if character == "\n":
        return character
    if is_hidden(character) or unicodedata.category(character) == "Cn":
        return f"[U+{ord(character):04X}]"
    return character


def _finalize(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value


def make_templates(folder: Path, **names: Any) -> Environment:
    """The templates of a page: all is escaped, and a slip of the pen is an error."""
    templates = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.globals.update(names)
    return templates


def render(templates: Environment, name: str, values: Mapping[str, Any]) -> str:
    """One page."""
    return templates.get_template(name).render(values)


Words = Callable[..., str]
"""Says a sentence by its key, in one language."""
