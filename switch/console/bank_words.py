"""Words for money in, in English and Bengali; a part of `words`."""

BANK_WORDS: dict[str, tuple[str, str]] = {
    "request number": ("Number", "নম্বর"),
    "open until": ("Open until", "যতদিন খোলা"),
    "write the number": (
        "Write this number on the transfer: by it the wallet is credited.",
        "ব্যাঙ্কে পাঠানোর সময় এই নম্বরটি লিখুন: এতেই ওয়ালেটে টাকা জমা হবে।",
    ),
    "no requests": ("There are none.", "কোনোটি নেই।"),
    "request unspecified": ("damaged", "তথ্য নষ্ট"),
    "request open": ("has not come", "এখনও আসেনি"),
    "request paid": ("credited", "জমা হয়েছে"),
    "request expired": ("too old", "মেয়াদ শেষ"),
    "no bank accounts": (
        "No bank account is registered. This proposes one:",
        "কোনো ব্যাঙ্ক হিসাব নথিভুক্ত নেই। এভাবে প্রস্তাব করুন:",
    ),
    "bank account": ("Bank account", "ব্যাঙ্ক হিসাব"),
    "booked": ("Booked", "ব্যাঙ্কে আছে"),
    "last statement": ("Last statement", "শেষ বিবরণী"),
    "unlisted": ("Not in it yet", "তাতে এখনও নেই"),
    "bank suspense": ("Unexplained", "ব্যাখ্যা নেই"),
    "bank transit": ("On its way", "পথে আছে"),
    "less than listed": (
        "less than its statements list: ask the bank which lines share a reference",
        "বিবরণীর চেয়ে কম: কোন লাইনের রেফারেন্স এক, ব্যাঙ্কে জিজ্ঞাসা করুন",
    ),
    "statement": ("Statement", "বিবরণী"),
    "contradictions": (
        "lines that the bank gave twice, with two amounts",
        "যে লাইন ব্যাঙ্ক দুবার, দুই অঙ্কে জানিয়েছে",
    ),
    "nothing unexplained": (
        "Nothing waits to be explained.",
        "ব্যাখ্যার অপেক্ষায় কিছু নেই।",
    ),
    "item credit": ("came in", "এসেছে"),
    "item debit": ("went out", "গেছে"),
    "item release": ("released, not booked", "ছাড়া হয়েছে, ব্যাঙ্কে ওঠেনি"),
    "item contradiction": ("contradicts", "পরস্পরবিরোধী"),
    "reversal": ("taken back", "ফেরত"),
    "names entry": ("names entry", "উল্লেখিত ভুক্তি"),
    "booked day": ("Bank's day", "ব্যাঙ্কের দিন"),
    "days": ("Days", "দিন"),
    "there is more": (
        "there is more; --limit 0 shows it all",
        "আরও আছে; --limit 0 দিলে সব দেখাবে",
    ),
    "advice": ("advice", "আগাম বার্তা"),
    "naming": ("Name a request", "নম্বর আছে"),
    "statements already": (
        "Statements that the ledger has already",
        "যে বিবরণী খাতায় আগেই আছে",
    ),
    "older statement": (
        "older than the last one in the ledger, and leads nowhere; ask the bank",
        "খাতার শেষ বিবরণীর আগের, কিন্তু তাতে মেলে না; ব্যাঙ্কে জিজ্ঞাসা করুন",
    ),
    "same reference": ("SAME REFERENCE AS", "একই রেফারেন্স"),
    "not in its texts": ("not in its texts", "তার লেখায় নেই"),
    "lines not in texts": (
        "Lines that name an entry whose number their texts do not have; ask why",
        "যে সারি এমন ভুক্তির নাম করে যার নম্বর তার লেখায় নেই; কারণ জিজ্ঞাসা করুন",
    ),
    "late advice": (
        "an advice with a line that no statement of its day lists; ask the bank",
        "এই আগাম বার্তার একটি লাইন কোনো বিবরণীতে নেই; ব্যাঙ্কে জিজ্ঞাসা করুন",
    ),
    "nothing proposed": ("nothing was proposed", "কিছুই প্রস্তাব করা হয়নি"),
    "booked now": ("Booked now", "এখন তোলা হলো"),
    "booked before": ("Booked before", "আগেই তোলা"),
    "by channel": ("signed by a bank's channel", "ব্যাঙ্কের চ্যানেল স্বাক্ষর করেছে"),
}
