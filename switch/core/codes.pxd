# Codes: kinds of rows, results, roles, rules and flags. The numbers are for ever, on the
# disk and on the wire; switch/codes.py and proto/ have the same, held together by a test.

cdef enum:  # kinds of rows
    KIND_PAY = 1
    KIND_HOLD = 2
    KIND_POST = 3
    KIND_VOID = 4
    KIND_EXPIRE = 5
    KIND_REFUND = 6
    KIND_TOP_UP = 7
    KIND_TRANSFER = 8
    KIND_WINDOW = 9
    KIND_SETTLE = 10
    KIND_OPEN = 11
    KIND_LIMIT = 12
    KIND_FREEZE = 13
    KIND_CLOSE = 14
    KIND_REGISTER = 15
    KIND_CASE = 16
    KIND_CASE_CLOSE = 17
    KIND_PROPOSE = 18
    KIND_APPROVE = 19
    KIND_SHIFT = 20
    KIND_VERIFY = 21
    KIND_WITHDRAW = 22
    KIND_REQUEST = 23
    KIND_BOOKED = 24
    KIND_COMPLAINT = 25
    KIND_REPLY = 26
    KIND_BILLS = 27
    KIND_HANDED_OUT = 28
    KIND_SIGNED_OFF = 29

cdef enum:  # what a kind of row is: bits, and row/kinds.pxi has them for each kind
    TRAIT_ID = 0x00001          # has its sender's id; others are found by what they resolve
    TRAIT_ASKED = 0x00002       # may be asked for; others only the switch makes
    TRAIT_PAYMENT = 0x00004     # a citizen's: of a service, from a wallet, may be in a basket
    TRAIT_MONEY = 0x00008       # moves money: belongs to the history of its two accounts
    TRAIT_POSTED = 0x00010      # moves posted totals, whatever it does to pending ones
    TRAIT_FINAL = 0x00020       # completes a payment: has a receipt, may be refunded
    TRAIT_DEBIT = 0x00040       # changes the image of its debit
    TRAIT_CREDIT = 0x00080      # changes the image of its credit too
    TRAIT_RESOLVES = 0x00100    # ends a hold
    TRAIT_CLAIM = 0x00200       # may take a claim
    TRAIT_LINK = 0x00400        # the row that it resolves gets a link to it, of low 0
    TRAIT_REFERENCE = 0x00800   # the reference is its sender's
    TRAIT_RECORD = 0x01000      # its tail opens with a fixed record, the reference is its hash
    TRAIT_AMOUNT = 0x02000      # must be asked for with an amount, others with 0
    TRAIT_TOTAL = 0x04000       # its sender says `total`
    TRAIT_SPEAKS = 0x08000      # speaks of a row: must be asked for without accounts
    TRAIT_FILLED = 0x10000      # the ledger fills in its accounts
    TRAIT_INDEX = 0x20000       # gives an account, participant, service or complaint its index
    TRAIT_PROPOSED = 0x40000    # may be proposed; what is proposed is done only if approved
    TRAIT_APPROVED = 0x80000    # may be approved by another person
    TRAIT_LINE = 0x100000       # may be a line of a proposal

