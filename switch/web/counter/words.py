"""What the counter's page says, in English and Bengali.

One plain sentence for each outcome, which says first what to do with the cash. What a
result of the switch means is said by the words of every command
(`switch.console.words`).
"""

from collections.abc import Callable

from switch.codes import Result
from switch.console.words import Language
from switch.money import bengali_digits
from switch.web.counter.complaint_words import COMPLAINT_TEXTS
from switch.web.counter.wallet_words import WALLET_TEXTS

LANGUAGES = ("en", "bn")

TEXTS: dict[str, tuple[str, str]] = {
    **COMPLAINT_TEXTS,
    **WALLET_TEXTS,
    # --- everywhere
    "title": ("Counter", "কাউন্টার"),
    "skip": ("Skip to the page", "সরাসরি পাতায় যান"),
    "menu": ("Menu", "মেনু"),
    "find": ("Pay", "টাকা জমা"),
    "today": ("Today", "আজকের"),
    "shift": ("Shift", "শিফট"),
    "wallet": ("Wallet", "ওয়ালেট"),
    "operator": ("Operator", "অপারেটর"),
    "other language": ("বাংলা", "English"),
    "training": (
        "TRAINING: nothing on this page is real money",
        "প্রশিক্ষণ: এই পাতার কোনও টাকা আসল নয়",
    ),
    "line up": ("Connected to the switch", "সুইচের সঙ্গে যোগাযোগ আছে"),
    "line down": (
        "OFFLINE: the switch cannot be reached. Take no cash",
        "যোগাযোগ নেই: সুইচে পৌঁছানো যাচ্ছে না। নগদ নেবেন না",
    ),
    "page down": (
        "The counter's program does not answer. Take no cash, and start it again.",
        "কাউন্টারের প্রোগ্রাম সাড়া দিচ্ছে না। নগদ নেবেন না, প্রোগ্রামটি আবার চালান।",
    ),
    "signed off": (
        (
            "Nobody is signed on at the counter. Choose the operator; then see the "
            "unfinished payments."
        ),
        "কাউন্টারে কেউ সাইন-অন করে নেই। অপারেটর বেছে নিন; তার পরে অসমাপ্ত লেনদেন দেখুন।",
    ),
    "back to find": ("Next citizen", "পরের নাগরিক"),
    "asking": ("Asking …", "জিজ্ঞাসা করা হচ্ছে …"),
    "time": ("Time", "সময়"),
    "amount": ("Amount", "টাকার অঙ্ক"),
    "reference": ("Reference", "রেফারেন্স"),
    "state": ("State", "অবস্থা"),
    "payment id": ("Payment id", "লেনদেনের আইডি"),
    "error": ("Put this right", "এটি ঠিক করুন"),
    "not found": ("There is no such page", "এমন কোনও পাতা নেই"),
    "broken": (
        (
            "The counter's program has failed at this. Nothing was sent by it now. See "
            "Unfinished payments before you take or return cash."
        ),
        (
            "এই কাজে কাউন্টারের প্রোগ্রাম ব্যর্থ হয়েছে। এখন কিছুই পাঠানো হয়নি। "
            "নগদ নেওয়া বা ফেরত "
            "দেওয়ার আগে অসমাপ্ত লেনদেন দেখুন।"
        ),
    ),
    "form old": (
        (
            "This form was of before: nothing was done by it now. Look at what "
            "is shown "
            "here, then begin anew."
        ),
        "এই ফর্মটি আগের: এখন এটি দিয়ে কিছুই হয়নি। এখানে যা আছে দেখে নতুন করে শুরু করুন।",
    ),
    "form wrong": (
        "What was sent cannot be read: nothing was done.",
        "যা পাঠানো হয়েছে তা পড়া গেল না: কিছুই করা হয়নি।",
    ),
    "offline now": (
        "No line to the switch. Nothing was sent: take no cash, and try again.",
        "সুইচের সঙ্গে যোগাযোগ নেই। কিছুই পাঠানো হয়নি: নগদ নেবেন না, আবার চেষ্টা করুন।",
    ),
    "disk full": (
        "This computer's disk takes nothing more. Nothing was sent: take no cash.",
        "এই কম্পিউটারের ডিস্কে আর জায়গা নেই। কিছুই পাঠানো হয়নি: নগদ নেবেন না।",
    ),
    "too many open": (
        (
            "Too many payments are unfinished. Nothing was sent: take no cash "
            "until some "
            "of them have ended."
        ),
        "অনেক লেনদেন অসমাপ্ত আছে। কিছুই পাঠানো হয়নি: কয়েকটি শেষ না হওয়া পর্যন্ত নগদ নেবেন না।",
    ),
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
    # --- outcomes of a payment
    "outcome sending": (
        "Do not take money again, do not return it: the payment is being sent.",
        "আবার টাকা নেবেন না, ফেরতও দেবেন না: লেনদেনটি পাঠানো হচ্ছে।",
    ),
    "outcome offline": (
        (
            "Do not take money again, do not return it: there is no line, and it "
            "is not "
            "known if it is paid. It is kept here and sent again by itself."
        ),
        (
            "আবার টাকা নেবেন না, ফেরতও দেবেন না: যোগাযোগ নেই, জমা হয়েছে কি না "
            "জানা নেই। "
            "এটি এখানে রাখা আছে, নিজে থেকেই আবার পাঠানো হবে।"
        ),
    ),
    "outcome sign-on": (
        (
            "Do not take money again, do not return it: the switch wants an "
            "operator to "
            "sign on. Then it is sent by itself."
        ),
        (
            "আবার টাকা নেবেন না, ফেরতও দেবেন না: অপারেটরকে সাইন-অন করতে হবে। তার পরে "
            "নিজে থেকেই পাঠানো হবে।"
        ),
    ),
    "outcome waiting": (
        (
            "Do not take money again, do not return it: the department has not "
            "confirmed "
            "yet. Give the citizen the acknowledgement."
        ),
        (
            "আবার টাকা নেবেন না, ফেরতও দেবেন না: বিভাগ এখনও নিশ্চিত করেনি। নাগরিককে "
            "প্রাপ্তিস্বীকার দিন।"
        ),
    ),
    "outcome kept": (
        (
            "Do not take money again, do not return it: the department has not "
            "said, and "
            "it will be decided within days. Give the citizen the acknowledgement."
        ),
        (
            "আবার টাকা নেবেন না, ফেরতও দেবেন না: বিভাগ জানায়নি, কয়েক দিনের "
            "মধ্যে সিদ্ধান্ত "
            "হবে। নাগরিককে প্রাপ্তিস্বীকার দিন।"
        ),
    ),
    "outcome paid": (
        "Paid. Give the citizen the receipt.",
        "জমা হয়েছে। নাগরিককে রসিদ দিন।",
    ),
    "outcome refunded": (
        "Paid, and given back since, wholly or in part: the receipt says how much.",
        "জমা হয়েছিল, পরে পুরো বা কিছুটা ফেরত দেওয়া হয়েছে: কত, তা রসিদে আছে।",
    ),
    "outcome given-back": (
        "Not paid. Return the cash: the department has not taken it.",
        "জমা হয়নি। নগদ ফেরত দিন: বিভাগ জমা নেয়নি।",
    ),
    "outcome cancelled": (
        "Not paid. Return the cash: operator {number} has cancelled the payment.",
        "জমা হয়নি। নগদ ফেরত দিন: অপারেটর {number} লেনদেনটি বাতিল করেছেন।",
    ),
    "outcome unverified": (
        (
            "Return the cash against the acknowledgement. This bill cannot be "
            "paid until "
            "the department has said."
        ),
        "প্রাপ্তিস্বীকার দেখে নগদ ফেরত দিন। বিভাগ না জানানো পর্যন্ত এই বিল দেওয়া যাবে না।",
    ),
    "outcome refused": (
        "Not paid. Return the cash: {reason}.",
        "জমা হয়নি। নগদ ফেরত দিন: {reason}।",
    ),
    "outcome not-paid": (
        "Not paid. Return the cash: {reason}.",
        "জমা হয়নি। নগদ ফেরত দিন: {reason}।",
    ),
    "outcome trouble": (
        (
            "Do not take money again, do not return it: call the help desk, and "
            "say the "
            "payment id."
        ),
        "আবার টাকা নেবেন না, ফেরতও দেবেন না: সহায়তা কেন্দ্রে ফোন করে লেনদেনের আইডি জানান।",
    ),
    "short sending": ("being sent", "পাঠানো হচ্ছে"),
    "short offline": ("no line, not known", "যোগাযোগ নেই, জানা নেই"),
    "short sign-on": ("waits for a sign-on", "সাইন-অনের অপেক্ষায়"),
    "short waiting": ("not confirmed yet", "এখনও নিশ্চিত নয়"),
    "short kept": ("kept, to be decided", "সিদ্ধান্তের অপেক্ষায়"),
    "short paid": ("paid", "জমা হয়েছে"),
    "short refunded": ("given back since", "পরে ফেরত"),
    "short given-back": ("not paid, cash back", "জমা হয়নি, নগদ ফেরত"),
    "short unverified": ("cash back, not verified", "নগদ ফেরত, যাচাই বাকি"),
    "short refused": ("not paid", "জমা হয়নি"),
    "short not-paid": ("not paid", "জমা হয়নি"),
    "short trouble": ("call the help desk", "সহায়তা কেন্দ্রে জানান"),
    "short done": ("done", "সম্পন্ন"),
    "change": ("Give back change: {amount}", "খুচরো ফেরত দিন: {amount}"),
    "no change": ("No change: the cash was exact.", "খুচরো নেই: ঠিক টাকা।"),
    "held change": (
        "Of the cash {amount} is change: that is the citizen's already.",
        "নগদের মধ্যে {amount} খুচরো: সেটি নাগরিকেরই।",
    ),
    "payment title": ("The payment", "লেনদেন"),
    "print": ("Print", "ছাপুন"),
    "printed": ("Sent to the printer.", "প্রিন্টারে পাঠানো হয়েছে।"),
    "print failed": (
        "The printer does not print: {reason}. The payment is not touched by that.",
        "প্রিন্টার ছাপছে না: {reason}। লেনদেনের তাতে কিছু হয়নি।",
    ),
    "receipt": ("Receipt", "রসিদ"),
    "acknowledgement": ("Acknowledgement", "প্রাপ্তিস্বীকার"),
    "no paper": (
        "The paper cannot be had now: {reason}. Ask for it again.",
        "কাগজটি এখন পাওয়া যাচ্ছে না: {reason}। আবার চান।",
    ),
    "ask again": ("Ask now", "এখনই জিজ্ঞাসা করুন"),
    "pay once more": (
        (
            "The same was paid a short time ago. Only if the citizen knows of it "
            "and means "
            "to pay once more:"
        ),
        "কিছু আগেই একই টাকা দেওয়া হয়েছে। নাগরিক জেনেও আরও একবার দিতে চাইলে তবেই:",
    ),
    "once more": ("Pay once more", "আরও একবার জমা দিন"),
    "fetch again": ("Fetch the bill again", "বিলটি আবার আনুন"),
    "other payment": ("The payment that is in the way", "যে লেনদেনে আটকেছে"),
    "unknown payment": (
        (
            "The switch has no payment with this id. If cash was taken for it, "
            "call the "
            "help desk before you do anything with it."
        ),
        (
            "এই আইডির কোনও লেনদেন সুইচে নেই। এর জন্য নগদ নেওয়া হয়ে থাকলে কিছু "
            "করার আগে সহায়তা "
            "কেন্দ্রে ফোন করুন।"
        ),
    ),
    "cancel": ("Cancel the payment", "লেনদেন বাতিল করুন"),
    "cancel late": (
        "Too late to cancel: the department was asked. Follow the payment.",
        "বাতিলের সময় নেই: বিভাগকে জিজ্ঞাসা করা হয়ে গেছে। লেনদেনটি দেখুন।",
    ),
    "cancel none": ("There is nothing to cancel.", "বাতিলের কিছু নেই।"),
    # --- lists
    "today title": ("Payments of today", "আজকের লেনদেন"),
    "found title": ("Payments found", "যেসব লেনদেন পাওয়া গেল"),
    "no payments": ("There are none.", "কিছু নেই।"),
    "search label": (
        "Receipt number, reference, payment id, complaint, or a day (31/03/2026)",
        "রসিদ নম্বর, রেফারেন্স, লেনদেনের আইডি, অভিযোগ বা একটি দিন (৩১/০৩/২০২৬)",
    ),
    "search cut": (
        (
            "Of one reference the 16 newest payments of each service are found. Find "
            "an older one by its receipt number, or list its day."
        ),
        (
            "একটি রেফারেন্সের প্রতি পরিষেবায় সবচেয়ে নতুন ১৬টি লেনদেন পাওয়া যায়। তার "
            "আগেরটি রসিদ নম্বর দিয়ে খুঁজুন, অথবা তার দিনটি লিখুন।"
        ),
    ),
    "search": ("Search", "খুঁজুন"),
    "search more": ("By amount or state", "টাকার অঙ্ক বা অবস্থা দিয়ে"),
    "search amount": ("Amount in rupees", "টাকার অঙ্ক"),
    "search amount to": (
        "Up to (if not just this amount)",
        "এই অঙ্ক পর্যন্ত (ঠিক একটি অঙ্ক না হলে)",
    ),
    "state any": ("any", "যে-কোনও"),
    "state REFUSED": ("refused; type the day, too", "অগ্রাহ্য; দিনটিও লিখুন"),
    "state HELD": ("not confirmed yet", "এখনও নিশ্চিত নয়"),
    "state COMPLETED": ("paid", "জমা হয়েছে"),
    "state REVERSED": ("not paid, cash back", "জমা হয়নি, নগদ ফেরত"),
    "state EXPIRED": ("not paid in time, cash back", "সময়ে জমা হয়নি, নগদ ফেরত"),
    "state REFUNDED": ("paid, and given back since", "জমা হয়েছিল, পরে ফেরত"),
    "state UNKNOWN": ("asked, no answer in time", "জিজ্ঞাসা করা হয়েছে, উত্তর আসেনি"),
    "state UNVERIFIED": ("cash back, not verified", "নগদ ফেরত, যাচাই বাকি"),
    "state KEPT": ("kept, to be decided", "সিদ্ধান্তের অপেক্ষায়"),
    "search refused": (
        (
            "The switch takes no such search. Refused payments need their day; of two "
            "amounts the first is the smaller; a list of before the switch was "
            "started begins anew."
        ),
        (
            "সুইচ এমন খোঁজ নেয় না। অগ্রাহ্য লেনদেনের জন্য দিন লাগে; দুটি অঙ্কের প্রথমটি "
            "ছোট হবে; সুইচ নতুন করে চালু হলে তালিকাও গোড়া থেকে শুরু করুন।"
        ),
    ),
    "none so far": (
        "None of these; look at older ones.",
        "এর মধ্যে নেই; আরও পুরনো দেখুন।",
    ),
    "search wrong": (
        (
            "Type a receipt number, a reference, a payment id or a day, in English "
            "letters."
        ),
        "রসিদ নম্বর, রেফারেন্স, লেনদেনের আইডি বা দিন ইংরেজি হরফে লিখুন।",
    ),
    "more": ("Older ones", "আরও পুরনো"),
    # --- shifts
    "shift title": ("Close a shift", "শিফট বন্ধ করুন"),
    "shift text": (
        "Count the cash in the drawer: how many of each.",
        "ড্রয়ারের নগদ গুনুন: কোনটি ক’টি।",
    ),
    "notes of": ("{value} ×", "{value} ×"),
    "coins": ("Coins and small change, rupees", "খুচরো ও কয়েন, টাকা"),
    "shift of": ("Shift of operator {number}", "অপারেটর {number}-এর শিফট"),
    "close shift": ("Close the shift", "শিফট বন্ধ করুন"),
    "counted": ("Counted", "গোনা হয়েছে"),
    "expected": ("Expected", "থাকার কথা"),
    "difference none": ("No difference", "কোনও পার্থক্য নেই"),
    "difference short": ("Short by {amount}", "{amount} কম"),
    "difference over": ("Over by {amount}", "{amount} বেশি"),
    "payments count": ("Payments", "লেনদেন"),
    "given back count": ("Given back", "ফেরত"),
    "open count": ("Not confirmed yet", "এখনও নিশ্চিত নয়"),
    "needs signature": (
        "Another operator signs: number of who has seen the cash",
        "অন্য অপারেটর সই করবেন: যিনি নগদ দেখেছেন তাঁর নম্বর",
    ),
    "sign": ("Sign the shift", "শিফটে সই করুন"),
    "signed": (
        "The shift is signed by operator {number}.",
        "অপারেটর {number} শিফটে সই করেছেন।",
    ),
    "sign other": (
        "Another operator must sign: not the one of the shift.",
        "অন্য অপারেটরকে সই করতে হবে: যাঁর শিফট তিনি নন।",
    ),
    "count wrong": (
        "Type whole numbers, up to 99,999 of each.",
        "পূর্ণ সংখ্যা লিখুন, প্রতিটি সর্বাধিক ৯৯,৯৯৯।",
    ),
    "move sending": (
        "It is being sent. It is kept here until the switch has answered.",
        "পাঠানো হচ্ছে। সুইচ উত্তর না দেওয়া পর্যন্ত এটি এখানে রাখা থাকবে।",
    ),
    "move offline": (
        "No line: it is kept here and sent again by itself.",
        "যোগাযোগ নেই: এটি এখানে রাখা আছে, নিজে থেকেই আবার পাঠানো হবে।",
    ),
    "move refused": ("Not done: {reason}.", "হয়নি: {reason}।"),
    "move not-paid": ("Not done: {reason}.", "হয়নি: {reason}।"),
    "move shift": ("Closing a shift", "শিফট বন্ধ করা"),
    "move signature": ("Signing a shift", "শিফটে সই"),
    "move top_up": ("Request for money", "টাকার আবেদন"),
    # --- operators
    "operator title": ("Who is at the counter?", "কাউন্টারে কে আছেন?"),
    "operator label": ("Operator's number", "অপারেটরের নম্বর"),
    "operator wrong": (
        "Type your operator's number, 1 to 99.",
        "আপনার অপারেটর নম্বর লিখুন, ১ থেকে ৯৯।",
    ),
    "operator here": ("Operator {number}", "অপারেটর {number}"),
    "operator none": ("Nobody", "কেউ নেই"),
    "begin": ("Begin", "শুরু করুন"),
    "leave": ("Leave the counter", "কাউন্টার ছাড়ুন"),
    "pin": ("PIN", "পিন"),
    "pin wrong": ("Number or PIN is wrong.", "নম্বর বা পিন ভুল।"),
    "pin locked": (
        "Too many wrong PINs: wait {seconds} seconds.",
        "অনেকবার ভুল পিন: {seconds} সেকেন্ড অপেক্ষা করুন।",
    ),
    "pin locked long": (
        "Too many wrong PINs: wait {minutes} minutes.",
        "অনেকবার ভুল পিন: {minutes} মিনিট অপেক্ষা করুন।",
    ),
    "sign on failed": (
        "The switch does not accept this operator.",
        "সুইচ এই অপারেটরকে গ্রহণ করছে না।",
    ),
}
"""Key → English, Bengali."""

Say = Callable[..., str]
"""Says a sentence by its key; what stands in braces in it is given by name."""


def sayer(language: str) -> Say:
    """What says things in a language. A key that is not there is an error."""
    at = LANGUAGES.index(language)

    def say(key: str, **values: object) -> str:
        text = TEXTS[key][at]
        return text.format(**values) if values else text

    return say


def result_words(result: int, language: str) -> str:
    """What a result means to an operator."""
    known = Language(language)
    try:
        return known.result(Result(result))
    except ValueError:
        return str(result)


def reason_words(reason: str, language: str) -> str:
    """What the reason of an error means to an operator."""
    return Language(language).error(reason)


def digits(text: str, language: str) -> str:
    """A number in the digits of the language; never a reference."""
    return bengali_digits(text) if language == "bn" else text
