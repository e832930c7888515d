"""The operator-facing words, in English and Bengali.

May use `codes`, `money` and `payment_states`. References, codes and ids are never
translated; amounts and counts take the digits of the language.
"""

from collections.abc import Mapping
from enum import Enum

from switch.codes import Result
from switch.console.bank_words import BANK_WORDS
from switch.console.closing_words import CLOSING_WORDS
from switch.console.cluster_words import CLUSTER_WORDS
from switch.console.complaint_words import COMPLAINT_WORDS
from switch.console.exception_words import EXCEPTION_WORDS
from switch.console.explain_words import EXPLAIN_WORDS
from switch.console.list_words import LIST_WORDS
from switch.console.matching_words import MATCHING_WORDS
from switch.console.office_words import OFFICE_WORDS
from switch.console.people_words import PEOPLE_WORDS
from switch.console.result_words import RESULTS
from switch.console.shift_words import SHIFT_WORDS
from switch.console.totals_words import TOTALS_WORDS
from switch.console.treasury_words import TREASURY_WORDS
from switch.money import format_amount, group_digits
from switch.payment_states import PaymentState


class Language(Enum):
    """What a person reads; machines read `--json` and no language."""

    ENGLISH = "en"
    BENGALI = "bn"

    def word(self, key: str) -> str:
        """The word for `key`, or the key itself where there is none."""
        english, bengali = WORDS.get(key, (key, key))
        return bengali if self is Language.BENGALI else english

    def result(self, result: Result) -> str:
        """What a result means to the operator, and what to do."""
        english, bengali = RESULTS.get(result, (_plain(result), _plain(result)))
        return bengali if self is Language.BENGALI else english

    def error(self, reason: str) -> str:
        """What the reason of an error means to the operator, and what to do."""
        plain = reason.lower().replace("_", " ")
        english, bengali = ERRORS.get(reason, (plain, plain))
        return bengali if self is Language.BENGALI else english

    def state(self, state: PaymentState) -> str:
        """Where a payment stands, as the operator should read it."""
        english, bengali = STATES[state]
        return bengali if self is Language.BENGALI else english

    def amount(self, paise: int) -> str:
        """Paise as rupees with lakh and crore grouping, in ASCII digits.

        A line of a terminal has ids, dates and references, which are typed again: it
        has one kind of digits, in both languages.
        """
        return format_amount(paise)

    def count(self, number: int) -> str:
        """A count with lakh and crore grouping, in ASCII digits."""
        return group_digits(number)


