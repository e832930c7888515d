"""Goal: a service is found by what people call it, in either script; and each sentence
is there in both languages, with the same gaps.

Method: the sample's services and a few words for each; the table of sentences, and what
templates and code ask of it.
"""

import re
import string
from pathlib import Path

import pytest

from switch.sample import load_sample
from switch.web.counter import moves, payment, settle, words
from switch.web.counter.catalogue import Both, Service
from switch.web.counter.search import find
from switch.web.forms import FormError, parse_fields, whole_number

FOLDER = Path(words.__file__).parent
SERVICES = [
    Service(
        one.code,
        Both(one.name_en, one.name_bn),
        Both(one.department_en, one.department_bn),
        "biller",
        "bill",
        called=("কারেন্ট বিল", "light bill") if one.code == "BSK0199" else (),
    )
    for one in load_sample().services
]


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("BSK0022", "BSK0022"),
        ("bsk0022", "BSK0022"),
        ("khajna", "BSK0022"),
        ("খাজনা", "BSK0022"),
        ("wbsedcl", "BSK0199"),
        ("bidyut bil", "BSK0199"),
        ("vidyut", "BSK0199"),
        ("বিদ্যুৎ", "BSK0199"),
        ("electrisiti", "BSK0199"),
        ("current", "BSK0199"),
        ("কারেন্ট", "BSK0199"),
        ("লাইট বিল", "BSK0199"),
        ("porcha", "BSK0169"),
        ("পর্চা", "BSK0169"),
        ("parcha", "BSK0169"),
    ],
)
def test_what_people_call_it(typed: str, code: str) -> None:
    assert code in [one.code for one in find(SERVICES, typed)][:3]


@pytest.mark.parametrize("typed", ["", " ", "zzzz", "বববববববব", "()", "x" * 10_000])
def test_what_nobody_calls_anything(typed: str) -> None:
    assert find(SERVICES, typed) == []


def test_each_sentence_is_there_twice() -> None:
    for key, (english, bengali) in words.TEXTS.items():
        assert english, key
        assert bengali, key
        gaps = [
            {name for _, name, _, _ in string.Formatter().parse(text) if name}
            for text in (english, bengali)
        ]
        assert gaps[0] == gaps[1], key
        if key not in ("other language", "notes of"):
            assert re.search("[\u0980-\u09ff]", bengali), key


def test_what_is_said_is_in_the_table() -> None:
    asked = set()
    for path in [*FOLDER.glob("*.py"), *FOLDER.glob("templates/*.html")]:
        asked |= {*re.findall(r'\bsay\("([^"]+)"[,)]', path.read_text())}
        asked |= {*re.findall(r'desk, session, "([a-z ]+)", \d', path.read_text())}
    assert len(asked) > 80
    assert asked <= words.TEXTS.keys()
    outcomes = {*settle.OUTCOMES.values(), "sending", "offline", "sign-on", "not-paid"}
    for outcome in (*outcomes, "trouble"):
        assert {f"outcome {outcome}", f"short {outcome}"} <= words.TEXTS.keys()
    for reason in payment.REASONS:
        assert f"complaint {reason}" in words.TEXTS
    for key in moves._STATES.values():
        assert key in words.TEXTS


def test_outcomes_in_doubt_say_what_to_do_with_cash() -> None:
    for outcome in ("sending", "offline", "sign-on", "waiting", "kept", "trouble"):
        english, bengali = words.TEXTS[f"outcome {outcome}"]
        assert english.startswith("Do not take money again, do not return it: ")
        assert bengali.startswith("আবার টাকা নেবেন না, ফেরতও দেবেন না: ")
    for outcome in ("given-back", "refused", "not-paid"):
        assert "Return the cash" in words.TEXTS[f"outcome {outcome}"][0]


def test_forms_are_bounded() -> None:
    assert parse_fields(b"a=1&b=%E0%A7%A7") == {"a": "1", "b": "১"}
    assert whole_number("১২", 99) == 12
    assert whole_number("100", 99) is None
    for text in ("-1", "1.0", "+1", "½", "٣", "1e3", "", "9" * 30):
        assert whole_number(text, 99) is None
    for body in (b"a=1&a=2", b"a=%ff", b"a=%00", b"a", b"A=1", b"a=" + b"x" * 513):
        with pytest.raises(FormError):
            parse_fields(body)
