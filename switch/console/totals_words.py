"""The words of totals, in English and Bengali; a part of `words`."""

TOTALS_WORDS: dict[str, tuple[str, str]] = {
    # What is told.
    "corrections": ("Made after all", "পরে সম্পন্ন"),
    "gross": ("Gross", "মোট"),
    "refunds": ("Refunds", "ফেরত"),
    "net": ("Net", "নিট"),
    "totals held": ("Held", "আটক করা"),
    "totals given back": ("Given back unpaid", "না দিয়ে ফেরত"),
    "totals cases": ("Cases raised", "ওঠা কেস"),
    "totals open": ("Still open", "এখনও খোলা"),
    "in question": ("In question", "প্রশ্নের মুখে"),
    "crore": ("crore", "কোটি"),
    "from the beginning": ("from the beginning", "শুরু থেকে"),
    "to now": ("to now", "এখন পর্যন্ত"),
    # What a line is of.
    "totals day": ("Day", "দিন"),
    "month": ("Month", "মাস"),
    "year": ("Financial year", "আর্থিক বছর"),
    "district": ("District", "জেলা"),
    "host_office": ("Kind of host office", "কোন ধরনের অফিসে"),
    "not stated": ("not stated", "বলা নেই"),
}
"""Key → English, Bengali."""