def language_of(environment: Mapping[str, str]) -> Language:
    """The language that LC_ALL, LC_MESSAGES or LANG asks for; English if none does."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environment.get(name):
            return (
                Language.BENGALI
                if environment[name].startswith("bn")
                else Language.ENGLISH
            )
    return Language.ENGLISH


def _plain(result: Result) -> str:
    return result.name.lower().replace("_", " ")


WORDS: dict[str, tuple[str, str]] = {
    "about": ("About entry", "যে ভুক্তি নিয়ে"),
    "account": ("Account", "হিসাব"),
    "additional to": ("In addition to entry", "যে ভুক্তির অতিরিক্ত"),
    "amount": ("Amount", "টাকার অঙ্ক"),
    "amount rule": ("Amount rule", "অঙ্কের নিয়ম"),
    "as of": ("as of entry", "ভুক্তি পর্যন্ত"),
    "asked": ("Asked", "জিজ্ঞাসিত"),
    "available": ("Available", "খরচযোগ্য"),
    "away": ("not answering", "সাড়া দিচ্ছে না"),
    "balance": ("Balance", "জমা"),
    "bill": ("Bill", "বিল"),
    "bill due": ("can be paid", "দেওয়া যাবে"),
    "bill health": ("Health for bills", "বিলের স্বাস্থ্য"),
    "bill in progress": (
        "a payment is under way or in doubt: take no money",
        "দেওয়া চলছে বা সংশয়ে আছে: টাকা নেবেন না",
    ),
    "bill paid": ("paid already: take no money", "আগেই দেওয়া হয়েছে: টাকা নেবেন না"),
    "biller": ("Biller", "বিলার"),
    "bills": ("Bills asked", "জিজ্ঞাসিত বিল"),
    "but": ("But", "তবে"),
    "cases": ("Cases", "কেস"),
    "called": ("People call it", "লোকে যা বলে"),
    "cancelled by": ("Cancelled by", "বাতিল করেছেন"),
    "centre": ("Centre", "কেন্দ্র"),
    "change": ("Change", "পরিবর্তন"),
    "chunks": ("Chunks", "খণ্ড"),
    "code": ("Code", "কোড"),
    "completed": ("Completed", "সম্পন্ন"),
    "closed": ("The shift is closed", "শিফট বন্ধ হয়েছে"),
    "connections": ("Connections", "সংযোগ"),
    "copy damaged": ("The copy is damaged", "কপিটি ক্ষতিগ্রস্ত"),
    "copy sent": ("The copy was sent", "কপি পাঠানো হয়েছে"),
    "copy whole": ("The copy is whole", "কপিটি অক্ষত"),
    "copying": ("copying entries", "ভুক্তি কপি হচ্ছে"),
    "decided": ("Decided by two people", "দুজনের সিদ্ধান্ত"),
    "department": ("Department", "বিভাগ"),
    "detail": ("Detail", "বিবরণ"),
    "difference": ("Difference", "পার্থক্য"),
    "disputed": (
        "the biller says that it credited it; the treasury decides: take no money",
        "প্রাপক বলছে জমা হয়েছে; ট্রেজারি সিদ্ধান্ত নেবে: টাকা নেবেন না",
    ),
    "documents": ("Documents", "নথি"),
    "done": ("Done", "সম্পন্ন"),
    "due": ("Amount due", "প্রদেয়"),
    "due by": ("Due by", "শেষ তারিখ"),
    "doubtful": ("Unknown", "অজানা"),
    "entry": ("Entry", "ভুক্তি"),
    "example": ("Example of a reference", "রেফারেন্সের নমুনা"),
    "expired": ("Expired", "মেয়াদ শেষ"),
    "fetch it": (
        "Fetch the bill, then pay by what it says:",
        "বিলটি আনুন, তারপর তাতে যা লেখা সেই মতো দিন:",
    ),
    "free services": ("What costs nothing", "যার জন্য টাকা লাগে না"),
    "given back": ("Given back", "ফেরত দেওয়া"),
    "handed out": ("Handed out", "হাতে দেওয়া হয়েছে"),
    "head": ("Head", "খাত"),
    "health": ("Health", "স্বাস্থ্য"),
    "holds": ("Open holds", "আটক"),
    "id": ("Payment id", "লেনদেনের আইডি"),
    "in doubt": ("In doubt", "সংশয়ে"),
    "in addition": (
        "Only if the citizen means another payment, pay again with:",
        "নাগরিক সত্যিই আরও একবার দিতে চাইলে তবেই এটি যোগ করে আবার দিন:",
    ),
    "index": ("looking through the index", "সূচি দেখা হচ্ছে"),
    "item": ("Item", "দফা"),
    "journal": ("looking through the journal", "জার্নাল দেখা হচ্ছে"),
    "keep apart": (
        "Write the entry and the hash down somewhere else than the copy.",
        "ভুক্তির নম্বর ও হ্যাশ কপি থেকে আলাদা কোথাও লিখে রাখুন।",
    ),
    "kept": ("Kept", "সিদ্ধান্ত পর্যন্ত আটক"),
    "key number": ("Newest key", "নতুনতম চাবি"),
    "kind": ("Kind", "ধরন"),
    "last check": ("Last chunk's check", "শেষ খণ্ডের যাচাই-সংখ্যা"),
    "listed": ("In the list that day", "সেদিন তালিকায়"),
    "meaning": ("Meaning", "অর্থ"),
    "name": ("Name", "নাম"),
    "none": ("none", "নেই"),
    "not recorded": (
        "Nothing was recorded: the payment can be put right and sent again.",
        "কিছুই নথিভুক্ত হয়নি: লেনদেন শুধরে আবার পাঠানো যাবে।",
    ),
    "number": ("No.", "নং"),
    "open": ("Not yet confirmed", "এখনও নিশ্চিত নয়"),
    "operator": ("Operator", "অপারেটর"),
    "over": ("over", "বেশি"),
    "p50 ms": ("p50 ms", "p50 মিলিসেকেন্ড"),
    "p99 ms": ("p99 ms", "p99 মিলিসেকেন্ড"),
    "paid after all": (
        "it was paid after all, from the wallet: do not return the cash",
        "শেষ পর্যন্ত ওয়ালেট থেকে দেওয়া হয়েছে: নগদ ফেরত দেবেন না",
    ),
    "clock off": (
        "its clock is ahead of the log's by",
        "লগের ঘড়ির চেয়ে এর ঘড়ি এতটা এগিয়ে:",
    ),
    "other settings": (
        "its settings are not the leader's, in",
        "এর সেটিং নেতার সেটিং থেকে আলাদা, এখানে",
    ),
    "paper": (
        "Until there is a receipt, give the citizen this:",
        "রসিদ না হওয়া পর্যন্ত নাগরিককে এটি দিন:",
    ),
    "pay it": (
        "Pay one of them by its number, until",
        "নম্বর দিয়ে একটি বিল দিন, এই সময়ের আগে",
    ),
    "payments": ("Payments", "লেনদেন"),
    "pending": ("Reserved", "আটক টাকা"),
    "period": ("Period", "সময়কাল"),
    "price": ("Price", "মূল্য"),
    "proof": ("Proof", "প্রমাণ"),
    "reason": ("Reason", "কারণ"),
    "receipt": ("Receipt", "রসিদ"),
    "reference": ("Reference", "রেফারেন্স"),
    "refunded": ("Refunded", "ফেরত"),
    "refused": ("Refused", "অগ্রাহ্য"),
    "reversed": ("Reversed", "ফেরত গেছে"),
    "repeat": (
        "This answer was given before; nothing was done twice.",
        "এই উত্তর আগেই দেওয়া হয়েছে; দ্বিতীয়বার কিছু হয়নি।",
    ),
    "service": ("Service", "পরিষেবা"),
    "shift": ("Shift (entry)", "শিফট (ভুক্তি)"),
    "short": ("short", "কম"),
    "signed": ("The shift is signed off", "শিফট অনুমোদিত হয়েছে"),
    "spent today": ("Spent on", "খরচের দিন"),
    "spent payments": (
        "payments begun, without those given back",
        "শুরু হওয়া লেনদেন, ফেরত বাদে",
    ),
    "state": ("State", "অবস্থা"),
    "state hash": ("State hash", "অবস্থার হ্যাশ"),
    "status": ("Status questions", "অবস্থা-প্রশ্ন"),
    "resting": ("Centres resting", "বিরামে থাকা কেন্দ্র"),
    "status/min": ("Status calls/min", "মিনিটে অবস্থা-জিজ্ঞাসা"),
    "clock ms": ("Clock ahead, ms", "ঘড়ি এগিয়ে, মি.সে."),
    "step": ("step", "ধাপ"),
    "time": ("Time", "সময়"),
    "participant": ("Participant", "অংশগ্রহণকারী"),
    "serial": ("Serial number", "ক্রমিক নম্বর"),
    "budget": ("Budget", "সীমা"),
    "value": ("Value", "মান"),
    "set by": ("Set by", "কে ঠিক করেছেন"),
    "key": ("Key", "চাবি"),
    "pinned by": ("Pinned by", "কে বেঁধেছেন"),
    "revoked by": ("Revoked by", "কে বাতিল করেছেন"),
    "confirmed by": ("Confirmed by", "কে নিশ্চিত করেছেন"),
    "unchanged": (
        "It has not changed since that version.",
        "ওই সংস্করণের পর কিছু বদলায়নি।",
    ),
    "version": ("Version", "সংস্করণ"),
    "where to apply": ("Where to apply", "কোথায় আবেদন করবেন"),
    "why": ("Why", "কারণ"),
    "to be confirmed": (
        "it holds from now on; another person is to confirm it:",
        "এখন থেকেই বলবৎ; অন্য একজনকে নিশ্চিত করতে হবে:",
    ),
    "total": ("Total", "মোট"),
    "use another copy": (
        "Do not restore from it. Keep it, and use another copy.",
        "এটি থেকে পুনরুদ্ধার করবেন না। এটি রেখে দিন, অন্য কপি ব্যবহার করুন।",
    ),
    "valid until": ("Valid until", "বৈধতা"),
    "waits": (
        "The biller has not confirmed yet. Do not take the money again; follow it:",
        "প্রাপক এখনও নিশ্চিত করেনি। আবার টাকা নেবেন না; এভাবে দেখুন:",
    ),
    "wallet": ("Wallet", "ওয়ালেট"),
    "waiting": ("Waiting", "অপেক্ষমাণ"),
    "unknown": (
        "The outcome is not known. Do not take the money again; run this again:",
        "ফলাফল জানা নেই। আবার টাকা নেবেন না; এটি আবার চালান:",
    ),
    "unknown move": (
        (
            "The outcome is not known: the switch may have recorded it. Nothing is "
            "recorded twice; run this again:"
        ),
        (
            "ফলাফল জানা নেই: সুইচ এটি নথিভুক্ত করে থাকতে পারে। কিছুই দু’বার নথিভুক্ত "
            "হবে না; এটি আবার চালান:"
        ),
    ),
    **EXCEPTION_WORDS,
    **OFFICE_WORDS,
    **EXPLAIN_WORDS,
    **BANK_WORDS,
    **CLOSING_WORDS,
    **CLUSTER_WORDS,
    **COMPLAINT_WORDS,
    **LIST_WORDS,
    **MATCHING_WORDS,
    **PEOPLE_WORDS,
    **SHIFT_WORDS,
    **TOTALS_WORDS,
    **TREASURY_WORDS,
}
"""Key → English, Bengali."""

STATES: dict[PaymentState, tuple[str, str]] = {
    PaymentState.NONE: ("not known", "অজানা"),
    PaymentState.REFUSED: ("refused", "অগ্রাহ্য"),
    PaymentState.HELD: ("held until the biller confirms", "প্রাপকের নিশ্চিতির অপেক্ষায়"),
    PaymentState.COMPLETED: ("completed", "সম্পন্ন"),
    PaymentState.REVERSED: (
        "not credited by the biller, the money is back: return the cash",
        "প্রাপক জমা নেয়নি, টাকা ফিরেছে: নগদ ফেরত দিন",
    ),
    PaymentState.EXPIRED: (
        "expired, and not credited by the biller; the money is back: return the cash",
        "মেয়াদ শেষ, প্রাপক জমা নেয়নি, টাকা ফিরেছে: নগদ ফেরত দিন",
    ),
    PaymentState.REFUNDED: ("refunded", "ফেরত দেওয়া হয়েছে"),
    PaymentState.UNKNOWN: (
        "unknown: the biller is being asked, this is no failure",
        "অনিশ্চিত: প্রাপককে জিজ্ঞাসা করা হচ্ছে, এটি ব্যর্থতা নয়",
    ),
    PaymentState.UNVERIFIED: (
        (
            "the money is back, the biller has not said yet: return the cash against "
            "the acknowledgement; the bill cannot be paid until the biller has said"
        ),
        (
            "টাকা ফিরেছে, প্রাপক এখনও জানায়নি: প্রাপ্তিস্বীকার দেখে নগদ ফেরত দিন; "
            "প্রাপক না জানানো পর্যন্ত এই বিল দেওয়া যাবে না"
        ),
    ),
    PaymentState.KEPT: (
        (
            "the biller has not said, the money is reserved: do not return cash, do "
            "not take it again"
        ),
        "প্রাপক জানায়নি, টাকা আটক আছে: নগদ ফেরত দেবেন না, আবার নেবেন না",
    ),
}
"""State of a payment → English, Bengali."""

ERRORS: dict[str, tuple[str, str]] = {
    "REFERENCE_WRONG": RESULTS[Result.REFERENCE_WRONG],
    "BILL_NOT_FOUND": (
        "the biller knows of no bill for it",
        "বিলারের কাছে এর কোনো বিল নেই",
    ),
    "BILL_UNREADABLE": (
        "the biller's answer cannot be paid; the biller must put it right",
        "বিলারের উত্তরে ভুল আছে, দেওয়া যাবে না; বিলারকে শুধরাতে হবে",
    ),
    "NOT_PAID_BY_BILL": (
        "this service has no bills; pay it without fetching",
        "এই পরিষেবার বিল হয় না; বিল না এনেই দিন",
    ),
    "BILLER_UNAVAILABLE": (
        "the biller cannot be asked now; take no money, try again in a while",
        "বিলারকে এখন জিজ্ঞাসা করা যাচ্ছে না; টাকা নেবেন না, একটু পরে চেষ্টা করুন",
    ),
    "CENTRE_QUEUE_FULL": (
        "too many of this centre wait; take no money, try again in a while",
        "এই কেন্দ্রের অনেকগুলি উত্তরের অপেক্ষায়; টাকা নেবেন না, একটু পরে চেষ্টা করুন",
    ),
    "BILLER_QUEUE_FULL": (
        "too many wait for this biller; take no money, try again in a minute",
        "এই বিলারের কাছে অনেকে অপেক্ষায়; টাকা নেবেন না, এক মিনিট পরে চেষ্টা করুন",
    ),
    "SHIFT_EMPTY": (
        "since the shift before nothing was taken and nothing given back",
        "আগের শিফটের পরে টাকা নেওয়াও হয়নি, ফেরতও দেওয়া হয়নি",
    ),
    "SHIFT_TOO_LONG": (
        "too many entries since the shift before; ask the support desk",
        "আগের শিফটের পরে অনেক বেশি হিসাব জমেছে; সহায়তা কেন্দ্রে জানান",
    ),
}
"""Reason of an error → English, Bengali. Others are shown by their plain names."""