cdef enum:  # results, grouped as the checks run
    RESULT_UNSPECIFIED = 0
    RESULT_OK = 1
    # The shape is wrong: no row, not sticky.
    RESULT_INVALID_ID = 2
    RESULT_INVALID_AMOUNT = 3
    RESULT_INVALID_REFERENCE = 4
    RESULT_INVALID_OPERATOR = 5
    RESULT_INVALID_CENTRE = 6
    RESULT_INVALID_TENDER = 7
    RESULT_INVALID_HEAD = 8
    RESULT_INVALID_NOTE = 9
    RESULT_INVALID_BASKET = 10
    RESULT_INVALID_KIND = 11
    RESULT_INVALID_RECORD = 12
    RESULT_INVALID_DEADLINE = 13
    RESULT_INVALID_ACCOUNT = 14
    RESULT_INVALID_ITEMS = 15
    # The id is known with other content: no row, `field` names the difference.
    RESULT_ID_REUSED = 20
    # Too much waits for its biller: no row, and the id stays free.
    RESULT_BILLER_BUSY = 21
    # A row that it had to read is damaged: no row, nothing was done now.
    RESULT_DATA_DAMAGED = 22
    # What two people must want has no approval of that content: no row, the id stays free.
    RESULT_NOT_APPROVED = 23
    # What is said of its amount, or of the payment before it, cannot be believed: no row, the
    # id stays free.
    RESULT_QUOTATION_NEEDED = 24
    RESULT_QUOTATION_WRONG = 25
    RESULT_QUOTATION_EXPIRED = 26
    RESULT_ADDITION_WRONG = 27
    RESULT_TOO_MANY_REFUSALS = 28   # no row: its sender had too many that are rows
    RESULT_NOT_SIGNED = 29          # no row: no person who may has signed it
    # A rule refuses: a row with this result, the same answer for ever.
    RESULT_SERVICE_UNKNOWN = 30
    RESULT_SERVICE_INACTIVE = 31
    RESULT_HEAD_UNKNOWN = 32
    RESULT_AMOUNT_BELOW_MINIMUM = 33
    RESULT_AMOUNT_ABOVE_MAXIMUM = 34
    RESULT_AMOUNT_NOT_EXACT = 35
    RESULT_PERIOD_MISSING = 36
    RESULT_ACCOUNT_UNKNOWN = 37
    RESULT_ACCOUNT_KIND_WRONG = 38
    RESULT_ACCOUNTS_MUST_DIFFER = 39
    RESULT_DEBIT_CLOSED = 40
    RESULT_DEBIT_FROZEN = 41
    RESULT_CREDIT_CLOSED = 42
    RESULT_CREDIT_FROZEN = 43
    RESULT_BILL_ALREADY_CLAIMED = 44
    RESULT_PAID_RECENTLY = 45
    RESULT_DAY_COUNT_EXCEEDED = 46
    RESULT_DAY_AMOUNT_EXCEEDED = 47
    RESULT_INSUFFICIENT_FUNDS = 48
    RESULT_OVERFLOWS = 49
    RESULT_BASKET_FAILED = 50
    RESULT_HOLD_NOT_FOUND = 51
    RESULT_EXCEEDS_HOLD = 52
    RESULT_ALREADY_POSTED = 53
    RESULT_ALREADY_VOIDED = 54
    RESULT_ALREADY_EXPIRED = 55
    RESULT_PAYMENT_NOT_FOUND = 56
    RESULT_EXCEEDS_PAYMENT = 57
    RESULT_UTR_ALREADY_CREDITED = 58
    RESULT_WINDOW_NOT_FOUND = 59
    RESULT_ALREADY_SETTLED = 60
    RESULT_NET_DIFFERS = 61
    RESULT_ACCOUNT_EXISTS = 62
    RESULT_PARTICIPANT_UNKNOWN = 63
    RESULT_BALANCE_NOT_ZERO = 64
    RESULT_HOLDS_OPEN = 65
    RESULT_TABLE_FULL = 66
    RESULT_CASE_NOT_FOUND = 67
    RESULT_CASE_CLOSED = 68
    RESULT_PROPOSAL_NOT_FOUND = 69
    RESULT_SAME_PERSON = 70
    RESULT_ALREADY_APPROVED = 71
    RESULT_WINDOWS_OPEN = 72
    RESULT_CASES_OPEN = 73
    RESULT_PAYMENTS_REFUNDABLE = 74
    RESULT_ALREADY_FOLLOWED = 75
    RESULT_PAYMENT_AMOUNT_EXCEEDED = 76
    RESULT_REFERENCE_WRONG = 77
    RESULT_RULE_FIXED = 78
    RESULT_ITEM_UNKNOWN = 79
    RESULT_FEE_CHANGED = 80
    RESULT_AMOUNT_STEP_WRONG = 81
    RESULT_AMOUNT_DIFFERS = 82      # of an answer: no row of its own
    RESULT_RELEASE_NOT_PROMISED = 83
    RESULT_PROPOSAL_WITHDRAWN = 84
    RESULT_PROPOSAL_EXPIRED = 85
    RESULT_LAST_TREASURIES = 86
    RESULT_ALREADY_BOOKED = 87      # no row: the bank has said it before
    RESULT_BOOKED_DIFFERS = 88
    RESULT_STATEMENT_GAP = 89       # no row, as the next
    RESULT_NOT_BOOKED = 90
    RESULT_BENEFICIARY_WRONG = 91
    RESULT_BENEFICIARY_WAITS = 92
    RESULT_OPERATOR_UNKNOWN = 93    # no row: its centre has no such operator
    RESULT_COMPLAINT_OPEN = 94
    RESULT_COMPLAINT_NOT_FOUND = 95
    RESULT_COMPLAINT_CLOSED = 96
    RESULT_ALREADY_HANDED_OUT = 97
    RESULT_ALREADY_DONE = 98        # of a withdrawal: all that was proposed is done
    RESULT_EXCEEDS_SETTLED = 99
    RESULT_THIRD_NEEDED = 100       # no row: two wanted what makes more people approve
    RESULT_APPROVER_WAITS = 101     # no row: the same, and two are enough, but later
    RESULT_ANOTHER_ID_NEEDED = 102  # no row: too many other ids have its key in the index
    RESULT_WINDOW_EMPTY = 103       # no row: it was asked for, and nothing would be in it

