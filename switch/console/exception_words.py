"""The words of the list of exceptions, in English and Bengali.

They are a part of those in `words`.
"""

EXCEPTION_WORDS: dict[str, tuple[str, str]] = {
    # Kinds, as the wire names them.
    "kind late_confirmation": ("confirmed late", "দেরিতে নিশ্চিত"),
    "kind late_rejection": ("rejected late", "দেরিতে অগ্রাহ্য"),
    "kind kept": ("kept", "আটকে রাখা"),
    "kind unverified": ("unverified", "যাচাই হয়নি"),
    "kind amount_differs": ("amount differs", "অঙ্ক মেলে না"),
    "kind overdue": ("overdue", "সময় পেরিয়েছে"),
    "kind damaged": ("damaged", "তথ্য নষ্ট"),
    "kind owed": ("approved, not done", "অনুমোদিত, করা হয়নি"),
    "kind advance": ("advance", "অগ্রিম"),
    "kind proposal": ("proposal", "প্রস্তাব"),
    # What is proposed.
    "propose advance": ("advance", "অগ্রিম"),
    "propose lines": ("lines of the treasury", "ট্রেজারির সারি"),
    "propose post": ("complete", "সম্পূর্ণ করা"),
    "propose void": ("give back", "ফিরিয়ে দেওয়া"),
    "propose refund": ("refund", "ফেরত"),
    "propose correction": ("correction", "সংশোধন"),
    "propose close_case": ("close the case", "কেস বন্ধ করা"),
    "propose verify": ("not credited", "জমা হয়নি"),
    # Where a proposal stands.
    "proposal open": ("waits", "অপেক্ষায়"),
    "proposal expired": ("too old", "মেয়াদ শেষ"),
    "proposal withdrawn": ("withdrawn", "প্রত্যাহৃত"),
    "proposal approved": ("approved, not done", "অনুমোদিত, করা হয়নি"),
    "proposal ended": ("ended: the treasury acts", "শেষ: কোষাগার সক্রিয়"),
    "proposal done": ("done", "করা হয়েছে"),
    # Whose turn it is.
    "turn biller": ("biller", "বিলার"),
    "turn treasury": ("treasury", "ট্রেজারি"),
    "turn operations": ("operations", "সুইচ পরিচালনা"),
    # What a proposal is about.
    "case late_confirmation": ("confirmed late", "দেরিতে নিশ্চিত"),
    "case late_rejection": ("rejected late", "দেরিতে অগ্রাহ্য"),
    "case deadline_passed": ("kept", "আটকে রাখা"),
    "case unverified": ("unverified", "যাচাই হয়নি"),
    "case amount_differs": ("amount differs", "অঙ্ক মেলে না"),
    "paid": ("Paid", "দেওয়া টাকা"),
    "given back so far": ("Given back so far", "এ পর্যন্ত ফেরত"),
    "left of payment": ("Left of the payment", "লেনদেনের বাকি"),
    "warning": ("Warning", "সতর্কতা"),
    "more than is left": (
        "This is more than is left: it cannot be done.",
        "এটি বাকির চেয়ে বেশি: এটি করা যাবে না।",
    ),
    "nothing moves": ("nothing moves", "কিছুই সরে না"),
    # Columns.
    "age": ("Days", "দিন"),
    "count": ("Count", "সংখ্যা"),
    "decide by": ("Decide by", "সিদ্ধান্তের শেষ দিন"),
    "see entry": ("See entry", "যে ভুক্তি দেখবেন"),
    "oldest": ("Oldest since", "সবচেয়ে পুরনো"),
    "payment": ("Payment", "লেনদেন"),
    # What an entry is: a transfer that takes a correction back.
    "entry undoing": ("undoing", "সংশোধন প্রত্যাহার"),
    "of payment": ("of payment", "যে লেনদেনের"),
    "confirmed by entry": ("confirmed by entry", "যে ভুক্তিতে নিশ্চিত"),
    "proposed": ("Proposed", "প্রস্তাবের সময়"),
    "proposed by": ("Proposed by", "প্রস্তাবক"),
    "answered": ("Answered", "উত্তরের সময়"),
    "answered by": ("Answered by", "উত্তরদাতা"),
    "done as": ("Done as entry", "যে ভুক্তিতে করা"),
    "who": ("Who", "কে"),
    "says": ("Biller says", "বিলার বলছে"),
    "turn": ("Whose turn", "কার পালা"),
    "unverified": ("Unverified", "যাচাই হয়নি"),
    # What is said.
    "nothing open": ("Nothing is open.", "কিছু বাকি নেই।"),
}
"""Key → English, Bengali."""
