"""What counters are told of a service beside its rules, and what costs nothing.

One of the words: may use `references`. Texts for people alone: nothing that is paid
depends on them. In a record of the register they are texts beside the names, each under
a name of its own, as a tariff's are.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from unicodedata import category

from switch.references import Form, WrongReferenceError, canonical, form_problems

CALLED_MAX: Final = 16
"""Texts that people call one service by, in each language."""
CALLED_SIZE: Final = 64
"""Characters of one of them."""
FIELDS_MAX: Final = 16
"""Fields of one form beside the reference."""
DOCUMENTS_MAX: Final = 16
LABEL_SIZE: Final = 100
"""Characters of a label, of a document, of a free service's name."""
WHERE_SIZE: Final = 200
EXAMPLE_SIZE: Final = 64
FREE_MAX: Final = 64
"""Free services of one biller."""
SERVICE_BYTES_MAX: Final = 16_384
"""Of all these texts of one service, as UTF-8."""
FREE_BYTES_MAX: Final = 32_768
"""Of all free services of one biller: a record must fit a line of a proposal."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_CODE = re.compile(r"[A-Z0-9-]{1,16}")
# Controls, what is not seen (marks that turn the direction of what follows among it),
# lone surrogates, what each system draws as it likes, ends of lines and paragraphs.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_JOINERS: Final = frozenset("\u200c\u200d")
"""Bengali is spelt with these two; they turn nothing."""

Told = tuple[str, str]
"""A field, and what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The same in both languages."""

    en: str
    bn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """What a service's form asks for beside the reference."""

    name: str
    """`[a-z][a-z0-9_]{0,31}`, its own in the form."""
    label_en: str
    label_bn: str = ""
    pattern: str = ""
    """As a reference's; empty for any text."""
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeService:
    """Something that costs nothing, for which a counter says where to apply."""

    code: str
    """`[A-Z0-9-]{1,16}`, its own with its biller."""
    name_en: str
    name_bn: str = ""
    where_en: str
    where_bn: str = ""
    documents: tuple[Words, ...] = ()


# --- what is wrong ---------------------------------------------------------------


def is_hidden(character: str) -> bool:
    """Whether a character has no picture of its own, or turns what stands around it."""
    return category(character) in _HIDDEN and character not in _JOINERS


def has_hidden(text: str) -> bool:
    """Whether a text has such a character. Not `isprintable`: it would refuse the
    joiners that Bengali needs.

    The one rule for each text of people that gets to a page or a paper.
    """
    return not (text.isascii() and text.isprintable()) and any(map(is_hidden, text))


def _text(name: str, text: str, most: int, *, least: int = 0) -> Iterator[Told]:
    if not least <= len(text) <= most or has_hidden(text) or text != text.strip():
        yield (
            name,
            f"must be {least} to {most} characters, nothing hidden, no space around",
        )


def counter_problems(
    called_en: tuple[str, ...],
    called_bn: tuple[str, ...],
    fields: tuple[FormField, ...],
    documents: tuple[Words, ...],
) -> Iterator[Told]:
    """What is wrong with what counters are told of a service."""
    yield from _called_problems("called_en", called_en)
    yield from _called_problems("called_bn", called_bn)
    yield from _field_problems(fields)
    yield from _document_problems(documents)
    if size_of(counter_texts(called_en, called_bn, fields, documents)) > (
        SERVICE_BYTES_MAX
    ):
        most = f"at most {SERVICE_BYTES_MAX} bytes"
        yield "fields", f"and the texts beside them must be {most} together"


def _called_problems(name: str, called: tuple[str, ...]) -> Iterator[Told]:
    """What is wrong with the texts that people call a service by, in a language."""
    if len(called) > CALLED_MAX:
        yield name, f"must be at most {CALLED_MAX}"
    if len({*called}) != len(called):
        yield name, "must all differ"
    for at, text in enumerate(called[:CALLED_MAX]):
        yield from _text(f"{name}[{at}]", text, CALLED_SIZE, least=1)


def _document_problems(documents: tuple[Words, ...]) -> Iterator[Told]:
    """What is wrong with a list of documents."""
    if len(documents) > DOCUMENTS_MAX:
        yield "documents", f"must be at most {DOCUMENTS_MAX}"
    for at, one in enumerate(documents[:DOCUMENTS_MAX]):
        yield from _text(f"documents[{at}].en", one.en, LABEL_SIZE, least=1)
        yield from _text(f"documents[{at}].bn", one.bn, LABEL_SIZE)


def _field_problems(fields: tuple[FormField, ...]) -> Iterator[Told]:
    """What is wrong with the fields of a form."""
    if len(fields) > FIELDS_MAX:
        yield "fields", f"must be at most {FIELDS_MAX}"
    if len({one.name for one in fields}) != len(fields):
        yield "fields", "must all have names of their own"
    for at, one in enumerate(fields[:FIELDS_MAX]):
        place = f"fields[{at}]"
        if not _NAME.fullmatch(one.name):
            yield f"{place}.name", "must be 1 to 32 of a-z, 0-9 and _, a letter first"
        yield from _text(f"{place}.label_en", one.label_en, LABEL_SIZE, least=1)
        yield from _text(f"{place}.label_bn", one.label_bn, LABEL_SIZE)
        yield from _text(f"{place}.example", one.example, EXAMPLE_SIZE)
        form = Form(pattern=one.pattern)
        wrong = [text for name, text in form_problems(form) if name == "pattern"]
        if wrong:
            yield f"{place}.pattern", wrong[0]
        elif one.pattern and one.example:
            try:
                canonical(form, one.example)
            except WrongReferenceError:
                yield f"{place}.example", "is none that the pattern takes"