cdef enum:  # the first field that differs, with RESULT_ID_REUSED
    FIELD_NONE = 0
    FIELD_KIND = 1
    FIELD_SERVICE = 2
    FIELD_AMOUNT = 3
    FIELD_REFERENCE = 4
    FIELD_OPERATOR = 5
    FIELD_DEBIT = 6         # the centre, for a payment
    FIELD_CREDIT = 7
    FIELD_TENDER = 8
    FIELD_HEAD = 9
    FIELD_BASKET = 10
    FIELD_NOTE = 11
    FIELD_RESOLVES = 12
    FIELD_CHECKER = 13
    FIELD_DEADLINE = 14
    FIELD_ITEMS = 15

cdef enum:  # account kinds
    ACCOUNT_WALLET = 1      # never below zero, pending counted, but for what it owes
    ACCOUNT_BILLER = 2      # one per head; below zero through refunds only
    ACCOUNT_FLOAT = 3       # mirror of the money in the bank: a debit balance
    ACCOUNT_SUSPENSE = 4
    ACCOUNT_SETTLEMENT = 5
    ACCOUNT_BANK = 6            # mirror of what a bank has booked, and moved by that alone
    ACCOUNT_BANK_SUSPENSE = 7   # what was booked to its credit and nothing explains yet
    ACCOUNT_BANK_TRANSIT = 8    # released and not yet booked, or booked and not explained

cdef enum:  # account states
    STATE_OPEN = 1
    STATE_FROZEN = 2
    STATE_CLOSED = 3

cdef enum:  # roles of participants
    ROLE_CENTRE = 1
    ROLE_BILLER = 2
    ROLE_TREASURY = 3
    ROLE_AUDITOR = 4
    ROLE_HARNESS = 5        # may name the centre it acts for
    ROLE_PMU = 6            # reads, and sends nothing
    ROLE_SUPPORT = 7        # likewise; a person's role is another thing
    ROLE_PUBLIC = 8         # checks receipts and reads totals that are published
    ROLES_COUNT = 9

cdef enum:  # what a register row speaks of; the first byte of its tail
    RECORD_PARTICIPANT = 1
    RECORD_SERVICE = 2
    RECORD_CLOCK = 3        # why time goes on as the wall clock has it
    RECORD_RULES = 4        # from here on these rules run
    RECORD_REVOCATION = 5   # a certificate is no longer accepted
    RECORD_CONFIRMATION = 6  # a second person stands by a revocation
    RECORD_PINS = 7         # the keys that a participant's certificates have
    RECORD_BUDGET = 8       # what a participant may use
    RECORD_PERSON = 9       # who acts for a participant, by which key
    RECORD_THRESHOLDS = 10  # from where on a third person is needed
    RECORD_BANK_ACCOUNT = 11  # an account that a bank keeps
    RECORD_STATEMENT = 12   # what one statement of it says of the lines booked before
    RECORD_BENEFICIARY = 13  # where a biller account's money is paid out to
    RECORD_SCHEDULE = 14    # when windows close by themselves
    RECORD_OPERATOR = 15    # who sits at a centre's counter, by which key
    RECORD_MARGIN = 16      # how long before its deadline nobody credits a payment any more

