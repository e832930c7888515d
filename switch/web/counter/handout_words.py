"""What the page says of money that came back, in English and Bengali."""

HANDOUT_WORDS: dict[str, tuple[str, str]] = {
    "outcome refunded": (
        "Given back: all of the payment is back in the wallet.",
        "ফেরত দেওয়া হয়েছে: পুরো টাকা ওয়ালেটে ফিরে এসেছে।",
    ),
    "outcome refunded-part": (
        "Paid, and given back in part: this much is back in the wallet.",
        "জমা হয়েছিল, আংশিক ফেরত দেওয়া হয়েছে: এই টাকা ওয়ালেটে ফিরে এসেছে।",
    ),
    "outcome given-back-later": (
        "Not paid: the department has not taken it. Hand the cash out as shown here.",
        "জমা হয়নি: বিভাগ জমা নেয়নি। নীচে যেমন লেখা আছে তেমনই নগদ দিন।",
    ),
    "handouts": ("Refunds", "ফেরত"),
    "handouts title": ("Refunds to hand out", "যে ফেরত দিতে হবে"),
    "handouts text": (
        (
            "Ask for the receipt or the acknowledgement. Press the button first, then "
            "give the cash."
        ),
        "রসিদ বা প্রাপ্তিস্বীকার চেয়ে নিন। আগে বোতাম টিপুন, তার পরে নগদ দিন।",
    ),
    "handouts none": (
        "No refund waits here.",
        "এখানে কোনও ফেরত বাকি নেই।",
    ),
    "handouts more": ("Newer ones", "আরও নতুন"),
    "handouts of payment": ("Money that came back", "যে টাকা ফিরে এসেছে"),
    "handouts unasked": (
        (
            "It is not known now whether the cash was handed out: give none, and ask "
            "again."
        ),
        "নগদ দেওয়া হয়েছে কি না এখন জানা নেই: কিছু দেবেন না, আবার দেখুন।",
    ),
    "handout disputed": (
        "The department says it has the money: hand out nothing",
        "বিভাগ বলছে টাকা তাদের কাছে: কিছু দেবেন না",
    ),
    "handout paid": ("Payment of {time}", "{time}-এর লেনদেন"),
    "hand out button": ("Hand out {amount}", "{amount} দিন"),
    "handed out by": (
        "Handed out by operator {number}, {time}",
        "অপারেটর {number} দিয়েছেন, {time}",
    ),
    "hand out sending": (
        "Hand out nothing yet: the switch has not answered.",
        "এখনও কিছু দেবেন না: সুইচ উত্তর দেয়নি।",
    ),
    "hand out done": (
        "Give the citizen this cash and the paper.",
        "নাগরিককে এই নগদ ও কাগজটি দিন।",
    ),
    "cash from before": (
        (
            "{amount} more was given back than taken: it came from money that was in "
            "the drawer before."
        ),
        "যত নেওয়া হয়েছে তার চেয়ে {amount} বেশি ফেরত দেওয়া হয়েছে: তা ড্রয়ারে আগে থেকে থাকা টাকা।",
    ),
    "move hand_out": ("A refund that is handed out", "ফেরতের টাকা দেওয়া"),
    "refund paper": ("Receipt of the refund", "ফেরতের রসিদ"),
}
