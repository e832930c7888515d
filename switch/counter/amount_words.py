"""Amounts in words, as receipts have them: lakh and crore, English and Bengali.

May use nothing of the product. Whole paise in, text out.
"""

PAISE_IN_RUPEE = 100
CRORE = 10_000_000

_ENGLISH_TEXT = """
Zero One Two Three Four Five Six Seven Eight Nine
Ten Eleven Twelve Thirteen Fourteen Fifteen Sixteen Seventeen Eighteen Nineteen
"""
_TENS_TEXT = "Twenty Thirty Forty Fifty Sixty Seventy Eighty Ninety"
# Every number below a hundred has a word of its own.
_BENGALI_TEXT = """
শূন্য এক দুই তিন চার পাঁচ ছয় সাত আট নয়
দশ এগারো বারো তেরো চৌদ্দ পনেরো ষোলো সতেরো আঠারো উনিশ
বিশ একুশ বাইশ তেইশ চব্বিশ পঁচিশ ছাব্বিশ সাতাশ আটাশ ঊনত্রিশ
ত্রিশ একত্রিশ বত্রিশ তেত্রিশ চৌত্রিশ পঁয়ত্রিশ ছত্রিশ সাঁইত্রিশ আটত্রিশ ঊনচল্লিশ
চল্লিশ একচল্লিশ বিয়াল্লিশ তেতাল্লিশ চুয়াল্লিশ পঁয়তাল্লিশ ছেচল্লিশ সাতচল্লিশ আটচল্লিশ ঊনপঞ্চাশ
পঞ্চাশ একান্ন বায়ান্ন তিপ্পান্ন চুয়ান্ন পঞ্চান্ন ছাপ্পান্ন সাতান্ন আটান্ন ঊনষাট
ষাট একষট্টি বাষট্টি তেষট্টি চৌষট্টি পঁয়ষট্টি ছেষট্টি সাতষট্টি আটষট্টি ঊনসত্তর
সত্তর একাত্তর বাহাত্তর তিয়াত্তর চুয়াত্তর পঁচাত্তর ছিয়াত্তর সাতাত্তর আটাত্তর ঊনআশি
আশি একাশি বিরাশি তিরাশি চুরাশি পঁচাশি ছিয়াশি সাতাশি অষ্টাশি ঊননব্বই
নব্বই একানব্বই বিরানব্বই তিরানব্বই চুরানব্বই পঁচানব্বই ছিয়ানব্বই সাতানব্বই আটানব্বই নিরানব্বই
"""
_ENGLISH = _ENGLISH_TEXT.split()
_TENS = _TENS_TEXT.split()
_BENGALI = _BENGALI_TEXT.split()

_SCALES = {
    False: ("Crore", "Lakh", "Thousand", "Hundred"),
    True: ("কোটি", "লক্ষ", "হাজার", "শত"),
}


def _below_hundred(number: int, *, bengali: bool) -> str:
    if bengali:
        return _BENGALI[number]
    if number < 20:
        return _ENGLISH[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f" {_ENGLISH[ones]}" if ones else "")


def number_in_words(number: int, *, bengali: bool = False) -> str:
    """A whole number, not negative: `Twelve Lakh Thirty Four Thousand`.

    More than a crore of crores counts the crores in the same way.
    """
    crore, lakh, thousand, hundred = _SCALES[bengali]
    crores, rest = divmod(number, CRORE)
    parts = [f"{number_in_words(crores, bengali=bengali)} {crore}"] if crores else []
    for size, name in ((100_000, lakh), (1_000, thousand), (100, hundred)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{_below_hundred(count, bengali=bengali)} {name}")
    if rest or not parts:
        parts.append(_below_hundred(rest, bengali=bengali))
    return " ".join(parts)


def amount_in_words(paise: int, *, bengali: bool = False) -> str:
    """Paise in words: `Rupees Five Hundred and Paise Fifty Only`."""
    rupees, rest = divmod(paise, PAISE_IN_RUPEE)
    words = number_in_words(rupees, bengali=bengali)
    part = _below_hundred(rest, bengali=bengali)
    if bengali:
        return f"{words} টাকা {part} পয়সা মাত্র" if rest else f"{words} টাকা মাত্র"
    return f"Rupees {words} and Paise {part} Only" if rest else f"Rupees {words} Only"