cdef enum:  # what a person may do; the first two act
    PERSON_MAKER = 1        # proposes
    PERSON_CHECKER = 2      # proposes, and approves what others have proposed
    PERSON_SUPPORT = 3
    PERSON_AUDITOR = 4
    PERSON_CHANNEL = 5      # a bank's connection: proposes what it has booked, and nothing else
    PERSON_RECOVERER = 6    # of an auditor: makes people of the treasury if these cannot act

cdef enum:  # StatementRecord.source: in which form a bank gave it
    SOURCE_CAMT = 1
    SOURCE_CSV = 2

cdef enum:  # what the register may allow one participant in place of its role's default
    BUDGET_PAYMENTS_PER_S = 1
    BUDGET_PAYMENTS_AT_ONCE = 2
    BUDGET_READS_PER_S = 3
    BUDGET_READS_AT_ONCE = 4
    BUDGET_FETCHES_PER_S = 5
    BUDGET_FETCHES_AT_ONCE = 6
    BUDGET_CONNECTIONS = 7
    BUDGET_CALLS = 8            # under way
    BUDGET_BYTES = 9            # that wait in all its connections
    BUDGET_FEEDS = 10
    BUDGET_WATCHES = 11
    BUDGET_REFUSALS_PER_S = 12  # that become rows, as those below
    BUDGET_REFUSALS_AT_ONCE = 13

cdef enum:
    AMOUNT_EXACT = 1
    AMOUNT_MIN_MAX = 2
    AMOUNT_ANY = 3
    AMOUNT_EXACT_AND_ABOVE = 4
    AMOUNT_EXACT_AND_BELOW = 5

cdef enum:  # who is believed about an amount
    PRICE_STATED = 0        # its sender, who needs a right to that
    PRICE_TARIFF = 1        # the register
    PRICE_BILL = 2          # the biller, in a quotation
    PRICE_OPEN = 3          # the citizen, within bounds

cdef enum:  # PaymentTail.form: the fixed part of a payment's tail
    TAIL_BILL = 1
    TAIL_TARIFF = 2

cdef enum:
    DUPLICATE_NONE = 1
    DUPLICATE_ONCE = 2
    DUPLICATE_WITHIN = 3    # same service and reference within N hours

cdef enum:  # what the reference of a `once` service is
    KEY_BILL_ID = 1
    KEY_REFERENCE_PERIOD = 2  # ends in /YYYY-MM
    KEY_REFERENCE = 3       # the citizen's, of what has no bill

cdef enum:  # what becomes of a reference's letters
    LETTERS_AS_THEY_ARE = 1
    LETTERS_UPPER = 2
    LETTERS_LOWER = 3

cdef enum:  # ServiceRecord.ignored: what a reference is read without
    IGNORED_SPACE = 0x01
    IGNORED_HYPHEN = 0x02
    IGNORED_SLASH = 0x04
    IGNORED_POINT = 0x08
    IGNORED_ZEROS = 0x10    # in front

cdef enum:  # what the last digit of a reference is
    CHECK_DIGIT_NONE = 0
    CHECK_DIGIT_LUHN = 1
    CHECK_DIGIT_VERHOEFF = 2

cdef enum:
    MODE_DIRECT = 1
    MODE_CONFIRMED = 2

cdef enum:
    POLICY_RELEASE = 1
    POLICY_KEEP = 2

cdef enum:  # what a case is about; Row.total
    CASE_LATE_CONFIRMATION = 1
    CASE_LATE_REJECTION = 2
    CASE_DEADLINE_PASSED = 3
    CASE_UNVERIFIED = 4     # the wire's: of an expire row, never of a case
    CASE_AMOUNT_DIFFERS = 5

cdef enum:  # why somebody complains; Row.total of a complaint
    REASON_NOT_CREDITED = 1
    REASON_WRONG_BILL = 2
    REASON_WRONG_AMOUNT = 3
    REASON_PAID_TWICE = 4
    REASON_NO_RECEIPT = 5
    REASON_OTHER = 6

cdef enum:  # what becomes of a complaint; Row.total of a reply
    STEP_ASKED = 1          # its biller is to answer
    STEP_ANSWERED = 2       # by that biller
    STEP_CLOSED = 3

