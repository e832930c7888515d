"""The words of the list of exceptions, in English and Bengali.

May use `codes`. They are a part of those in `words`.
"""

from switch.codes import Result

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
    "propose post": ("complete", "সম্পূর্ণ করা"),
    "propose void": ("give back", "ফিরিয়ে দেওয়া"),
    "propose refund": ("refund", "ফেরত"),
    "propose correction": ("correction", "সংশোধন"),
    "propose close_case": ("close the case", "কেস বন্ধ করা"),
    "propose verify": ("not credited", "জমা হয়নি"),
    # Whose turn it is.
    "turn biller": ("biller", "বিলার"),
    "turn treasury": ("treasury", "ট্রেজারি"),
    "turn operations": ("operations", "সুইচ পরিচালনা"),
    # Columns.
    "age": ("Days", "দিন"),
    "count": ("Count", "সংখ্যা"),
    "decide by": ("Decide by", "সিদ্ধান্তের শেষ দিন"),
    "in the way": ("See entry", "যে ভুক্তি দেখবেন"),
    "oldest": ("Oldest since", "সবচেয়ে পুরনো"),
    "payment": ("Payment", "লেনদেন"),
    "person": ("Person", "ব্যক্তি"),
    "says": ("Biller says", "বিলার বলছে"),
    "turn": ("Whose turn", "কার পালা"),
    "unverified": ("Unverified", "যাচাই হয়নি"),
    # What is said.
    "nothing open": ("Nothing is open.", "কিছু বাকি নেই।"),
}
"""Key → English, Bengali."""

EXCEPTION_RESULTS: dict[Result, tuple[str, str]] = {
    Result.NOT_APPROVED: (
        "this is not approved; propose it, and have another person approve it",
        "এটি অনুমোদিত নয়; প্রস্তাব দিন, অন্য কেউ অনুমোদন করবেন",
    ),
    Result.HOLD_NOT_FOUND: (
        "no payment is held there any more",
        "সেখানে কোনো টাকা আর আটক নেই",
    ),
    Result.EXCEEDS_HOLD: (
        "more than the payment holds",
        "লেনদেনে যত আটক আছে তার চেয়ে বেশি",
    ),
    Result.PAYMENT_NOT_FOUND: (
        "this entry is no completed payment",
        "এই ভুক্তি কোনো সম্পূর্ণ লেনদেন নয়",
    ),
    Result.EXCEEDS_PAYMENT: (
        "more than is left of the payment",
        "লেনদেনের যা বাকি আছে তার চেয়ে বেশি",
    ),
    Result.CASE_NOT_FOUND: (
        "nothing is in question there that this would put right",
        "সেখানে এমন কিছু নেই যা এতে ঠিক হবে",
    ),
    Result.CASE_CLOSED: (
        "this was put right before",
        "এটি আগেই ঠিক করা হয়েছে",
    ),
    Result.PROPOSAL_NOT_FOUND: (
        "this entry is no proposal",
        "এই ভুক্তি কোনো প্রস্তাব নয়",
    ),
    Result.PROPOSAL_WITHDRAWN: (
        "this proposal was withdrawn",
        "এই প্রস্তাব ফিরিয়ে নেওয়া হয়েছে",
    ),
    Result.PROPOSAL_EXPIRED: (
        "this proposal is older than 30 days; propose it again",
        "এই প্রস্তাব ৩০ দিনের বেশি পুরনো; আবার প্রস্তাব দিন",
    ),
}
"""Result → English, Bengali."""
