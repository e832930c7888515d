"""The words of complaints, in English and Bengali."""

COMPLAINT_WORDS: dict[str, tuple[str, str]] = {
    "no complaints": ("There is no such complaint.", "এমন কোনও অভিযোগ নেই।"),
    "answer due": ("To be answered by", "যার মধ্যে উত্তর দিতে হবে"),
    "complaint": ("Complaint", "অভিযোগ"),
    "complaint raised": ("raised", "জানানো হয়েছে"),
    "complaint asked": ("asked", "জিজ্ঞাসা করা হয়েছে"),
    "complaint answered": ("answered", "উত্তর এসেছে"),
    "complaint closed": ("closed", "বন্ধ"),
    "note": ("Note", "মন্তব্য"),
    "reason not credited": ("not credited", "জমা হয়নি"),
    "reason wrong bill": ("wrong bill", "ভুল বিল"),
    "reason wrong amount": ("wrong amount", "ভুল অঙ্ক"),
    "reason paid twice": ("paid twice", "দুবার দেওয়া হয়েছে"),
    "reason no receipt": ("no receipt", "রসিদ নেই"),
    "reason other": ("other", "অন্য"),
}