cdef enum:  # BillsRecord.form: what a file of bills does to those before it
    BILLS_FORM_FULL = 1          # stands in their place
    BILLS_FORM_DELTA = 2         # replaces some of them, and may add to them
    BILLS_FORM_WITHDRAWAL = 3
    BILLS_FORM_ADDITION = 4      # adds to them, and replaces none

cdef enum:  # where a payment stands; the numbers are the wire's
    PAYMENT_NONE = 0        # of an outcome without a row
    PAYMENT_REFUSED = 1
    PAYMENT_HELD = 2
    PAYMENT_COMPLETED = 3
    PAYMENT_REVERSED = 4
    PAYMENT_EXPIRED = 5
    PAYMENT_REFUNDED = 6
    PAYMENT_UNKNOWN = 7     # held and asked about in vain; the core never says it
    PAYMENT_UNVERIFIED = 8  # given back, and nobody has said that the biller has no credit
    PAYMENT_KEPT = 9        # held beyond its deadline, or with amounts that differ

cdef enum:  # what a biller is asked; the numbers are the wire's, as those of answers
    QUESTION_FETCH_BILL = 1
    QUESTION_CONFIRM = 2
    QUESTION_STATUS = 3

cdef enum:
    ANSWERED_CONFIRMED = 1
    ANSWERED_REJECTED = 2
    ANSWERED_UNKNOWN = 3
    ANSWERED_NOT_SEEN = 4

cdef enum:  # Answer.bad: a text that is over-long or not printable, and was left out
    BAD_REFERENCE = 0x01
    BAD_REASON = 0x02

cdef enum:  # what became of a token that was opened
    OPENED_RIGHT = 1
    OPENED_WRONG = 2        # nothing of it may be believed
    OPENED_EXPIRED = 3      # sealed by this ledger, and too old; or fetched in the future

cdef enum:  # ShiftRecord.difference
    DIFFERENCE_NONE = 1
    DIFFERENCE_SHORT = 2
    DIFFERENCE_OVER = 3

cdef enum:  # how the citizen paid the operator
    TENDER_CASH = 0
    TENDER_UPI = 1
    TENDER_CARD = 2

cdef enum:  # Row.flags
    ROW_TAIL = 0x0001       # the chunk's tail has an item for this row
    ROW_CLAIM = 0x0002      # took a bill's claim or a UTR's; copied by what ends or refunds it
    ROW_RECENT = 0x0004     # took a claim of its citizen's reference, likewise; a booked: a UTR's
    ROW_RELEASE = 0x0008    # releases the claim of what it resolves
    ROW_UNFREEZE = 0x0010   # a freeze row that ends a freeze
    ROW_REVERSAL = 0x0010   # a booked row that takes a line of the other side back
    ROW_OWED = 0x0010       # a transfer that ends a debit, whatever its wallet has
    ROW_AS_DIRECT = 0x0020  # a confirmed service that was run as a direct one
    ROW_UNDOES = 0x0020     # a transfer that takes back what a correction has paid
    ROW_UPDATE = 0x0040     # a register row that replaces an earlier one
    ROW_THIRD = 0x0040      # a propose that a third person must approve
    ROW_MATCHED = 0x0040    # a booked row that is what its R waited for
    ROW_CASE = 0x0040       # a case that puts a payment in question, a transfer that ends that
    # A hold that its deadline does not release; a case that keeps its hold; a post or void of
    # a hold that was kept.
    ROW_KEEP = 0x0080
    # A propose that recoverers signed, its approve, and the register rows of its lines.
    ROW_RECOVERY = 0x0080
    # A post, void, verify or case that a biller's answer made; a propose that a channel signed.
    ROW_EVIDENCE = 0x0100
    ROW_HEAD_SHIFT = 9      # bits 9-11: index of the head within the service
    ROW_HEAD_MASK = 0x0E00
    ROW_TENDER_SHIFT = 12   # bits 12-13
    ROW_TENDER_MASK = 0x3000
    ROW_STATED = 0x4000     # its sender stated the amount due
    ROW_PARTIAL = 0x8000    # a hold whose claim ends when it is posted or corrected
