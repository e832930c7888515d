"""Words for lists in order, in English and Bengali; a part of `words`.

A biller's list of a day, and its entries as a feed has them.
"""

LIST_WORDS: dict[str, tuple[str, str]] = {
    "feed after": ("Entries after", "যে ভুক্তির পরে"),
    "feed limit": ("at most", "সর্বাধিক"),
    "feed to newest": (
        "to the newest one; --limit N shows fewer, --follow waits for more",
        "সবচেয়ে নতুনটি পর্যন্ত; --limit N দিলে কম, --follow দিলে নতুনের অপেক্ষা",
    ),
    "feed follows": (
        "then each new one as it comes; Ctrl-C ends it",
        "তারপর নতুন যা আসে; Ctrl-C দিলে শেষ",
    ),
    "list already": ("Confirmed before", "আগেই নিশ্চিত"),
    "list confirmed": ("Confirmed", "নিশ্চিত"),
    "list damaged": ("Damaged", "ক্ষতিগ্রস্ত"),
    "list differing": ("With another amount", "অন্য অঙ্কে"),
    "list disputed": (
        "Left: their amount is disputed",
        "ছোঁয়া হয়নি: অঙ্ক নিয়ে বিরোধ আছে",
    ),
    "list error": ("Error", "ত্রুটি"),
    "list late": ("Late: their money is back", "দেরিতে: টাকা ফেরত গেছে"),
    "list lacks": ("Payments that it lacks", "যত পেমেন্ট তালিকায় নেই"),
    "list lacks amount": ("What they come to", "সেগুলির মোট অঙ্ক"),
    "list missing": ("Completed and not listed", "সম্পন্ন, কিন্তু তালিকায় নেই"),
    "list numbers": ("  their numbers", "  সেগুলির নম্বর"),
    "list rejected": ("Rejected: not listed", "বাতিল: তালিকায় নেই"),
    "list text": ("What is wrong", "যা ভুল"),
    "list too_early": ("Too early to say", "এখনও বলার সময় হয়নি"),
    "list unknown": ("No payments of that day", "সেদিনের পেমেন্ট নয়"),
    "list too little": (
        (
            "The list lacks too much: nothing was done. Check it. If it is right, ask "
            "the treasury to let it through; one person proposes this, another "
            "approves it:"
        ),
        (
            "তালিকায় অনেক বেশি পেমেন্ট নেই: কিছুই করা হয়নি। তালিকা যাচাই করুন। ঠিক হলে "
            "ট্রেজারিকে তা মানতে বলুন; একজন এটি প্রস্তাব করেন, আর একজন অনুমোদন করেন:"
        ),
    ),
}