def free_problems(services: tuple[FreeService, ...]) -> Iterator[Told]:
    """What is wrong with the free services of a biller."""
    if len(services) > FREE_MAX:
        yield "free_services", f"must be at most {FREE_MAX}"
    if len({one.code for one in services}) != len(services):
        yield "free_services", "must all have codes of their own"
    for at, one in enumerate(services[:FREE_MAX]):
        place = f"free_services[{at}]"
        if not _CODE.fullmatch(one.code):
            yield f"{place}.code", "must be 1 to 16 of A-Z, 0-9 and -"
        yield from _text(f"{place}.name_en", one.name_en, LABEL_SIZE, least=1)
        yield from _text(f"{place}.name_bn", one.name_bn, LABEL_SIZE)
        yield from _text(f"{place}.where_en", one.where_en, WHERE_SIZE, least=1)
        yield from _text(f"{place}.where_bn", one.where_bn, WHERE_SIZE)
        for name, text in _document_problems(one.documents):
            yield f"{place}.{name}", text
    if size_of(free_texts(services)) > FREE_BYTES_MAX:
        yield "free_services", f"must be at most {FREE_BYTES_MAX} bytes of text"


def size_of(texts: Mapping[str, str]) -> int:
    """Bytes of texts with their names, as UTF-8."""
    parts = (*texts.keys(), *texts.values())
    return sum(len(one.encode("utf-8", "replace")) for one in parts)


# --- as texts of a record --------------------------------------------------------

_FIELD = ("name", "label_en", "label_bn", "pattern", "example")
_FREE = ("code", "name_en", "name_bn", "where_en", "where_bn")


def counter_texts(
    called_en: Iterable[str],
    called_bn: Iterable[str],
    fields: Iterable[FormField],
    documents: Iterable[Words],
) -> dict[str, str]:
    """What counters are told of a service, as its record has it."""
    return (
        _called_texts("en", called_en)
        | _called_texts("bn", called_bn)
        | _field_texts(fields)
        | _document_texts(documents)
    )


def _called_texts(language: str, called: Iterable[str]) -> dict[str, str]:
    """What people call a service, each under a name: `called_en_0`."""
    return {f"called_{language}_{at}": text for at, text in enumerate(called)}


def _document_texts(documents: Iterable[Words], prefix: str = "") -> dict[str, str]:
    """Documents, each under two names: `document_0_en`, `document_0_bn`."""
    return {
        f"{prefix}document_{at}_{language}": text
        for at, one in enumerate(documents)
        for language, text in (("en", one.en), ("bn", one.bn))
    }


def _field_texts(fields: Iterable[FormField]) -> dict[str, str]:
    """Fields of a form: `field_0_name`, `field_0_label_en` and so on."""
    return {
        f"field_{at}_{name}": getattr(one, name)
        for at, one in enumerate(fields)
        for name in _FIELD
    }


def free_texts(services: Iterable[FreeService]) -> dict[str, str]:
    """Free services: `free_0_code`, `free_0_document_0_en` and so on."""
    texts: dict[str, str] = {}
    for at, one in enumerate(services):
        texts |= {f"free_{at}_{name}": getattr(one, name) for name in _FREE}
        texts |= _document_texts(one.documents, f"free_{at}_")
    return texts


def read_called(language: str, texts: Mapping[str, str]) -> tuple[str, ...]:
    """What `counter_texts` wrote; beyond the first that is missing nothing is read."""
    found: list[str] = []
    while text := texts.get(f"called_{language}_{len(found)}"):
        found.append(text)
    return tuple(found)


def read_documents(texts: Mapping[str, str], prefix: str = "") -> tuple[Words, ...]:
    """What `counter_texts` wrote."""
    found: list[Words] = []
    while english := texts.get(f"{prefix}document_{len(found)}_en"):
        bengali = texts.get(f"{prefix}document_{len(found)}_bn", "")
        found.append(Words(en=english, bn=bengali))
    return tuple(found)


def read_fields(texts: Mapping[str, str]) -> tuple[FormField, ...]:
    """What `counter_texts` wrote."""
    found: list[FormField] = []
    while texts.get(f"field_{len(found)}_name"):
        at = len(found)
        values = {name: texts.get(f"field_{at}_{name}", "") for name in _FIELD}
        found.append(FormField(**values))
    return tuple(found)


def read_free(texts: Mapping[str, str]) -> tuple[FreeService, ...]:
    """What `free_texts` wrote."""
    found: list[FreeService] = []
    while texts.get(f"free_{len(found)}_code"):
        at = len(found)
        values = {name: texts.get(f"free_{at}_{name}", "") for name in _FREE}
        documents = read_documents(texts, f"free_{at}_")
        found.append(FreeService(**values, documents=documents))
    return tuple(found)
