"""Words for the close of a day, in English and Bengali; a part of `words`."""

CLOSING_WORDS: dict[str, tuple[str, str]] = {
    "closed day": ("Day", "দিন"),
    "closed windows": ("Windows", "জানালা"),
    "scrolls": ("Scrolls", "স্ক্রল"),
    "nil scrolls": ("Nil", "শূন্য"),
    "to the bank": ("To the bank", "ব্যাঙ্কে"),
    "check": ("Check", "যাচাই"),
    "check books": ("debits are credits", "ডেবিট ও ক্রেডিট সমান"),
    "check banks": ("banks do not contradict", "ব্যাঙ্কের কথায় বিরোধ নেই"),
    "check open": ("what waits", "যা অপেক্ষায়"),
    "check audit": ("the auditor finds nothing", "নিরীক্ষকের আপত্তি নেই"),
    "day closed": ("The day is closed.", "দিন বন্ধ হয়েছে।"),
    "in the way": ("It stands in the way", "বাধা"),
    "still to come": ("Still to come", "এখনও বাকি"),
}
