"""The words of the public page, in English and Bengali.

May use `money` and `calendar`. Numbers of receipts and codes keep their digits.
"""

from typing import Final

from switch.calendar import format_ist
from switch.money import bengali_digits, format_amount, group_digits

LANGUAGES: Final = ("bn", "en")
"""The first is what is shown where a browser asks for neither."""

# Key → English, Bengali.
WORDS: Final = {
    "title": ("Is this receipt real?", "এই রসিদটি কি আসল?"),
    "owner": ("Bangla Sahayata Kendra", "বাংলা সহায়তা কেন্দ্র"),
    "intro": (
        (
            "Type the number and the code that stand on the receipt, or scan the "
            "square that is printed on it."
        ),
        "রসিদে লেখা নম্বর ও কোড লিখুন, অথবা রসিদে ছাপা চৌকো চিহ্নটি স্ক্যান করুন।",
    ),
    "number": ("Receipt number", "রসিদ নম্বর"),
    "number_hint": (
        "As on the paper, for example bsk-00001/2026-27/000123",
        "কাগজে যেমন আছে, যেমন bsk-00001/2026-27/000123",
    ),
    "code": ("Code", "কোড"),
    "code_hint": (
        "12 digits and letters, for example 7f3a-09bc-12de",
        "বারোটি অঙ্ক ও অক্ষর, যেমন 7f3a-09bc-12de",
    ),
    "check": ("Check", "যাচাই করুন"),
    "result": ("Result", "ফলাফল"),
    "real": ("This receipt is real.", "রসিদটি আসল।"),
    "refunded": (
        (
            "This receipt is real, and all of the payment was refunded to the centre. "
            "What was paid in cash is handed out there."
        ),
        (
            "রসিদটি আসল, আর পুরো টাকা কেন্দ্রে ফেরত এসেছে। নগদে দেওয়া টাকা সেই "
            "কেন্দ্রেই হাতে দেওয়া হয়।"
        ),
    ),
    "refunded-part": (
        (
            "This receipt is real, and a part of the payment was refunded to the "
            "centre. What was paid in cash is handed out there."
        ),
        (
            "রসিদটি আসল, আর কিছু টাকা কেন্দ্রে ফেরত এসেছে। নগদে দেওয়া টাকা সেই "
            "কেন্দ্রেই হাতে দেওয়া হয়।"
        ),
    ),
    "compare": (
        (
            "Compare what stands here with the paper. If anything differs, the paper "
            "has been changed."
        ),
        ("এখানে যা লেখা আছে তা কাগজের সঙ্গে মিলিয়ে দেখুন। কিছু না মিললে কাগজটি বদলানো হয়েছে।"),
    ),
    "none": (
        (
            "There is no receipt with this number and this code. Compare both with the "
            "paper, and try again. If they are right, the paper is not a receipt."
        ),
        (
            "এই নম্বর ও এই কোডের কোনো রসিদ নেই। দুটিই কাগজের সঙ্গে মিলিয়ে আবার "
            "চেষ্টা করুন। ঠিক থাকলে কাগজটি রসিদ নয়।"
        ),
    ),
    "limited": (
        (
            "Too much was checked from here. Try again in a minute. This says nothing "
            "about the receipt or the complaint."
        ),
        (
            "এখান থেকে অনেকবার যাচাই করা হয়েছে। এক মিনিট পরে আবার চেষ্টা করুন। "
            "এতে রসিদটি বা অভিযোগটি সম্পর্কে কিছু বলা হয়নি।"
        ),
    ),
    "unavailable": (
        (
            "It cannot be checked just now. Try again later. This says nothing about "
            "the receipt."
        ),
        "এখন যাচাই করা যাচ্ছে না। পরে আবার চেষ্টা করুন। এতে রসিদটি সম্পর্কে কিছু বলা হয়নি।",
    ),
    "no_totals": (
        "The totals cannot be read just now. Try again later.",
        "মোট হিসাব এখন পড়া যাচ্ছে না। পরে আবার চেষ্টা করুন।",
    ),
    "missing": ("There is no such page.", "এমন কোনো পাতা নেই।"),
    "amount": ("Amount", "টাকার অঙ্ক"),
    "date": ("Date", "তারিখ"),
    "department": ("Department", "বিভাগ"),
    "back": ("Refund", "ফেরত"),
    "wholly": ("All of it was refunded.", "সব টাকা ফেরত এসেছে।"),
    "in_part": ("A part of it was refunded.", "কিছু টাকা ফেরত এসেছে।"),
    "kept": ("Nothing was refunded.", "কোনো টাকা ফেরত আসেনি।"),
    "of_refund": (
        "This is the receipt of a refund.",
        "এটি ফেরতের রসিদ।",
    ),
    # A complaint.
    "complaint_title": ("How does my complaint stand?", "আমার অভিযোগের কী হল?"),
    "complaint_intro": (
        (
            "Type the complaint's number and the code on the receipt of the payment "
            "that you complained about."
        ),
        "অভিযোগের নম্বর লিখুন, আর যে প্রদান নিয়ে অভিযোগ, তার রসিদে লেখা কোডটি লিখুন।",
    ),
    "complaint_number": ("Complaint's number", "অভিযোগের নম্বর"),
    "complaint_number_hint": (
        "As the counter gave it, for example C00000042KQX",
        "কাউন্টার যেমন দিয়েছে, যেমন C00000042KQX",
    ),
    "complaint_code": ("Code on the receipt", "রসিদের কোড"),
    "complaint_open": (
        "The complaint is open: the department has not answered yet.",
        "অভিযোগটি খোলা আছে: বিভাগ এখনও উত্তর দেয়নি।",
    ),
    "complaint_answered": (
        "The complaint is answered. Ask for the answer at the counter.",
        "অভিযোগের উত্তর এসেছে। উত্তরটি কাউন্টারে জেনে নিন।",
    ),
    "complaint_overdue": (
        "The answer is overdue: the department has not answered in its time.",
        "উত্তরের সময় পেরিয়ে গেছে: বিভাগ সময়ের মধ্যে উত্তর দেয়নি।",
    ),
    "complaint_none": (
        (
            "There is no complaint with this number and this code. Compare both with "
            "what you were given, and try again."
        ),
        (
            "এই নম্বর ও এই কোডের কোনো অভিযোগ নেই। আপনাকে যা দেওয়া হয়েছে তার সঙ্গে "
            "দুটিই মিলিয়ে আবার চেষ্টা করুন।"
        ),
    ),
    "complaint_unavailable": (
        (
            "It cannot be checked just now. Try again later. This says nothing about "
            "the complaint."
        ),
        "এখন যাচাই করা যাচ্ছে না। পরে আবার চেষ্টা করুন। এতে অভিযোগটি সম্পর্কে কিছু বলা হয়নি।",
    ),
    "complaint_raised": ("Raised on", "অভিযোগ জানানোর তারিখ"),
    "complaint_due": ("Answer due by", "উত্তর দেওয়ার শেষ তারিখ"),
    "complaint_answer": ("Answered on", "উত্তরের তারিখ"),
    "complaint_where": (
        "The counter at which it was raised has all that was said.",
        "যে কাউন্টারে অভিযোগ জানানো হয়েছিল, সেখানে সব কথা জানা যাবে।",
    ),
    "complaint_privacy": (
        (
            "No name, no amount and no word of a complaint is shown here, and nothing "
            "is kept of who asks."
        ),
        ("এখানে কারও নাম, টাকার অঙ্ক বা অভিযোগের কথা দেখানো হয় না, এবং কে জানতে চাইলেন তা রাখা হয় না।"),
    ),
    # Whether an auditor's people make people of the treasury.
    "recovery_title": ("Who decides for the treasury?", "কোষাগারের হয়ে কে সিদ্ধান্ত নেন?"),
    "recovery_notice": (
        "The auditor is about to name new people for the treasury. Read more.",
        "নিরীক্ষক কোষাগারের জন্য নতুন ব্যক্তি নিযুক্ত করতে চলেছেন। আরও পড়ুন।",
    ),
    "recovery_quiet": (
        "Nobody is about to name new people for the treasury.",
        "কোষাগারের জন্য নতুন ব্যক্তি নিযুক্ত করার কোনো প্রস্তাব এখন নেই।",
    ),
    "recovery_waits": (
        (
            "The auditor's people want to name new people for the treasury. Proposals "
            "that wait: {count}."
        ),
        (
            "নিরীক্ষকের লোকেরা কোষাগারের জন্য নতুন ব্যক্তি নিযুক্ত করতে চান। অপেক্ষায় থাকা "
            "প্রস্তাব: {count}টি।"
        ),
    ),
    "recovery_unavailable": (
        "It cannot be read just now. Try again later. This says nothing about it.",
        "এখন পড়া যাচ্ছে না। পরে আবার চেষ্টা করুন। এতে এ বিষয়ে কিছু বলা হয়নি।",
    ),
    "recovery_proposed": ("Proposed on", "প্রস্তাবের তারিখ"),
    "recovery_approved": ("Approved on", "অনুমোদনের তারিখ"),
    "recovery_not_yet": ("not yet", "এখনও হয়নি"),
    "recovery_from": ("Not done before", "এর আগে করা হবে না"),
    "recovery_until": ("Not done from", "এই তারিখ থেকে আর করা যাবে না"),
    "recovery_what": (
        (
            "If all who approve for the treasury are lost, two people of the auditor "
            "may name others. They wait for thirty days, so that all can see it here."
        ),
        (
            "কোষাগারের হয়ে যাঁরা অনুমোদন করেন তাঁদের কেউই না থাকলে নিরীক্ষকের দুজন অন্য "
            "ব্যক্তি নিযুক্ত করতে পারেন। সবাই যাতে এখানে দেখতে পান, তাই তাঁরা ত্রিশ দিন "
            "অপেক্ষা করেন।"
        ),
    ),
    "recovery_do": (
        (
            "It ends as soon as two people of the treasury decide anything. If the "
            "treasury works, tell it what you see here."
        ),
        (
            "কোষাগারের দুজন কোনো সিদ্ধান্ত নিলেই এটি শেষ হয়ে যায়। কোষাগার সচল থাকলে এখানে "
            "যা দেখছেন তা কোষাগারকে জানান।"
        ),
    ),
    "not_stated": ("not stated", "উল্লেখ নেই"),
    "privacy": (
        "No name and no reference is shown here, and nothing is kept of who asks.",
        "এখানে কারও নাম বা রেফারেন্স দেখানো হয় না, এবং কে জানতে চাইলেন তা রাখা হয় না।",
    ),
    "other_language": ("বাংলা", "English"),
    "skip": ("To the content", "মূল অংশে যান"),
    # Totals.
    "totals": ("What the centres have taken", "কেন্দ্রগুলিতে মোট প্রদান"),
    "overview": ("Overview", "সারসংক্ষেপ"),
    "years": ("Financial years", "অর্থবর্ষ"),
    "year": ("Financial year", "অর্থবর্ষ"),
    "months": ("Months", "মাস"),
    "month": ("Month", "মাস"),
    "days": ("Days", "দিন"),
    "day": ("Day", "দিন"),
    "departments": ("Departments", "বিভাগ"),
    "districts": ("Districts", "জেলা"),
    "district": ("District", "জেলা"),
    "payments": ("Payments", "প্রদান"),
    "refunds": ("Refunds", "ফেরত"),
    "count": ("How many", "সংখ্যা"),
    "rupees": ("Rupees", "টাকা"),
    "others": ("all others", "অন্যান্য সব"),
    "to": ("{first} to {last}", "{first} থেকে {last}"),
    "in_some": ("told in {told} of {spans}", "{spans}-এর মধ্যে {told}-এ উল্লিখিত"),
    "all_time": ("From the beginning", "শুরু থেকে"),
    "as_of": (
        "Payments up to entry {sequence} of the ledger, {time}.",
        "খতিয়ানের {sequence} নম্বর ভুক্তি পর্যন্ত প্রদান, {time}।",
    ),
    "as_of_refunds": (
        "Refunds up to entry {sequence} of the ledger, {time}.",
        "খতিয়ানের {sequence} নম্বর ভুক্তি পর্যন্ত ফেরত, {time}।",
    ),
    "nothing": (
        (
            "There is nothing to tell yet: a day is told after it and the next one "
            "have ended, and never fewer than {least}."
        ),
        (
            "এখনও বলার মতো কিছু নেই: কোনো দিন ও তার পরের দিন শেষ হলে তবেই সেই দিনের হিসাব "
            "বলা হয়, এবং কখনও {least}-এর কম নয়।"
        ),
    ),
    "rules": (
        (
            "Nothing of fewer than {least} is told: quiet days stand together with "
            "later ones, and small departments and districts among all others of "
            "their month. Departments and districts are told once their month has "
            "ended."
        ),
        (
            "{least}-এর কম কিছুই বলা হয় না: কম লেনদেনের দিন পরের দিনের সঙ্গে, এবং ছোট "
            "বিভাগ ও জেলা সেই মাসের অন্যান্যের মধ্যে দেখানো হয়। বিভাগ ও জেলার হিসাব "
            "মাস শেষে বলা হয়।"
        ),
    ),
    "chart": ("Payments of each month", "প্রতি মাসের প্রদান"),
    "chart_text": (
        "Payments of each month, {first} to {last}; the most were {most}.",
        "প্রতি মাসের প্রদান, {first} থেকে {last}; সবচেয়ে বেশি {most}।",
    ),
    "counted": (
        (
            "Payments are completed ones, on the day (IST) on which they were paid, "
            "confirmed or made after all. What was given back before that is none."
        ),
        (
            "প্রদান মানে যা সম্পন্ন, যেদিন (ভারতীয় সময়) তা দেওয়া, নিশ্চিত বা পরে সম্পন্ন "
            "হয়েছে। তার আগে যা ফেরত গেছে তা ধরা হয় না।"
        ),
    ),
    "data": ("As data", "তথ্য হিসেবে"),
    "pages": ("Pages", "পাতা"),
}


