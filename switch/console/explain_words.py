"""The words of explanations, in English and Bengali.

They are a part of those in `words`.
"""

EXPLAIN_WORDS: dict[str, tuple[str, str]] = {
    # What moved, by the kind of entry as the wire names it.
    "moved pay": ("paid", "দেওয়া"),
    "moved hold": ("held", "আটক করা"),
    "moved post": ("posted", "চূড়ান্ত"),
    "moved void": ("voided", "ফিরিয়ে দেওয়া"),
    "moved expire": ("expired", "মেয়াদ শেষ"),
    "moved refund": ("refunded", "ফেরত"),
    "moved top_up": ("topped up", "টপ-আপ"),
    "moved transfer": ("transferred", "স্থানান্তর"),
    "moved settle": ("settled", "নিষ্পত্তি"),
    "side debit": ("out", "বাইরে"),
    "side credit": ("in", "ভিতরে"),
    # Rows and columns.
    "opening": ("Opening", "শুরুর জমা"),
    "closing": ("Closing", "শেষের জমা"),
    "movement": ("Movement", "চলাচল"),
    "debited": ("Out", "বাইরে"),
    "credited": ("In", "ভিতরে"),
    "reserved": ("Reserved", "আটক করা"),
    "released": ("Released", "ছাড়া"),
    "settled by": ("Settled by", "নিষ্পত্তির ভুক্তি"),
    "payable": ("Payable", "প্রদেয়"),
    "carried": ("Carried", "জের"),
    "debits": ("Debits", "খরচ"),
    "credits": ("Credits", "জমা"),
    # Facts.
    "after": ("after entry", "এই ভুক্তির পরে"),
    "chunk": ("Chunk", "খণ্ড"),
    "chunk's check": ("Chunk's check", "খণ্ডের যাচাই-সংখ্যা"),
    "window": ("Window", "উইন্ডো"),
    "since window": ("Since the window", "উইন্ডোর পরে"),
    "more": ("More, with", "আরও আছে"),
}
"""Key → English, Bengali."""
