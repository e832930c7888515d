"""What the counter's page says of the centre's wallet, in English and Bengali."""

WALLET_TEXTS: dict[str, tuple[str, str]] = {
    "wallet title": ("The centre's wallet", "কেন্দ্রের ওয়ালেট"),
    "available": ("Can be spent", "খরচ করা যাবে"),
    "balance": ("Balance", "জমা"),
    "reserved": ("Reserved", "আটক"),
    "owed": ("Owed", "বকেয়া"),
    "spent": ("Spent today", "আজ খরচ"),
    "spent payments": (
        "payments begun, without those given back",
        "শুরু হওয়া লেনদেন, ফেরত বাদে",
    ),
    "low": (
        "The balance is low: less than {amount} can be spent. Ask for money.",
        "ব্যালেন্স কম: খরচযোগ্য টাকা {amount}-এর নীচে। টাকার আবেদন করুন।",
    ),
    "top up title": ("Ask for money", "টাকার আবেদন"),
    "top up text": (
        "Send just this amount through the bank with the number that you are given.",
        "যে নম্বর পাবেন সেটি লিখে ব্যাঙ্কে ঠিক এই অঙ্কই পাঠান।",
    ),
    "top up button": ("Get a number", "নম্বর নিন"),
    "top up number": (
        "Write this number on the transfer",
        "ব্যাঙ্কে পাঠানোর সময় এই নম্বর লিখুন",
    ),
    "top ups": ("Requests", "আবেদন"),
    "top up OPEN": ("open", "খোলা"),
    "top up PAID": ("paid", "জমা হয়েছে"),
    "top up EXPIRED": ("expired", "মেয়াদ শেষ"),
}
"""Key → English, Bengali."""
