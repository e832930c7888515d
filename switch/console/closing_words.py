"""Words for the close of a day, in English and Bengali; a part of `words`."""

CLOSING_WORDS: dict[str, tuple[str, str]] = {
    "see breaks": (
        "What is open, and whose turn it is:",
        "যা খোলা আছে, আর কার পালা:",
    ),
    "gross ever": ("Gross of all days so far", "আজ পর্যন্ত সব দিনের মোট"),
    "payments ever": (
        "Completed payments of all days so far",
        "আজ পর্যন্ত সব দিনের সম্পন্ন লেনদেন",
    ),
    "day sent": (
        "Payments sent, with those that must be refused",
        "পাঠানো লেনদেন, যা অগ্রাহ্য হওয়ার কথা তা সহ",
    ),
    "day begun": (
        "Payments begun: accepted, paid at once or held",
        "শুরু হওয়া লেনদেন: গৃহীত, সঙ্গে সঙ্গে দেওয়া বা আটক",
    ),
    "day completed": (
        "Payments completed, with those made after all",
        "সম্পন্ন লেনদেন, পরে সম্পন্ন সহ",
    ),
    "planned day": ("Planned as", "যে দিনের ছকে"),
    "booked days": (
        "Booked on (the day of all files and commands)",
        "যে দিনে লেখা (সব ফাইল ও নির্দেশের দিন)",
    ),
    "closed day": ("Day", "দিন"),
    "closes the window behind": (
        "Closes the window behind",
        "যে জানালার পরেরটি বন্ধ হবে",
    ),
    "closed windows": ("Windows", "জানালা"),
    "scrolls": ("Scrolls", "স্ক্রল"),
    "nil scrolls": ("Nil", "শূন্য"),
    "to the bank": ("To the bank", "ব্যাঙ্কে"),
    "check": ("Check", "যাচাই"),
    "check books": ("debits are credits", "ডেবিট ও ক্রেডিট সমান"),
    "check banks": ("banks do not contradict", "ব্যাঙ্কের কথায় বিরোধ নেই"),
    "check open": ("what waits", "যা অপেক্ষায়"),
    "check audit": ("the auditor finds nothing", "নিরীক্ষকের আপত্তি নেই"),
    "amount counts": (
        "Amount: credits less debits of the day's scrolls, of all heads of account.",
        "টাকার অঙ্ক: দিনের সব স্ক্রলের জমা, খরচ বাদে, সব খাত মিলিয়ে।",
    ),
    "to the bank counts": (
        (
            "To the bank: payouts in the day's instructions; they may settle earlier "
            "days. What was recalled is not in it."
        ),
        (
            "ব্যাঙ্কে: দিনের পেমেন্ট নির্দেশে যত টাকা দেওয়া হবে; তা আগের দিনেরও হতে "
            "পারে। যা ফিরিয়ে নেওয়া হয়েছে তা এতে নেই।"
        ),
    ),
    "day goes on": (
        "The day is not over, its files have its windows so far. Run this again after",
        "দিন এখনও শেষ হয়নি: ফাইলে এ পর্যন্ত বন্ধ জানালার হিসাব আছে। আবার চালান এর পরে:",
    ),
    "day closed": ("The day is closed.", "দিন বন্ধ হয়েছে।"),
    "paid since": (
        "What is paid behind its last window is in the next one's files; its last is",
        "দিনের শেষ জানালার পরে যা দেওয়া হয়, তা পরের জানালার ফাইলে থাকে; শেষ জানালা",
    ),
    "in the way": ("It stands in the way", "বাধা"),
    "still to come": ("Still to come", "এখনও বাকি"),
}
