"""The words of totals, in English and Bengali; a part of `words`."""

TOTALS_WORDS: dict[str, tuple[str, str]] = {
    # What is told.
    "corrections": ("Made after all", "পরে সম্পন্ন"),
    "gross": ("Gross", "মোট"),
    "refunds": ("Refunds", "ফেরত"),
    "net": ("Net", "নিট"),
    "totals payments": ("Paid or confirmed", "দেওয়া বা নিশ্চিত"),
    "totals held": (
        "Begun: held until it is confirmed",
        "শুরু: নিশ্চিত না হওয়া পর্যন্ত আটক",
    ),
    "totals given back": ("Given back unpaid", "না দিয়ে ফেরত"),
    "totals cases": ("Cases raised", "ওঠা কেস"),
    "totals open": ("Still open", "এখনও খোলা"),
    "in question": ("In question", "প্রশ্নের মুখে"),
    "crore": ("crore", "কোটি"),
    "from the beginning": ("from the beginning", "শুরু থেকে"),
    "to now": ("to now", "এখন পর্যন্ত"),
    "totals counts": (
        (
            "Each figure counts on the day (IST) on which it was booked: what began on "
            "one day and was confirmed on the next stands under both. Completed "
            "payments are those paid or confirmed, and those made after all."
        ),
        (
            "প্রতিটি সংখ্যা সেই দিনের (ভারতীয় সময়), যেদিন তা লেখা হয়েছে: একদিন শুরু হয়ে পরদিন "
            "নিশ্চিত হলে দুই দিনেই থাকে। সম্পন্ন লেনদেন মানে যা দেওয়া বা নিশ্চিত, আর যা পরে "
            "সম্পন্ন।"
        ),
    ),
    # What a line is of.
    "totals day": ("Day", "দিন"),
    "month": ("Month", "মাস"),
    "year": ("Financial year", "আর্থিক বছর"),
    "district": ("District", "জেলা"),
    "host_office": ("Kind of host office", "কোন ধরনের অফিসে"),
    "not stated": ("not stated", "বলা নেই"),
}
"""Key → English, Bengali."""
