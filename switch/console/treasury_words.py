"""Words for what the treasury arranges, in English and Bengali; a part of `words`."""

TREASURY_WORDS: dict[str, tuple[str, str]] = {
    # What wallets owe, and which are low.
    "owed": ("Owed", "বকেয়া"),
    "owed by wallets": ("owed by wallets", "ওয়ালেটের বকেয়া"),
    "low balance": ("Should have", "থাকা উচিত"),
    "low since": ("Low since", "যখন থেকে কম"),
    "low": ("Wallets that are low", "যে ওয়ালেটে কম টাকা"),
    "lacking": ("Lacking", "ঘাটতি"),
    # Windows and their schedule.
    "closed by": ("Closed by", "কে বন্ধ করেছেন"),
    "the schedule": ("the schedule", "সময়সূচি"),
    "accounting days": ("Accounting days", "হিসাবের দিন"),
    "financial year": ("Financial year", "আর্থিক বছর"),
    "heads": ("Heads", "খাত"),
    "settled": ("Settled", "নিষ্পত্তি"),
    "no schedule": (
        "Windows are closed by command alone. This proposes a schedule:",
        "উইন্ডো শুধু আদেশে বন্ধ হয়। এভাবে সময়সূচি প্রস্তাব করুন:",
    ),
    "cut-offs": ("Cut-offs", "বন্ধের সময়"),
    "holidays": ("Holidays", "ছুটির দিন"),
    "next cut-off": ("Next cut-off", "পরের বন্ধের সময়"),
    "year's end": ("the financial year ends", "আর্থিক বছর শেষ"),
    # Files.
    "file": ("File", "ফাইল"),
    "files": ("Files", "ফাইল"),
    "folder": ("Folder", "ফোল্ডার"),
    "accounting day": ("Accounting day", "হিসাবের দিন"),
    "written": ("Written", "লেখা হয়েছে"),
    "there already": ("There already, the same", "আগেই ছিল, একই"),
    "bytes": ("Bytes", "বাইট"),
    # Beneficiaries.
    "no beneficiaries": (
        "No beneficiary is registered. This proposes one:",
        "কোনো প্রাপক হিসাব নথিভুক্ত নেই। এভাবে প্রস্তাব করুন:",
    ),
    "bank number": ("Number", "হিসাব নম্বর"),
    "ifsc": ("IFSC", "আইএফএসসি"),
    "may be used from": ("May be used from", "যখন থেকে ব্যবহার করা যাবে"),
    "not yet": ("not yet", "এখনও নয়"),
    "beneficiary waits": (
        "A changed beneficiary waits",
        "বদলানো প্রাপক হিসাবের অপেক্ষা",
    ),
    # What lines are.
    "what opening": ("what an account begins with", "হিসাবের শুরুর জমা"),
    "what beneficiary": ("to whom money is paid out", "টাকা যাকে দেওয়া হবে"),
    "what schedule": ("when windows close", "উইন্ডো কখন বন্ধ হবে"),
    "what revocation": ("a certificate revoked", "সার্টিফিকেট বাতিল"),
    "what confirmation": ("a revocation confirmed", "বাতিলের নিশ্চিতি"),
}
