"""What commands say of a shift, in English and Bengali; a part of `words`."""

SHIFT_WORDS: dict[str, tuple[str, str]] = {
    "payments begun": (
        "Payments begun, with those held",
        "শুরু হওয়া লেনদেন, আটক সহ",
    ),
    "cash counted": ("Cash counted", "গোনা নগদ"),
    "cash expected": ("Cash expected", "প্রত্যাশিত নগদ"),
    "cash from before": (
        "More given back than taken, from money of before",
        "যত নেওয়া হয়েছে তার চেয়ে বেশি ফেরত, আগের টাকা থেকে",
    ),
}
