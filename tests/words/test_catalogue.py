"""Goal: what counters are told of services survives the file, the record and the wire,
and what cannot be is refused by its field.

Method: one service and one biller with every text; each bound met, then passed by one,
with the characters that a page or a printer would act on.
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from switch.catalogue import (
    CALLED_MAX,
    CALLED_SIZE,
    DOCUMENTS_MAX,
    EXAMPLE_SIZE,
    FIELDS_MAX,
    FREE_MAX,
    LABEL_SIZE,
    WHERE_SIZE,
    FormField,
    FreeService,
    Words,
    counter_texts,
    free_texts,
    has_hidden,
    is_hidden,
    read_called,
    read_documents,
    read_fields,
    read_free,
)
from switch.client.messages import messages_of
from switch.codes import AmountRule, DuplicateRule, Mode, Role
from switch.said import read_texts
from switch.specs import (
    NetworkError,
    ParticipantSpec,
    ServiceSpec,
    Specs,
    spec_problems,
    specs_from_json,
    specs_to_json,
)

CARD = Words(en="Ration card", bn="রেশন কার্ড")
FIELD = FormField(
    name="ward",
    label_en="Ward",
    label_bn="ওয়ার্ড",
    pattern="9{1,3}",
    example="7",
)
FREE = FreeService(
    code="FREE-0001",
    name_en="Caste certificate",
    name_bn="জাতি শংসাপত্র",
    where_en="Block development office",
    where_bn="ব্লক উন্নয়ন অফিস",
    documents=(CARD, Words(en="Photograph")),
)
SERVICE = ServiceSpec(
    code="S1",
    biller="power",
    heads=("H:1",),
    amount_rule=AmountRule.ANY,
    mode=Mode.DIRECT,
    duplicate_rule=DuplicateRule.NONE,
    called_en=("light bill", "current bill"),
    called_bn=("কারেন্টের বিল",),
    fields=(FIELD, FormField(name="name", label_en="Name")),
    documents=(CARD,),
)
BILLER = ParticipantSpec(
    id="power", role=Role.BILLER, heads=("H:1",), free_services=(FREE,)
)


def test_a_file_gives_back_what_it_was_made_of() -> None:
    specs = Specs((BILLER,), (SERVICE,))
    assert specs_from_json(specs_to_json(specs)) == specs


def test_a_record_does_too() -> None:
    """As texts, each under a name of its own: what people sign is shown flat."""
    texts = counter_texts(
        SERVICE.called_en, SERVICE.called_bn, SERVICE.fields, SERVICE.documents
    )
    kept = read_texts(json.dumps({k: v for k, v in texts.items() if v}).encode())
    assert read_called("en", kept) == SERVICE.called_en
    assert read_called("bn", kept) == SERVICE.called_bn
    assert read_fields(kept) == SERVICE.fields
    assert read_documents(kept) == SERVICE.documents
    assert read_free(free_texts(BILLER.free_services)) == BILLER.free_services


def test_texts_that_nobody_wrote_so_end_nothing() -> None:
    """The ledger takes any bytes there."""
    assert read_called("en", {"called_en_1": "second", "called_en_0": ""}) == ()
    assert read_fields({"field_0_label_en": "no name"}) == ()
    [free] = read_free({"free_0_code": "?", "free_0_document_1_en": "second"})
    assert free == FreeService(code="?", name_en="", where_en="")


def test_the_wire_has_all_of_it() -> None:
    [participant], [service] = messages_of(Specs((BILLER,), (SERVICE,)))
    [free] = participant.free_services
    assert (free.code, free.where_bn) == (FREE.code, FREE.where_bn)
    assert [one.bn for one in free.documents] == [CARD.bn, ""]
    assert [one.name for one in service.fields] == ["ward", "name"]
    assert list(service.called_bn) == list(SERVICE.called_bn)


def fields_wrong(spec: Any) -> set[str]:
    is_service = isinstance(spec, ServiceSpec)
    found = spec_problems(() if is_service else (spec,), (spec,) if is_service else ())
    return {one.field.partition(".")[2] for one in found}


def called(*texts: str) -> ServiceSpec:
    return replace(SERVICE, called_en=texts)


def field(**values: Any) -> ServiceSpec:
    return replace(SERVICE, fields=(replace(FIELD, **values),))


def free(**values: Any) -> ParticipantSpec:
    return replace(BILLER, free_services=(replace(FREE, **values),))


MANY = tuple(f"name {at}" for at in range(CALLED_MAX))
FORM = tuple(replace(FIELD, name=f"f{at}") for at in range(FIELDS_MAX))
PAPERS = (CARD,) * DOCUMENTS_MAX


HIDDEN = (
    *"\x00\x1b\n\x7f\x85\xad\u061c\u180e\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c",
    *"\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\ud800\ue000\U000e0041",
)
"""Each steers, is not seen, or turns the direction of what stands around it."""


@pytest.mark.parametrize("character", HIDDEN)
def test_what_hides_or_turns_is_in_no_text_of_the_register(character: str) -> None:
    text = f"a{character}b"
    assert has_hidden(text)
    assert is_hidden(character)
    assert fields_wrong(called(text)) == {"called_en[0]"}
    named = fields_wrong(replace(SERVICE, name_bn=text))
    assert named == {"name_bn"}


def test_letters_of_both_languages_are_seen() -> None:
    for text in ("", "Record of Rights", "ক্ষ", "ক্\u200dষ", "র\u200c্য", "₹৯৫০.০০", "é"):
        assert not has_hidden(text)


@pytest.mark.parametrize(
    "spec",
    [
        called(*MANY),
        called("x" * CALLED_SIZE, "ক্\u200dষ"),
        replace(SERVICE, fields=FORM),
        field(label_en="x" * LABEL_SIZE, example=""),
        field(pattern="", example="x" * EXAMPLE_SIZE),
        replace(SERVICE, documents=PAPERS),
        free(where_en="x" * WHERE_SIZE, name_bn="", where_bn="", documents=()),
    ],
)
def test_what_can_be(spec: Any) -> None:
    assert fields_wrong(spec) == set()


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        (called(*MANY, "one more"), "called_en"),
        (called("x" * (CALLED_SIZE + 1)), "called_en[0]"),
        (called("twice", "twice"), "called_en"),
        (called(""), "called_en[0]"),
        (called(" space"), "called_en[0]"),
        (called("x" * 10_240), "called_en[0]"),
        (called("a\nb"), "called_en[0]"),
        (called("a\u202eb"), "called_en[0]"),
        (called("a\x1b[2J"), "called_en[0]"),
        (called("\ud800"), "called_en[0]"),
        (replace(SERVICE, fields=(*FORM, FIELD)), "fields"),
        (replace(SERVICE, fields=(FIELD, FIELD)), "fields"),
        (field(name="Ward"), "fields[0].name"),
        (field(name="x" * 33), "fields[0].name"),
        (field(label_en=""), "fields[0].label_en"),
        (field(label_bn="x" * (LABEL_SIZE + 1)), "fields[0].label_bn"),
        (field(pattern="9{"), "fields[0].pattern"),
        (field(example="12345"), "fields[0].example"),
        (field(pattern="", example="x" * (EXAMPLE_SIZE + 1)), "fields[0].example"),
        (replace(SERVICE, documents=(*PAPERS, CARD)), "documents"),
        (replace(SERVICE, documents=(Words(en=""),)), "documents[0].en"),
        (free(code="free"), "free_services[0].code"),
        (free(name_en=""), "free_services[0].name_en"),
        (free(where_en=""), "free_services[0].where_en"),
        (free(where_bn="x" * (WHERE_SIZE + 1)), "free_services[0].where_bn"),
        (free(documents=(*PAPERS, CARD)), "free_services[0].documents"),
        (replace(BILLER, free_services=(FREE, FREE)), "free_services"),
        (
            replace(BILLER, free_services=(FREE,) * (FREE_MAX + 1)),
            "free_services",
        ),
        (replace(BILLER, role=Role.CENTRE, heads=()), "free_services"),
    ],
)
def test_what_cannot(spec: Any, where: str) -> None:
    assert fields_wrong(spec) == {where}


def test_all_texts_together_fit_a_line_of_a_proposal() -> None:
    long = Words(en="x" * LABEL_SIZE, bn="ক" * LABEL_SIZE)
    wide = replace(FIELD, label_bn="ক" * LABEL_SIZE, label_en="x" * LABEL_SIZE)
    form = tuple(replace(wide, name=f"f{at}") for at in range(FIELDS_MAX))
    spec = replace(SERVICE, fields=form, documents=(long,) * DOCUMENTS_MAX)
    assert fields_wrong(spec) == set()
    spec = replace(spec, called_bn=tuple("ক" * 50 + text for text in MANY))
    assert fields_wrong(spec) == {"fields"}
    many = tuple(
        replace(FREE, code=f"F{at}", documents=(long,) * DOCUMENTS_MAX)
        for at in range(8)
    )
    assert fields_wrong(replace(BILLER, free_services=many)) == {"free_services"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("called_en", "light bill"),
        ("called_en", [1]),
        ("fields", {"name": "ward"}),
        ("fields", [{"name": "ward"}]),
        ("fields", [{"name": "ward", "label_en": "Ward", "size": 3}]),
        ("documents", [{"en": 1}]),
        ("documents", ["card"]),
    ],
)
def test_a_file_with_another_shape_says_where(name: str, value: Any) -> None:
    plain = json.loads(specs_to_json(Specs((BILLER,), (SERVICE,))))
    plain["services"][0][name] = value
    with pytest.raises(NetworkError, match=rf"services\[0\]\.{name}"):
        specs_from_json(json.dumps(plain))
