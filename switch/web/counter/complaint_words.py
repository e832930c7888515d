"""What the counter's page says of complaints, in English and Bengali."""

COMPLAINT_TEXTS: dict[str, tuple[str, str]] = {
    "move complaint": ("A complaint", "একটি অভিযোগ"),
    "complaint": ("Raise a complaint", "অভিযোগ জানান"),
    "complaint number": ("The complaint's number", "অভিযোগের নম্বর"),
    "complaint text": (
        (
            "Give the citizen this number. An answer is due by {date}. With this "
            "number and the code on the receipt anybody sees on the public page how "
            "it stands."
        ),
        (
            "নাগরিককে এই নম্বর দিন। {date}-এর মধ্যে উত্তর আসার কথা। এই নম্বর ও রসিদের "
            "কোড দিয়ে সবার জন্য খোলা পাতায় এর অবস্থা দেখা যায়।"
        ),
    ),
    "complaint reason": ("What the citizen says", "নাগরিকের কথা"),
    "complaint note": (
        "Note in English letters, without names or numbers of people",
        "মন্তব্য ইংরেজি হরফে, কারও নাম বা নম্বর ছাড়া",
    ),
    "complaint NOT_CREDITED": (
        "The department says it is not paid",
        "বিভাগ বলছে জমা হয়নি",
    ),
    "complaint PAID_TWICE": ("Paid twice", "দু’বার দেওয়া হয়েছে"),
    "complaint WRONG_AMOUNT": ("Wrong amount", "অঙ্ক ভুল"),
    "complaint WRONG_BILL": ("Wrong bill", "ভুল বিল"),
    "complaint NO_RECEIPT": ("No receipt", "রসিদ পাওয়া যায়নি"),
    "complaint OTHER": ("Something else", "অন্য কিছু"),
    "complaints": ("Complaints", "অভিযোগ"),
    "complaints text": (
        "Those that are open, and answers that nobody here has looked at yet.",
        "যেগুলি খোলা আছে, আর যে উত্তর এখানে এখনও কেউ দেখেননি।",
    ),
    "complaints answered": (
        "Complaints with an answer that nobody here has looked at: {count}.",
        "উত্তর এসেছে, এখানে এখনও কেউ দেখেননি, এমন অভিযোগ: {count}।",
    ),
    "complaints open": (
        "Complaints that wait for an answer: {count}.",
        "উত্তরের অপেক্ষায় থাকা অভিযোগ: {count}।",
    ),
    "complaints overdue": (
        "Of these overdue: {count}.",
        "তার মধ্যে সময় পেরিয়েছে: {count}।",
    ),
    "complaints none": ("No complaint is open.", "কোনও অভিযোগ খোলা নেই।"),
    "complaints unknown": (
        "How the centre's complaints stand is not known now.",
        "কেন্দ্রের অভিযোগগুলির অবস্থা এখন জানা নেই।",
    ),
    "complaints cut": (
        "There are more: the newest are shown.",
        "আরও আছে: সবচেয়ে নতুনগুলি দেখানো হল।",
    ),
    "complaint code": ("Code of the receipt", "রসিদের কোড"),
    "complaint new": ("not looked at", "দেখা হয়নি"),
    "complaint is open": ("waits for an answer", "উত্তরের অপেক্ষায়"),
    "complaint is overdue": ("the answer is overdue", "উত্তরের সময় পেরিয়ে গেছে"),
    "complaint is answered": ("answered", "উত্তর এসেছে"),
    "complaint is closed": ("closed", "বন্ধ"),
    "complaint raised": ("Raised", "জানানো হয়েছে"),
    "complaint due": ("Answer due by", "উত্তর দেওয়ার শেষ সময়"),
    "complaint step 1": ("The treasury has asked", "কোষাগার জিজ্ঞাসা করেছে"),
    "complaint step 2": ("The department answers", "বিভাগের উত্তর"),
    "complaint step 3": ("The treasury has closed it", "কোষাগার বন্ধ করেছে"),
    "complaint refund": (
        "Money of this payment was refunded since.",
        "এই লেনদেনের টাকা পরে ফেরত এসেছে।",
    ),
    "complaint payment": ("To the payment", "লেনদেনটি দেখুন"),
    "complaint unknown": (
        "This centre has no complaint with that number.",
        "এই নম্বরের কোনও অভিযোগ এই কেন্দ্রের নেই।",
    ),
    "complaint offline": (
        "No line: whether there is a complaint about it is not known now.",
        "যোগাযোগ নেই: এটি নিয়ে কোনও অভিযোগ আছে কি না এখন জানা নেই।",
    ),
}
"""Key → English, Bengali."""
