"""Finds a service by what an operator types: Bengali, English, or one in the other's
letters.

Each name is also kept as its consonants in Latin letters, sounds that Bengali writes in
several ways folded into one: `bidyut` and `bidyuth` find বিদ্যুৎ, and বিল finds `bill`.
May use the catalogue alone.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from switch.web.counter.catalogue import Service

QUERY_MAX = 64
"""Characters of a query that are looked at."""
RESULTS_MAX = 12

_WORD = re.compile(r"[^\s/(),.&:;\-–]+")
_BENGALI = {
    **dict(zip("কখগঘঙচছজঝঞটঠডঢণতথদধনপফবভমযরলশষসহ", [
        "k", "kh", "g", "gh", "ng", "ch", "chh", "j", "jh", "n", "t", "th", "d", "dh",
        "n", "t", "th", "d", "dh", "n", "p", "ph", "b", "bh", "m", "j", "r", "l", "sh",
        "sh",
        "s", "h",
    ], strict=True)),
    "ড়": "r", "ঢ়": "rh", "য়": "y", "ৎ": "t", "ং": "ng", "ঃ": "h", "ঁ": "",
    "অ": "o", "আ": "a", "ই": "i", "ঈ": "i", "উ": "u", "ঊ": "u", "ঋ": "ri", "এ": "e",
    "ঐ": "oi", "ও": "o", "ঔ": "ou",
    "া": "a", "ি": "i", "ী": "i", "ু": "u", "ূ": "u", "ৃ": "ri", "ে": "e", "ৈ": "oi",
    "ো": "o", "ৌ": "ou", "্": "", "়": "", "\u200c": "", "\u200d": "",
    **dict(zip("০১২৩৪৫৬৭৮৯", "0123456789", strict=True)),
}  # fmt: skip
_SOUNDS = [
    ("্য", "y"),  # the second half of a conjunct is written as it sounds in Latin
]
_FOLDS = [
    ("ght", "t"),
    ("ksh", "k"), ("tth", "t"), ("chh", "C"), ("ch", "C"), ("ce", "se"), ("ci", "si"),
    ("cy", "sy"), ("c", "k"), ("C", "c"), ("sh", "s"), ("kh", "k"),
    ("gh", "g"), ("jh", "j"), ("th", "t"), ("dh", "d"), ("ph", "f"), ("bh", "b"),
    ("rh", "r"), ("kk", "k"), ("ng", "n"), ("x", "ks"), ("q", "k"), ("p", "f"),
    ("v", "b"), ("w", "b"), ("z", "j"), ("y", ""), ("h", ""),
]  # fmt: skip
_LETTERS = re.compile(r"[^\W\d_][^\d_]*")
_VOWELS = re.compile(r"[aeiou]+")
_TWICE = re.compile(r"(.)\1+")


def latin(word: str) -> str:
    """A word in Latin letters, as it is roughly said."""
    composed = unicodedata.normalize("NFC", word)
    for bengali, sound in _SOUNDS:
        composed = composed.replace(bengali, sound)
    return "".join(_BENGALI.get(one, one) for one in composed)


@lru_cache(maxsize=16_384)
def skeleton(word: str) -> str:
    """What of its sound is spelt alike by most: its consonants."""
    if not _LETTERS.fullmatch(word):
        return ""  # a code is spelt in one way
    sound = latin(word).lower()
    for written, said in _FOLDS:
        sound = sound.replace(written, said)
    first = "a" if sound[:1] and sound[:1] in "aeiou" else ""
    return first + _TWICE.sub(r"\1", _VOWELS.sub("", sound))


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFC", text).casefold())


@lru_cache(maxsize=8_192)
def _names(service: Service) -> tuple[tuple[frozenset[str], frozenset[str], int], ...]:
    """Words and skeletons of all that a service is called, the best known first."""
    ranked = [
        (3, [service.name.en, service.name.bn, service.code, *service.called]),
        (1, [service.department.en, service.department.bn, service.where.en]),
    ]
    found = []
    for weight, texts in ranked:
        words = {word for text in texts for word in _words(text)}
        sounds = {skeleton(word) for word in words} - {""}
        found.append((frozenset(words), frozenset(sounds), weight))
    return tuple(found)


def find(services: Iterable[Service], query: str) -> list[Service]:
    """The services that all words of a query fit, best first, RESULTS_MAX at most."""
    asked = _words(query[:QUERY_MAX])
    if not asked:
        return []
    scored = []
    for service in services:
        scores = [_score(service, word) for word in asked]
        if all(scores):
            scored.append((-sum(scores), len(service.name.en), service.code, service))
    scored.sort(key=lambda one: one[:3])
    return [one[3] for one in scored[:RESULTS_MAX]]


def _score(service: Service, word: str) -> int:
    """How well a word fits: 0 not at all."""
    sound = skeleton(word)
    best = 0
    for words, sounds, weight in _names(service):
        if word in words:
            best = max(best, 12 * weight)
        elif any(one.startswith(word) for one in words):
            best = max(best, 8 * weight)
        elif len(sound) >= 2 and sound in sounds:
            best = max(best, 5 * weight)
        elif len(sound) >= 3 and any(one.startswith(sound) for one in sounds):
            best = max(best, 3 * weight)
    return best
