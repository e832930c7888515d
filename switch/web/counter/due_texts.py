"""What the counter's page says before a payment is begun, in English and Bengali.

Finding a service, its form, and what is due of it. `words` has the rest.
"""

DUE_TEXTS: dict[str, tuple[str, str]] = {
    # --- finding
    "find title": ("What does the citizen want to pay?", "নাগরিক কী জমা দিতে চান?"),
    "find label": (
        "Service: its name, what people call it, or its code",
        "পরিষেবা: নাম, চলতি নাম বা কোড",
    ),
    "find button": ("Find", "খুঁজুন"),
    "found": ("{count} found", "{count}টি পাওয়া গেছে"),
    "found none": (
        "No service fits. Try a shorter word.",
        "মিলছে না। ছোট শব্দ দিয়ে দেখুন।",
    ),
    "free": ("Free of charge", "বিনামূল্যে"),
    "no catalogue": (
        "The list of services is not here yet: the switch has not been reached.",
        "পরিষেবার তালিকা এখনও আসেনি: সুইচে পৌঁছানো যায়নি।",
    ),
    "biller away": (
        "The department does not answer at present",
        "বিভাগ এই মুহূর্তে সাড়া দিচ্ছে না",
    ),
    "unfinished": ("Unfinished payments", "অসমাপ্ত লেনদেন"),
    "unfinished text": (
        "Take no cash again for these and return none until their end is known.",
        "এগুলির ফল না জানা পর্যন্ত আবার নগদ নেবেন না, ফেরতও দেবেন না।",
    ),
    "unfinished more": (
        "The switch has {count} more: the search finds them.",
        "সুইচের কাছে আরও {count}টি আছে: অনুসন্ধানে পাওয়া যায়।",
    ),
    # --- the form
    "reference label": ("Citizen's reference", "নাগরিকের রেফারেন্স"),
    "example": ("Example: {example}", "উদাহরণ: {example}"),
    "documents": ("The citizen brings", "নাগরিক যা আনবেন"),
    "where": ("Where to apply", "কোথায় আবেদন করতে হবে"),
    "count label": ("How many: {item}, {fee} each", "ক’টি: {item}, প্রতিটি {fee}"),
    "amount label": ("Amount in rupees", "টাকার অঙ্ক"),
    "amount bounds": ("From {least} to {most}", "{least} থেকে {most}"),
    "fetch": ("Ask what is due", "কত দিতে হবে দেখুন"),
    "continue": ("Continue", "এগিয়ে যান"),
    "not payable": (
        "This cannot be paid at a counter.",
        "এটি কাউন্টারে জমা দেওয়া যায় না।",
    ),
    "needs reference": ("Type the citizen's reference.", "নাগরিকের রেফারেন্স লিখুন।"),
    "needs field": ("Fill in: {label}", "পূরণ করুন: {label}"),
    "field wrong": (
        "{label}: not as it should be. {example}",
        "{label}: ঠিক নয়। {example}",
    ),
    "note long": (
        "What was filled in is too long for the receipt.",
        "যা লেখা হয়েছে তা রসিদের পক্ষে বেশি লম্বা।",
    ),
    "needs items": ("Say how many.", "ক’টি, তা লিখুন।"),
    "items many": (
        "At most four kinds of items at a time.",
        "একবারে সর্বাধিক চার রকম দফা।",
    ),
    "needs amount": (
        "Type an amount in rupees, such as 250 or 250.50.",
        "টাকার অঙ্ক লিখুন, যেমন ২৫০ বা ২৫০.৫০।",
    ),
    "fetch BILL_NOT_FOUND": (
        "The department knows of nothing to pay for this reference. Take no cash.",
        "এই রেফারেন্সে বিভাগের কাছে কিছু বাকি নেই। নগদ নেবেন না।",
    ),
    "fetch BILL_UNREADABLE": (
        "The department's bill cannot be read: it must put that right. Take no cash.",
        "বিভাগের বিলটি পড়া যাচ্ছে না: বিভাগকে তা ঠিক করতে হবে। নগদ নেবেন না।",
    ),
    "fetch BILLER_UNAVAILABLE": (
        "The department does not answer. Take no cash; try again later.",
        "বিভাগ সাড়া দিচ্ছে না। নগদ নেবেন না; পরে আবার চেষ্টা করুন।",
    ),
    "fetch INVALID_ARGUMENT": (
        "This is no reference of the service: read it again, letter by letter.",
        "এটি এই পরিষেবার রেফারেন্স নয়: একটি একটি করে আবার মিলিয়ে দেখুন।",
    ),
    "fetch RESOURCE_EXHAUSTED": (
        "Too many are asking. Take no cash; try again in a minute.",
        "এখন চাপ বেশি। নগদ নেবেন না; এক মিনিট পরে আবার চেষ্টা করুন।",
    ),
    "fetch other": (
        "The switch does not say what is due ({reason}). Take no cash.",
        "কত দিতে হবে সুইচ জানাচ্ছে না ({reason})। নগদ নেবেন না।",
    ),
    # --- what is due
    "due title": ("What is due", "কত দিতে হবে"),
    "due by": ("due by {date}", "শেষ তারিখ {date}"),
    "valid until": (
        "This holds until {time}; then fetch it again.",
        "{time} পর্যন্ত বৈধ; তার পরে আবার আনুন।",
    ),
    "bill": ("Bill", "বিল"),
    "period": ("Period", "সময়কাল"),
    "bills several": (
        "Which of these does the citizen pay?",
        "নাগরিক কোনটি দিচ্ছেন?",
    ),
    "funds": (
        "The wallet can pay {amount}",
        "ওয়ালেট থেকে {amount} দেওয়া যাবে",
    ),
    "funds unknown": (
        (
            "The wallet's balance is not known now. If the wallet cannot pay, the "
            "switch refuses the payment, and you return the cash."
        ),
        (
            "ওয়ালেটে কত টাকা আছে এখন জানা নেই। ওয়ালেটে টাকা না কুলোলে সুইচ লেনদেন "
            "নেবে না, আর আপনি নগদ ফেরত দেবেন।"
        ),
    ),
    "funds short": (
        (
            "Take no cash. The wallet can pay {available}; {short} is missing. Ask for "
            "money (a top-up), and look again when it has come."
        ),
        (
            "নগদ নেবেন না। ওয়ালেট থেকে {available} দেওয়া যাবে; {short} কম। টাকার আবেদন "
            "(টপ-আপ) করুন; টাকা এলে আবার দেখুন।"
        ),
    ),
    "funds refused": ("Take no cash: {reason}.", "নগদ নেবেন না: {reason}।"),
    "funds again": ("Look again", "আবার দেখুন"),
    "in progress": (
        "A payment of it is under way or in doubt: take no cash",
        "এর টাকা দেওয়া চলছে বা সংশয়ে আছে: নগদ নেবেন না",
    ),
    "paid already": ("Paid already: take no cash", "আগেই দেওয়া হয়েছে: নগদ নেবেন না"),
    "nothing due": (
        "There is nothing here to take cash for.",
        "এখানে নগদ নেওয়ার কিছু নেই।",
    ),
    "tender": ("How the citizen pays", "নাগরিক কীভাবে দিচ্ছেন"),
    "cash": ("Cash", "নগদ"),
    "upi": ("UPI", "ইউপিআই"),
    "card": ("Card", "কার্ড"),
    "cash label": ("Cash in hand, rupees", "হাতে নেওয়া নগদ, টাকা"),
    "cash hint": (
        "Exact cash: type = and press Enter. Else type what was given.",
        "ঠিক টাকা: = লিখে Enter চাপুন। নইলে কত দিয়েছেন লিখুন।",
    ),
    "pay amount": ("Amount that is paid, rupees", "যত টাকা দেওয়া হচ্ছে"),
    "pay": ("Pay", "জমা করুন"),
    "needs cash": (
        "Type the cash that you hold, or = for exact cash. Nothing was paid.",
        "হাতে যত নগদ আছে লিখুন, ঠিক টাকা হলে =। কিছু জমা হয়নি।",
    ),
    "cash short": (
        "{short} is missing. Nothing was paid.",
        "{short} কম। কিছু জমা হয়নি।",
    ),
    "draft gone": (
        "What was due must be asked again; nothing was paid by this form.",
        "কত দিতে হবে আবার দেখতে হবে; এই ফর্ম দিয়ে কিছু জমা হয়নি।",
    ),
    "same open": (
        (
            "A payment of the same is unfinished: it is shown here, and no other was "
            "begun."
        ),
        "একই লেনদেন অসমাপ্ত আছে: সেটিই এখানে দেখানো হচ্ছে, নতুন কিছু শুরু হয়নি।",
    ),
}
"""Key → English, Bengali."""
