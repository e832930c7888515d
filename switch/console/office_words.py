"""The words of what an office looks at: the health of billers, where the ledger stands,
and tables that a screen is too narrow for.

They are a part of those in `words`.
"""

OFFICE_WORDS: dict[str, tuple[str, str]] = {
    # How a biller does. The wire has a circuit breaker's words: its `closed` is well.
    "health closed": ("up", "চালু"),
    "health open": ("down", "বন্ধ"),
    "health half_open": ("probing", "পরখ চলছে"),
    # Where the ledger stands.
    "last entry": ("Last entry", "শেষ ভুক্তি"),
    "indexed": ("In the index, up to entry", "সূচিতে আছে, যে ভুক্তি পর্যন্ত"),
    "not indexed": ("Newer entries, in memory", "তার পরের ভুক্তি, মেমরিতে"),
    "index goes on": ("The index goes on at entry", "সূচি এগোবে যে ভুক্তিতে"),
    "index is behind": (
        "The index is behind. Commits wait for it when it lacks so many entries:",
        "সূচি পিছিয়ে আছে। এত ভুক্তি বাকি থাকলে নতুন ভুক্তি অপেক্ষা করে:",
    ),
    "quotation key": ("Key of quotations (number)", "কোটেশনের চাবি (নম্বর)"),
    "accounts": ("Accounts", "হিসাবের সংখ্যা"),
    "last window": ("Window closed last (entry)", "শেষ বন্ধ উইন্ডো (ভুক্তি)"),
    "damaged requests": (
        "Answered as damaged, since the start",
        "নষ্ট বলে উত্তর, শুরু থেকে",
    ),
    "holds turned away": (
        "Turned away for what wallets held",
        "আটকের কারণে ফেরানো লেনদেন",
    ),
    "prices of": ("Prices of the day", "যে দিনের দাম"),
    # Who may call what.
    "method": ("Call", "কল"),
    "roles": ("Who may call it", "কে করতে পারে"),
    # Of a table that is wider than the screen.
    "left out": ("Left out, for want of room", "জায়গার অভাবে বাদ"),
    "all with wide": ("--wide shows every column", "--wide দিলে সব কলাম দেখায়"),
    "no handouts": ("No refund waits here.", "এখানে কোনও ফেরত বাকি নেই।"),
    "tender": ("Paid by", "মাধ্যম"),
    "tender cash": ("cash", "নগদ"),
    "tender upi": ("UPI", "ইউপিআই"),
    "tender card": ("card", "কার্ড"),
}
"""Key → English, Bengali."""
