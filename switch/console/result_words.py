"""What results mean to people, in English and Bengali."""

from switch.codes import Result

RESULTS: dict[Result, tuple[str, str]] = {
    Result.OK: ("done", "সম্পন্ন"),
    Result.INVALID_AMOUNT: (
        "the amount must be at least one paisa",
        "টাকার অঙ্ক অন্তত এক পয়সা হতে হবে",
    ),
    Result.INVALID_REFERENCE: (
        "the reference must be 1 to 32 plain ASCII characters",
        "রেফারেন্স এক থেকে বত্রিশটি সাধারণ ইংরেজি অক্ষরের হতে হবে",
    ),
    Result.INVALID_CENTRE: (
        "this centre has no wallet, or is not the sender's own",
        "এই কেন্দ্রের ওয়ালেট নেই, বা এটি প্রেরকের নিজের নয়",
    ),
    Result.INVALID_NOTE: (
        "the note must be at most 64 bytes",
        "মন্তব্য সর্বাধিক চৌষট্টি বাইট হতে পারে",
    ),
    Result.INVALID_ITEMS: (
        "name 1 to 4 items, each once, as CODE or CODE:COUNT",
        "এক থেকে চারটি দফা দিন, প্রতিটি একবার: কোড, বা কোড:সংখ্যা",
    ),
    Result.ID_REUSED: (
        "this id was used for another payment; use a new one",
        "এই আইডি অন্য লেনদেনে ব্যবহৃত; নতুন আইডি নিন",
    ),
    Result.BILLER_BUSY: (
        "too many payments wait for this biller; try again in a minute",
        "এই বিলারের কাছে অনেক লেনদেন অপেক্ষায় আছে; এক মিনিট পরে আবার চেষ্টা করুন",
    ),
    Result.NOT_SIGNED: (
        "nobody who may do this has signed it: see the person's number, role and key",
        "এর অধিকারী কেউ এতে স্বাক্ষর করেননি: ব্যক্তির নম্বর, ভূমিকা ও চাবি দেখুন",
    ),
    Result.TOO_MANY_REFUSALS: (
        "too many payments were refused lately; wait some seconds and send it again",
        "সম্প্রতি অনেক লেনদেন ফেরত হয়েছে; কয়েক সেকেন্ড পরে আবার পাঠান",
    ),
    Result.DATA_DAMAGED: (
        "its entry at the switch is damaged; take no money, tell the treasury",
        "সুইচে এর তথ্য নষ্ট হয়েছে; টাকা নেবেন না, ট্রেজারিতে জানান",
    ),
    Result.QUOTATION_NEEDED: (
        "this service is paid by bill: fetch the bill first",
        "এই পরিষেবার টাকা বিল দেখে নিতে হয়: আগে বিল আনুন",
    ),
    Result.QUOTATION_WRONG: (
        "the quotation is of another bill, centre or head; fetch the bill again",
        "কোটেশনটি অন্য বিল, কেন্দ্র বা খাতের; বিলটি আবার আনুন",
    ),
    Result.QUOTATION_EXPIRED: (
        "the quotation is too old, what is due may have changed; fetch the bill again",
        "কোটেশনটি পুরনো, প্রদেয় টাকা বদলে থাকতে পারে; বিলটি আবার আনুন",
    ),
    Result.ADDITION_WRONG: (
        "this handle was not given to this centre; pay without it",
        "এই হ্যান্ডেল এই কেন্দ্রকে দেওয়া হয়নি; এটি বাদ দিয়ে আবার দিন",
    ),
    Result.SERVICE_UNKNOWN: (
        "no such service; see `payswitch services`",
        "এমন পরিষেবা নেই; `payswitch services` দেখুন",
    ),
    Result.SERVICE_INACTIVE: (
        "the service is not offered at present",
        "পরিষেবাটি এখন বন্ধ আছে",
    ),
    Result.HEAD_UNKNOWN: (
        "the service has no such head of account",
        "এই পরিষেবার এমন খাত নেই",
    ),
    Result.AMOUNT_BELOW_MINIMUM: (
        "below the least amount of the service",
        "পরিষেবার ন্যূনতম অঙ্কের চেয়ে কম",
    ),
    Result.AMOUNT_ABOVE_MAXIMUM: (
        "above the largest amount of the service",
        "পরিষেবার সর্বাধিক অঙ্কের চেয়ে বেশি",
    ),
    Result.AMOUNT_NOT_EXACT: (
        "pay exactly what the bill says",
        "বিলে যা লেখা ঠিক তাই দিতে হবে",
    ),
    Result.AMOUNT_STEP_WRONG: (
        "the service takes multiples of a step only; `payswitch services` tells it",
        "পরিষেবাটি নির্দিষ্ট ধাপের গুণিতক অঙ্কই নেয়; `payswitch services` দেখুন",
    ),
    Result.ITEM_UNKNOWN: (
        "the tariff has no such item today; `payswitch services` shows the items",
        "আজকের মূল্যতালিকায় এমন দফা নেই; `payswitch services`-এ দফাগুলি দেখুন",
    ),
    Result.FEE_CHANGED: (
        "the items come to another amount today; take what the tariff says",
        "আজকের মূল্যতালিকায় দফাগুলির মোট অন্য; তালিকায় যা লেখা তাই নিন",
    ),
    Result.PERIOD_MISSING: (
        "the reference must end in the bill's month: /YYYY-MM",
        "রেফারেন্সের শেষে বিলের মাস চাই: /YYYY-MM",
    ),
    Result.REFERENCE_WRONG: (
        "no reference of this service; `payswitch services` shows how it is written",
        "এই পরিষেবার রেফারেন্স নয়; কীভাবে লেখে তা `payswitch services`-এ দেখুন",
    ),
    Result.DEBIT_CLOSED: ("the wallet is closed", "ওয়ালেটটি বন্ধ করা হয়েছে"),
    Result.DEBIT_FROZEN: (
        "the wallet is frozen; ask the treasury",
        "ওয়ালেটটি স্থগিত; ট্রেজারিতে জানান",
    ),
    Result.BILL_ALREADY_CLAIMED: (
        "this bill is paid, or a payment of it is under way or in doubt; take no money",
        "এই বিল দেওয়া হয়ে গেছে, বা দেওয়া চলছে বা সংশয়ে আছে; টাকা নেবেন না",
    ),
    Result.PAID_RECENTLY: (
        "this reference was paid a short while ago; ask before you take any money",
        "এই রেফারেন্সে একটু আগে টাকা দেওয়া হয়েছে; জিজ্ঞাসা না করে টাকা নেবেন না",
    ),
    Result.PAYMENT_AMOUNT_EXCEEDED: (
        "more than the wallet may pay in one payment",
        "এক লেনদেনে ওয়ালেটের সীমার চেয়ে বেশি",
    ),
    Result.DAY_COUNT_EXCEEDED: (
        "the wallet's number of payments for today is used up",
        "ওয়ালেটের আজকের লেনদেনের সংখ্যা শেষ",
    ),
    Result.DAY_AMOUNT_EXCEEDED: (
        "the wallet's amount for today is used up",
        "ওয়ালেটের আজকের টাকার সীমা শেষ",
    ),
    Result.INSUFFICIENT_FUNDS: (
        "not enough money in the wallet; top it up",
        "ওয়ালেটে যথেষ্ট টাকা নেই; টাকা ভরুন",
    ),
    Result.BASKET_FAILED: (
        "another payment of the same basket was refused",
        "একই ঝুড়ির অন্য লেনদেন অগ্রাহ্য হয়েছে",
    ),
    Result.SAME_PERSON: (
        "who asks for something cannot approve it; another person must",
        "যিনি চেয়েছেন তিনি অনুমোদন করতে পারেন না; অন্য কেউ করবেন",
    ),
    Result.ALREADY_APPROVED: (
        "this was approved before",
        "এটি আগেই অনুমোদিত হয়েছে",
    ),
    Result.PROPOSAL_NOT_FOUND: (
        "there is no such proposal, or it was refused",
        "এমন প্রস্তাব নেই, বা তা অগ্রাহ্য হয়েছিল",
    ),
    Result.PROPOSAL_WITHDRAWN: (
        "this proposal was withdrawn; propose anew",
        "প্রস্তাবটি তুলে নেওয়া হয়েছে; নতুন করে প্রস্তাব দিন",
    ),
    Result.PROPOSAL_EXPIRED: (
        "this proposal is 30 days old or more; propose anew",
        "প্রস্তাবটি ত্রিশ দিন বা তারও পুরনো; নতুন করে প্রস্তাব দিন",
    ),
    Result.LAST_TREASURIES: (
        "the treasury must keep two who can act, each with keys of their own",
        "কোষাগারে কাজ করার মতো অন্তত দুজন, নিজ নিজ চাবিসহ, থাকতেই হবে",
    ),
    Result.ALREADY_BOOKED: (
        "this line of the bank is in the ledger already",
        "ব্যাঙ্কের এই লাইনটি আগেই খাতায় তোলা হয়েছে",
    ),
    Result.BOOKED_DIFFERS: (
        "the bank gave this line before with another amount; ask the bank",
        "ব্যাঙ্ক এই লাইনটি আগে অন্য অঙ্কে জানিয়েছিল; ব্যাঙ্কে জিজ্ঞাসা করুন",
    ),
    Result.STATEMENT_GAP: (
        "this statement does not follow the last one of its account",
        "বিবরণীটি এই হিসাবের শেষ বিবরণীর পরেরটি নয়",
    ),
    Result.NOT_BOOKED: (
        "a line of this statement is not in the ledger yet",
        "বিবরণীর একটি লাইন এখনও খাতায় তোলা হয়নি",
    ),
    Result.BENEFICIARY_WRONG: (
        "name the beneficiary's newest entry, of one that is active",
        "প্রাপকের সর্বশেষ এন্ট্রি উল্লেখ করুন; প্রাপক সক্রিয় হতে হবে",
    ),
    Result.BENEFICIARY_WAITS: (
        "this beneficiary was changed not long ago; pay out later",
        "প্রাপকের তথ্য সম্প্রতি বদলানো হয়েছে; পরে টাকা পাঠান",
    ),
    Result.OPERATOR_UNKNOWN: (
        "the centre has no such operator, or the operator is switched off",
        "কেন্দ্রে এমন কোনও অপারেটর নেই, বা অপারেটরকে বন্ধ রাখা হয়েছে",
    ),
    Result.COMPLAINT_OPEN: (
        "the payment has a complaint that is still open",
        "এই লেনদেনের একটি অভিযোগ এখনও খোলা আছে",
    ),
    Result.COMPLAINT_NOT_FOUND: (
        "there is no such complaint",
        "এমন কোনও অভিযোগ নেই",
    ),
    Result.COMPLAINT_CLOSED: (
        "the complaint is closed; nothing is added to it any more",
        "অভিযোগটি বন্ধ হয়েছে; এতে আর কিছু যোগ করা যায় না",
    ),
    Result.ALREADY_HANDED_OUT: (
        "this was handed out before; hand out nothing",
        "এটি আগেই দেওয়া হয়েছে; আর কিছু দেবেন না",
    ),
    Result.ALREADY_DONE: (
        "all of this proposal is done; it cannot be withdrawn any more",
        "প্রস্তাবের সবটাই করা হয়ে গেছে; এটি আর তুলে নেওয়া যায় না",
    ),
    Result.EXCEEDS_SETTLED: (
        "more than was settled of this account and not paid out",
        "এই হিসাবে যত নিষ্পত্তি হয়ে এখনও পাঠানো হয়নি, অঙ্কটি তার বেশি",
    ),
    Result.THIRD_NEEDED: (
        "more people may approve by it, and three must want that; propose it again",
        "এতে অনুমোদনকারী বাড়ে, তাই তিনজনকে চাইতে হবে; আবার প্রস্তাব করুন",
    ),
    Result.APPROVER_WAITS: (
        "more people may approve by it, and only two wanted it; do it later",
        "এতে অনুমোদনকারী বাড়ে, আর মাত্র দু'জন চেয়েছেন; পরে করুন",
    ),
    Result.ANOTHER_ID_NEEDED: (
        "this id is not taken, and nothing was done; take another one, drawn at random",
        "এই আইডি নেওয়া হল না, কিছুই করা হয়নি; এলোমেলো আরেকটি আইডি নিন",
    ),
    Result.WINDOW_EMPTY: (
        "nothing would be in this window: it stays open",
        "এই উইন্ডোতে কিছুই থাকত না: এটি খোলা রইল",
    ),
    Result.NOT_APPROVED: (
        "another person must have approved exactly this, and that must still hold",
        "অন্য একজনকে ঠিক এটিই অনুমোদন করতে হবে, আর সেই অনুমোদন বহাল থাকতে হবে",
    ),
    Result.HOLD_NOT_FOUND: (
        "it is no payment that waits for a biller, or it does not wait any more",
        "এটি প্রাপকের অপেক্ষায় থাকা লেনদেন নয়, বা আর অপেক্ষায় নেই",
    ),
    Result.EXCEEDS_HOLD: (
        "more than was reserved for the payment",
        "লেনদেনের জন্য যত টাকা আটক ছিল তার চেয়ে বেশি",
    ),
    Result.CASE_NOT_FOUND: (
        "nothing is open about it that this could end",
        "এ নিয়ে এমন কিছু খোলা নেই যা এতে মিটবে",
    ),
    Result.CASE_CLOSED: (
        "this was ended before; the entry named ended it",
        "এটি আগেই মিটে গেছে; উল্লেখিত ভুক্তিতে মিটেছে",
    ),
    Result.AMOUNT_DIFFERS: (
        "the biller says that it credited another amount; two people decide",
        "প্রাপক অন্য অঙ্ক জমা হয়েছে বলছে; দুজন সিদ্ধান্ত নেবেন",
    ),
    Result.RELEASE_NOT_PROMISED: (
        "the biller has not promised to credit nothing late; let the service keep",
        "প্রাপক দেরিতে জমা না করার কথা দেয়নি; পরিষেবার নীতি আটক রাখা করুন",
    ),
    Result.RULE_FIXED: (
        "what makes bills of a service is for ever; register another code",
        "পরিষেবার বিলের নিয়ম বদলানো যায় না; নতুন কোড নথিভুক্ত করুন",
    ),
    Result.UTR_ALREADY_CREDITED: (
        "this bank reference was credited before",
        "এই ব্যাঙ্ক রেফারেন্সের টাকা আগেই জমা হয়েছে",
    ),
    Result.PAYMENT_NOT_FOUND: (
        "this entry is no completed payment",
        "এই ভুক্তি কোনো সম্পূর্ণ লেনদেন নয়",
    ),
    Result.EXCEEDS_PAYMENT: (
        "more than is left of the payment",
        "লেনদেনের যা বাকি আছে তার চেয়ে বেশি",
    ),
}
"""Result → English, Bengali. Others are shown by their plain names."""
