"""The words of a citizen's papers, in English and Bengali, whatever prints them.

May use `codes`. The text of a receipt is made of them at the switch, and is the same
for ever: a word that is on one already does not change. The forms that a counter prints
(`switch/papers`) have the same words.
"""

from collections.abc import Mapping
from typing import Final

from switch.codes import Tender

Words = Mapping[str, tuple[str, str]]
"""Label → English, Bengali."""

PAPER_WORDS: Final[Words] = {
    "title": ("Bangla Sahayata Kendra", "বাংলা সহায়তা কেন্দ্র"),
    "centre": ("Centre", "কেন্দ্র"),
    "accepted": ("Accepted", "গৃহীত"),
    "service": ("Service", "পরিষেবা"),
    "department": ("Department", "বিভাগ"),
    "biller": ("Paid to", "প্রাপক"),
    "head": ("Head of account", "হিসাবের খাত"),
    "reference": ("Reference", "রেফারেন্স"),
    "bill": ("Bill", "বিল"),
    "period": ("Period", "সময়কাল"),
    "due_date": ("Due by", "শেষ তারিখ"),
    "amount_due": ("Amount due", "প্রদেয়"),
    "note": ("Note", "মন্তব্য"),
    "amount": ("Amount", "টাকার অঙ্ক"),
    "tender": ("Paid by", "মাধ্যম"),
    "operator": ("Operator", "অপারেটর"),
    "id": ("Payment id", "লেনদেনের আইডি"),
    "entry": ("Ledger entry", "খতিয়ান ভুক্তি"),
    "free": (
        "The help of the centre is free of charge.",
        "কেন্দ্রের সাহায্য সম্পূর্ণ বিনামূল্যে।",
    ),
}
"""Of every paper."""

RECEIPT_WORDS: Final[Words] = {
    "receipt": ("Receipt", "রসিদ"),
    "confirmed": ("Confirmed", "নিশ্চিত"),
    "biller_reference": ("Biller's reference", "প্রাপকের রেফারেন্স"),
    "fee": ("Fee", "পরিষেবা মূল্য"),
    "total": ("Total", "মোট"),
}

REFUND_WORDS: Final[Words] = {
    "refund receipt": ("Receipt of a refund", "ফেরতের রসিদ"),
    "of receipt": ("Of the receipt", "যে রসিদের"),
    "returned": ("Given back", "ফেরত দেওয়া হয়েছে"),
    "was paid": ("Was paid", "দেওয়া হয়েছিল"),
    "this refund": ("Given back now", "এবার ফেরত"),
    "so far": ("Given back so far", "এ পর্যন্ত মোট ফেরত"),
    "from the centre": (
        "The centre gives this money to the citizen.",
        "এই টাকা কেন্দ্র থেকে নাগরিককে দেওয়া হয়।",
    ),
}

ACKNOWLEDGEMENT_WORDS: Final[Words] = {
    "acknowledgement": ("Acknowledgement", "প্রাপ্তিস্বীকার"),
    "no receipt": (
        "THIS IS NO RECEIPT. Keep it, and ask by its number.",
        "এটি রসিদ নয়। কাগজটি রাখুন, এর নম্বর দিয়ে খোঁজ নিন।",
    ),
    "as of": ("As of", "যে সময়ের অবস্থা"),
    "state": ("State", "অবস্থা"),
    "next": ("What now", "এখন কী"),
    "decided": ("Decided by", "সিদ্ধান্তের শেষ দিন"),
    "receipt": ("Receipt", "রসিদ"),
    "paid": ("Paid", "দেওয়া হয়েছে"),
    "refunded": ("Given back", "ফেরত দেওয়া হয়েছে"),
}

MARK_WORDS: Final[Words] = {
    "reprint": ("REPRINT", "পুনর্মুদ্রণ"),
    "refunded": ("GIVEN BACK IN FULL", "পুরো টাকা ফেরত দেওয়া হয়েছে"),
    "refunded in part": ("GIVEN BACK IN PART", "আংশিক ফেরত দেওয়া হয়েছে"),
    "kept": ("NOT CONFIRMED YET", "এখনও নিশ্চিত নয়"),
    "unverified": ("NOT VERIFIED", "যাচাই হয়নি"),
}
"""What must not be overlooked on a paper."""

FORM_WORDS: Final[Words] = {
    "no fee": ("nothing", "লাগে না"),
    "check": ("Check this receipt", "রসিদটি যাচাই করুন"),
    "check how": (
        "Scan the square, or give number and code at",
        "চৌকো চিহ্নটি স্ক্যান করুন, বা নম্বর ও কোড দিন এখানে:",
    ),
    "code": ("Check code", "যাচাই কোড"),
}
"""Of the forms that a counter prints alone."""

TENDER_WORDS: Final[Mapping[Tender, tuple[str, str]]] = {
    Tender.CASH: ("cash", "নগদ"),
    Tender.UPI: ("UPI", "ইউপিআই"),
    Tender.CARD: ("card", "কার্ড"),
}
