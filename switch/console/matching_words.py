"""Words for matches and breaks, in English and Bengali; a part of `words`."""

MATCHING_WORDS: dict[str, tuple[str, str]] = {
    # Types.
    "break missing_here": ("missing here", "এখানে নেই"),
    "break missing_there": ("missing there", "ওখানে নেই"),
    "break amount": ("amount", "অঙ্ক"),
    "break duplicate": ("duplicate", "দুবার"),
    "break date": ("date", "তারিখ"),
    "break head": ("head", "খাত"),
    "break unknown": ("unknown", "অজানা"),
    "break given_back": ("given back", "ফেরত দেওয়া"),
    # Columns.
    "break": ("Break", "গরমিল"),
    "type": ("Type", "ধরন"),
    "match key": ("Known by", "পরিচয়"),
    "here": ("Here", "এখানে"),
    "there": ("There", "ওখানে"),
    "differs": ("Differs in", "কিসে আলাদা"),
    # Sums.
    "match here": ("By the ledger", "লেজার অনুযায়ী"),
    "match there": ("By the list", "তালিকা অনুযায়ী"),
    "match difference": ("More here than there", "এখানে যত বেশি"),
    "booked by the bank": ("Booked by the bank", "ব্যাঙ্কে লেখা"),
    "not passed on": ("Not passed on", "পৌঁছয়নি"),
    "breaks open": ("Breaks that are open", "খোলা গরমিল"),
    "breaks closed": ("Closed now", "এখন বন্ধ"),
    "complete list": ("The list is complete", "তালিকা সম্পূর্ণ"),
    "no breaks": ("Nothing differs.", "কোনো গরমিল নেই।"),
    # What became of a line.
    "outcome proposed": ("Proposed", "প্রস্তাবিত"),
    "outcome would_propose": ("Would be proposed", "প্রস্তাব করা হত"),
    "outcome nothing": ("Left as it is", "যেমন ছিল তেমন"),
    "outcome wrong": ("Cannot be so", "এমন হতে পারে না"),
    "outcome refused": ("Refused", "অগ্রাহ্য"),
    "outcome unknown": ("Outcome not known: send it again", "ফল অজানা: আবার পাঠান"),
    "outcome not_sent": ("Not sent: send it again", "পাঠানো হয়নি: আবার পাঠান"),
    "outcome approved": ("Approved", "অনুমোদিত"),
    "outcome not_open": ("No open proposal", "খোলা প্রস্তাব নয়"),
    "nothing proposed": ("Nothing of it was proposed.", "এর কিছুই প্রস্তাব করা হয়নি।"),
    "the whole": ("the whole", "পুরোটা"),
}
"""Key → English, Bengali."""