class Words:
    """The words in one language."""

    def __init__(self, language: str) -> None:
        """`language` is one of LANGUAGES."""
        self.language = language
        self.is_bengali = language == "bn"
        self.other = "en" if self.is_bengali else "bn"

    def __call__(self, key: str, **values: str) -> str:
        """A sentence; a key that is none is a mistake of ours."""
        return WORDS[key][self.is_bengali].format(**values)

    def amount(self, paise: int) -> str:
        """Paise as rupees."""
        return format_amount(paise, bengali=self.is_bengali)

    def count(self, number: int) -> str:
        """A number, in groups."""
        return self.digits(group_digits(number))

    def digits(self, text: str) -> str:
        """A text with the digits of the language."""
        return bengali_digits(text) if self.is_bengali else text

    def time(self, time_ns: int) -> str:
        """A time, to the second."""
        return self.digits(format_ist(time_ns))


SPOKEN: Final = {language: Words(language) for language in LANGUAGES}


def language_of(asked: str, accepted: str) -> str:
    """The language of a page: what its address asks for, else what its browser takes.

    Of the browser's list the first that there is, whatever weights it gives.
    """
    if asked in LANGUAGES:
        return asked
    for one in accepted[:200].split(","):
        code = one.partition(";")[0].strip()[:2].lower()
        if code in LANGUAGES:
            return code
    return LANGUAGES[0]
