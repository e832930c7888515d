# What the core writes and what it keeps in memory, declared once.
#
# Rows, chunks, account images, records and bounds; codes are in codes.pxd. Everything that reaches
# a disk is little-endian, naturally aligned and has no hidden padding; the module
# refuses to load if a size differs. NumPy's dtypes are derived from these structs.
# May use nothing but C types. docs/data-model.md says the same in prose.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t


# --- bounds ---------------------------------------------------------------------

cdef enum:
    GROUP_MAX = 8190            # rows in one group, expiries included
    BASKET_MIN = 2
    BASKET_MAX = 16
    REFERENCE_SIZE = 32
    PATTERN_MAX = 64            # bytes of a pattern of references
    PATTERN_COUNT_MAX = 32      # characters that one element of it takes
    NOTE_MAX = 64               # bytes of a payment's note
    ANSWERS_MAX = 8190          # answers in one message of a biller
    QUESTIONS_MAX = 8190        # holds that one message asks about; baskets count once
    CODE_MAX = 32               # bytes of a participant id
    SERVICE_CODE_MAX = 16
    HEADS_MAX = 8               # heads of account of one service
    TAIL_ITEM_MAX = 262144      # bytes of one tail item, but for a window's
    TAIL_MAX = 4194304          # bytes of one chunk's tail
    TARIFF_ITEMS_MAX = 64
    OPEN_AMOUNT_LEAST = 100     # paise: the least that a citizen can say
    HOURS_MAX = 8784            # of `duplicate_hours` and `answer_hours`: a leap year
    ITEMS_MAX = 4
    ITEM_COUNT_MAX = 9999
    FIXED_TAIL_SIZE = 56      # of the fixed part of a payment's tail
    TAKERS_MAX = 16             # of a reference claim that are looked at, the newest first
    # What a propose asks for is a kind, or one of these.
    PROPOSE_ADVANCE = 264       # a transfer ahead of the biller's answer
    PROPOSE_LINES = 512         # rows of the treasury, as its tail lists them
    HANDLE_SIZE = 24            # what names the payment that another is in addition to
    TOKEN_KEYS_MAX = 2          # keys of quotations that are accepted
    TOKEN_KEY_SIZE = 32
    TOKEN_PERIOD_MAX = 119999   # the last month of the year 9999
    SEGMENT_ACCOUNTS = 512
    HOLD_PIECES = 64            # of the list of open holds, by the hold's sequence
    TURN_STEPS_MAX = 8          # what has changed is written within so many index steps
    ACCOUNTS_MAX = 2097152
    BILLER_ACCOUNTS_MAX = 65000  # a window that lists them all leaves room in a tail
    PARTICIPANTS_MAX = 1048576
    SERVICES_MAX = 65536        # indices of 16 bits, the unused 0 included
    DEADLINE_MAX_S = 2678400    # 31 days
    SINGLE_RECORDS_MAX = 2      # of rules or thresholds there is one, and the unused 0
    PEOPLE_MAX = 4096           # with 0; they are looked through one by one
    OPERATORS_MAX = 65536       # with 0; found by number and by key
    COMPLAINTS_MAX = 1048576    # with 0: one payment in a hundred for thirty years
    BILLS_COUNT_MAX = 1048576   # lines of one file of bills
    LINES_MAX = 8000            # of one proposal
    LINES_SIZE_MAX = 2600000    # bytes of its tail item, as a window may have
    LINE_TAIL_MAX = 65536       # bytes of one line
    PROPOSALS_DAY_MAX = 256     # of one person on an IST day: their amounts are added up
    BANK_ACCOUNTS_MAX = 256     # with 0; they are looked through one by one
    BANK_PURPOSE_LEAST = 16     # of a bank account's first account in the ledger; two follow
    BANK_PURPOSE_MOST = 65533
    BANK_NUMBER_MAX = 34        # characters of a bank's number for an account
    BANK_NUMBER_SIZE = 40       # bytes that it is kept in
    STATEMENT_DAY_MAX = 65535   # days since 1970-01-01
    BENEFICIARIES_MAX = 65536   # with 0: one for each biller account
    BENEFICIARY_WAIT_S = 86400  # where the thresholds say no other
    WAIT_MAX_S = 2678400        # 31 days: the longest that they may say
    APPROVERS_ENOUGH = 3        # who may approve: so many, and nobody else is needed
    RECOVERERS_FIRST = 2        # of those with whom a ledger begins
    APPROVER_WAIT_DAYS = 7      # of who would approve, where the thresholds say no other
    APPROVER_WAIT_DAYS_MAX = 21  # the longest that they may say: less than PROPOSAL_LIFE_NS
    IFSC_SIZE = 11              # characters of an IFSC
    CUTOFFS_MAX = 8             # of a schedule, in a day
    HOLIDAYS_MAX = 512          # likewise, in all
    MARGINS_MAX = 4096          # billers with a margin of their own
    MARGIN_LEAST_MS = 10
    MARGIN_MOST_MS = 3600000
    BOOKED_TAIL_MAX = 1024      # bytes of what a bank wrote about one line, for people
    REQUESTS_DAY_MAX = 64       # for one wallet on an IST day: they are listed
    SIGNATURE_SIZE = 64         # Ed25519 (RFC 8032)
    NOTED_MAX = 65536           # revocations, confirmations, pins, budgets: of each, with 0
    TREASURIES_LEAST = 2        # that no row takes out
    SERIAL_MAX = 20             # bytes of a certificate's serial number (RFC 5280)
    PINS_MAX = 2                # keys of one participant, the old and the new
    INDEX_STEP_ROWS = 131072    # rows that one index step covers
    INDEX_LAG_MAX = 1048576     # rows; then the committer waits
    RUN_FANOUT = 8              # runs of one level that merge into the next
    POSTINGS_LINKS = 3          # links from one entry of the postings to earlier ones
    POSTINGS_BLOCK_BITS = 5     # a block is 32 steps, a block of blocks 1,024
    POSTINGS_MARK = 64          # an account's totals stand behind so many of its postings
    ENTRY_LOW_BITS = 24         # of a map's key, behind the 64 of `high`
    ENTRY_VALUE_BITS = 40       # of an entry's value: twice a sequence fits

cdef enum:
    JOURNAL_FORMAT = 5
    INDEX_FORMAT = 12
    RULES_VERSION = 20          # the rules of this code; one more for each change of them
    LIMIT_RULES = 14            # the first by which a limit is found by its account
    SETTLED_RULES = 17          # the first whose images say what was settled and paid out
    RECOVERY_RULES = 19         # the first by which approvals are found, and recoverers known
    TOKEN_FORMAT = 1
    CHUNK_MAGIC = 0x314B4843    # "CHK1"
    INDEX_MAGIC = 0x31584449    # "IDX1"
    INDEX_FRONT_SIZE = 32       # of its head: what lies at the same place in every format
    SEGMENT_MAGIC = 0x31474553  # "SEG1"
    HOLDS_MAGIC = 0x31444C48    # "HLD1"
    POSTINGS_MAGIC = 0x31545350  # "PST1"
    IST_OFFSET_S = 19800        # UTC+05:30

# Larger than an enum's int.
cdef extern from *:
    """
    #define AMOUNT_MAX 1000000000000000000ULL  /* paise; fits a signed 64-bit too */
    #define CHANNEL_AMOUNT_MAX 1000000000000000ULL  /* paise of one proposal of a channel */
    #define NO_AMOUNT_LIMIT 0xFFFFFFFFFFFFFFFFULL
    #define NO_COUNT_LIMIT 0xFFFFFFFFU
    #define OPERATOR_NOBODY 0x100000000ULL  /* nobody is signed on; no operator's number */
    #define LINK_CORRECTION (1ULL << 22)  /* of a hold: the transfer that pays it after all */
    #define LINK_CASE (1ULL << 22)  /* plus its type: of a hold */
    #define LINK_VERIFY ((1ULL << 22) + 16)  /* of a hold */
    #define LINK_ADVANCE ((1ULL << 22) + 17)  /* of a hold: the transfer ahead of its end */
    #define LINK_RECOVERY ((1ULL << 22) + 18)  /* of an advance */
    #define LINK_UNDOING ((1ULL << 22) + 24)  /* of a hold: what undoes its correction */
    #define LINK_ENDING ((1ULL << 22) + 19)  /* of an open item: the transfer that ends it */
    #define LINK_MATCHED ((1ULL << 22) + 20)  /* of a request or release: booked or recall */
    #define LINK_PAYOUT ((1ULL << 22) + 21)  /* of a beneficiary's row: what it was paid */
    #define LINK_COMPLAINT ((1ULL << 22) + 22)  /* of a payment: the newest about it */
    #define LINK_HANDED_OUT ((1ULL << 22) + 23)  /* of a refund, or what ended a hold */
    #define LINK_SHIFT (1ULL << 23)  /* of a shift: the next; plus 1: of nothing, the first */
    #define LINK_FREEZE ((1ULL << 23) + 2)  /* of an account, in a ledger with people */
    #define LINK_BILLS ((1ULL << 23) + 3)  /* of a service: what was put in, and no addition */
    #define LINK_LIMIT ((1ULL << 23) + 4)  /* of an account, in a ledger with people */
    #define LINK_ADDITION ((1ULL << 23) + 5)  /* of a service: what was put in and only adds */
    #define LINK_MARGIN ((1ULL << 23) + 6)  /* of nothing: the newest margin */
    #define LINK_APPROVED ((1ULL << 23) + 7)  /* of nothing: approvals of the treasury */
    #define LINK_PROPOSALS ((1ULL << 23) + 65536)  /* of a person: plus the IST day */
    #define LINK_REQUESTS ((1ULL << 23) + 131072)  /* of a wallet: plus the IST day */
    #define NEVER 0xFFFFFFFFFFFFFFFFULL  /* when a hold is due that is kept */
    #define UNVERIFIED 0xFFFFFFFFFFFFFFFDULL  /* when one is due that is unverified */
    #define PROPOSAL_LIFE_NS 2592000000000000ULL  /* 30 days: then it is not approved any more */
    #define RECOVERY_WAIT_NS 2592000000000000ULL  /* 30 days in which all see a recovery */
    #define RECOVERY_LIFE_NS 5184000000000000ULL  /* 60 days: then it is not done any more */
    #define REQUEST_LIFE_NS 2592000000000000ULL  /* 30 days: then nothing matches it any more */
    #define TOKEN_LIFE_MAX_NS 86400000000000ULL  /* a day: no quotation is older */
    """
    const uint64_t AMOUNT_MAX
    const uint64_t CHANNEL_AMOUNT_MAX
    const uint64_t NO_AMOUNT_LIMIT
    const uint32_t NO_COUNT_LIMIT
    const uint64_t OPERATOR_NOBODY
    const uint64_t LINK_CORRECTION
    const uint64_t LINK_CASE
    const uint64_t LINK_VERIFY
    const uint64_t LINK_ADVANCE
    const uint64_t LINK_RECOVERY
    const uint64_t LINK_UNDOING
    const uint64_t LINK_ENDING
    const uint64_t LINK_MATCHED
    const uint64_t LINK_PAYOUT
    const uint64_t LINK_COMPLAINT
    const uint64_t LINK_HANDED_OUT
    const uint64_t LINK_SHIFT
    const uint64_t LINK_FREEZE
    const uint64_t LINK_BILLS
    const uint64_t LINK_LIMIT
    const uint64_t LINK_ADDITION
    const uint64_t LINK_MARGIN
    const uint64_t LINK_APPROVED
    const uint64_t LINK_PROPOSALS
    const uint64_t LINK_REQUESTS
    const uint64_t NEVER
    const uint64_t UNVERIFIED
    const uint64_t PROPOSAL_LIFE_NS
    const uint64_t RECOVERY_WAIT_NS
    const uint64_t RECOVERY_LIFE_NS
    const uint64_t REQUEST_LIFE_NS
    const uint64_t TOKEN_LIFE_MAX_NS


# --- the journal ------------------------------------------------------------------

cdef struct Row:                # 128 bytes
    uint8_t id[16]              # chosen by the client; zero on the switch's own rows
    uint64_t sequence           # from 1, without gaps
    uint64_t timestamp          # ns UTC, strictly increasing
    uint64_t amount             # paise
    uint64_t resolves           # sequence of the row this one resolves, or 0
    # Printable ASCII, zero-padded, of a payment the canonical one; or BLAKE2b-256 of a tail.
    uint8_t reference[32]
    uint32_t debit              # account index, or the account/record spoken of
    uint32_t credit             # account index
    uint32_t receipt            # number within the wallet's financial year, or 0
    uint32_t operator_          # the operator's number at the centre
    uint32_t checker            # who approved, for treasury rows
    uint32_t participant        # who sent it; 0 is the switch
    uint16_t service            # service index, or 0
    uint8_t kind
    uint8_t result
    uint16_t flags
    uint16_t basket             # size << 8 | index, or 0
    # refund: paise refunded of R so far; case: its type; propose: what is asked for;
    # complaint: its reason; reply: its step; what was proposed, but a refund: its
    # proposal; refused: the row in the way
    uint64_t total
    uint32_t deadline           # seconds after timestamp, for a hold
    uint32_t check              # CRC-32C of the 124 bytes before

cdef struct Chunk:              # 64 bytes, then the rows, then the tail
    uint32_t magic
    uint16_t format
    uint16_t reserved_0
    uint32_t rows_count
    uint32_t tail_size
    uint64_t first_sequence
    uint8_t instance[16]
    uint64_t epoch
    uint64_t ordinal            # of the chunk: 1, 2, 3 ...
    uint32_t previous           # the check of the chunk before, 0 for the first
    uint32_t check              # CRC-32C(60 bytes before, row checks, tail), from previous

cdef struct TailItem:           # 8 bytes, then the bytes, zero-padded to 8
    uint32_t size               # of the bytes, without padding
    uint32_t check              # CRC-32C(instance, the row's sequence, size, the bytes)


# --- records: the fixed head of a tail item; UTF-8 JSON for people follows ---------

cdef struct AccountRecord:      # 32 bytes, tail of an `open` row
    uint32_t participant        # owner
    uint16_t purpose            # 0 is the participant's main account
    uint8_t kind
    uint8_t reserved[25]

cdef enum:  # LimitRecord.form: how far the record goes
    LIMIT_DAY = 0               # up to its reserved bytes
    LIMIT_PAYMENT = 1           # with payment_max
    LIMIT_LOW = 2               # and low_balance
    LIMIT_DAY_SIZE = 16
    LIMIT_PAYMENT_SIZE = 24

cdef struct LimitRecord:        # 32 bytes, tail of a `limit` row; fewer of an earlier form
    uint64_t day_amount_max     # paise, NO_AMOUNT_LIMIT for none
    uint32_t day_count_max      # NO_COUNT_LIMIT for none
    uint8_t form
    uint8_t reserved[3]
    uint64_t payment_max        # paise of one payment, NO_AMOUNT_LIMIT for none
    uint64_t low_balance        # paise, below which a wallet is low; 0: none

cdef struct ParticipantRecord:  # 64 bytes, tail of a `register` row
    uint8_t record              # RECORD_PARTICIPANT
    uint8_t role
    uint8_t active
    uint8_t reserved_0[5]
    uint8_t code[32]            # [a-z0-9-]{1,32}, zero-padded
    uint8_t may_state_dues      # it is believed about what a bill comes to
    uint8_t never_credits_late  # a biller's word: nothing is credited after the last moment
    uint8_t signs_on            # a centre's: its operators are registered, and named in rows
    uint8_t reserved_1[1]
    uint16_t answer_hours       # a biller's, to answer a complaint; 0: as all have
    uint8_t reserved_2[18]

cdef struct ServiceRecord:      # 256 bytes, tail of a `register` row; then items_count TariffItem
    uint8_t record              # RECORD_SERVICE
    uint8_t amount_rule
    uint8_t mode
    uint8_t duplicate_rule
    uint8_t key_rule            # 0 unless the duplicate rule is `once`
    uint8_t deadline_policy
    uint8_t active
    uint8_t heads_count         # 1 to HEADS_MAX
    uint8_t code[16]            # [A-Z0-9-]{1,16}, zero-padded
    uint64_t amount_min         # paise
    uint64_t amount_max         # paise, 0 for none
    uint32_t duplicate_hours    # for `within`, and for other bills of one reference
    uint32_t deadline_s         # for `confirmed`
    uint32_t biller             # participant index
    uint32_t heads[8]           # account indices; the first is the default
    uint8_t price_rule
    uint8_t letters
    uint8_t ignored             # IGNORED_*
    uint8_t check_digit
    uint8_t items_count         # of a tariff
    uint8_t reserved_0
    uint16_t series             # service whose bills these are too; 0: its own
    uint8_t reserved_1[4]
    uint64_t amount_step        # paise, 0 for none
    uint8_t reserved_2[24]
    uint8_t pattern[64]         # of the canonical reference, zero-padded; empty: any
    uint8_t reserved_3[64]

cdef struct TariffItem:         # 24 bytes, in the order of code and valid_from
    uint8_t code[8]             # [A-Z0-9-]{1,8}, zero-padded
    uint64_t fee                # paise of one
    uint32_t valid_from         # IST day, days since 1970-01-01
    uint32_t reserved

cdef struct BillTail:           # 56 bytes, first in the tail of a payment of a bill
    uint8_t reference[32]       # the citizen's, canonical, zero-padded
    uint64_t amount_due         # paise
    uint64_t fetched            # ns, 0 if it was stated
    uint32_t period             # year x 12 + month - 1, 0 for none
    uint16_t due_day            # IST day, 0 for none
    uint8_t amount_rule
    uint8_t form                # TAIL_BILL

cdef struct ItemLine:           # 12 bytes
    uint8_t code[8]
    uint32_t count

cdef struct TariffTail:         # 56 bytes, likewise of one by tariff
    ItemLine items[4]           # ITEMS_MAX
    uint8_t reserved[6]
    uint8_t items_count
    uint8_t form                # TAIL_TARIFF

cdef struct ShiftRecord:        # 64 bytes, tail of a `shift` row
    uint64_t after_sequence     # rows after this one belong to the shift
    uint64_t payments_amount    # paise
    uint64_t refunds_amount
    uint64_t cash_expected
    uint64_t cash_counted
    uint32_t payments_count
    uint32_t refunds_count
    uint32_t open_count         # payments of it that were held when it was closed
    uint32_t operator_
    uint8_t difference          # DIFFERENCE_*
    uint8_t reserved[7]

cdef struct RulesRecord:        # 8 bytes, tail of a `register` row
    uint8_t record              # RECORD_RULES
    uint8_t reserved[3]
    uint32_t version

cdef struct RevocationRecord:   # 64 bytes, tail of a `register` row
    uint8_t record              # RECORD_REVOCATION
    uint8_t serial_size         # 1 to SERIAL_MAX
    uint8_t reserved_0[2]
    uint32_t participant        # whose certificate it is; one of another is not meant
    uint8_t authority[32]       # SHA-256 of the issuer's name in DER
    uint8_t serial[20]          # big-endian, no zero in front, zero-padded behind
    uint8_t reserved_1[4]

cdef struct ConfirmationRecord:  # 8 bytes, tail of a `register` row
    uint8_t record              # RECORD_CONFIRMATION
    uint8_t reserved[3]
    uint32_t revocation         # its index

cdef struct PinsRecord:         # 72 bytes, tail of a `register` row
    uint8_t record              # RECORD_PINS
    uint8_t count               # 0 to PINS_MAX; 0: any key
    uint8_t reserved[2]
    uint32_t participant
    uint8_t pins[64]            # SHA-256 of public keys in DER (SPKI), the unused zero

cdef struct BudgetRecord:       # 16 bytes, tail of a `register` row
    uint8_t record              # RECORD_BUDGET
    uint8_t budget              # BUDGET_*
    uint8_t reserved[2]
    uint32_t participant
    uint64_t value              # in place of its role's default; 0: that again

cdef struct PersonRecord:       # 48 bytes, tail of a `register` row
    uint8_t record              # RECORD_PERSON
    uint8_t role                # PERSON_*
    uint8_t active
    uint8_t reserved_0[1]
    uint32_t participant        # for whom it acts
    uint32_t number             # as `operator_` of rows
    uint32_t bank               # of a channel: index of its bank account, or 0
    uint8_t key[32]             # Ed25519 public key

cdef struct ThresholdsRecord:   # 32 bytes, tail of a `register` row; paise, more needs three
    uint8_t record              # RECORD_THRESHOLDS
    uint8_t wait_days           # of who would approve, by two; 0: APPROVER_WAIT_DAYS
    uint8_t reserved[2]
    uint32_t wait_s             # of a beneficiary before its first payout; 0: BENEFICIARY_WAIT_S
    uint64_t single             # one amount
    uint64_t batch              # one proposal
    uint64_t day                # one person's proposals of an IST day

cdef struct BankAccountRecord:  # 56 bytes, tail of a `register` row
    uint8_t record              # RECORD_BANK_ACCOUNT
    uint8_t active
    uint8_t reserved_0[2]
    uint32_t participant        # owner of its three accounts in the ledger
    uint16_t purpose            # of the first of these; the others have the next two
    uint8_t reserved_1[6]
    uint8_t account[40]         # the bank's number: [A-Z0-9]{1,34}, zero-padded

cdef struct StatementRecord:    # 48 bytes, tail of a `register` row
    uint8_t record              # RECORD_STATEMENT
    uint8_t source              # SOURCE_*
    uint8_t reserved[2]
    uint32_t bank               # index of the bank account
    uint32_t number             # the bank's, 0 for none
    uint32_t first_day          # by the bank, days since 1970-01-01
    uint32_t last_day
    uint32_t lines_count        # booked lines before it in its proposal
    int64_t opening             # paise, in favour of the account's owner
    int64_t closing
    uint8_t name[8]             # of the BLAKE2b-256 of the bank's name for it, the first 8 bytes

cdef struct BeneficiaryRecord:  # 64 bytes, tail of a `register` row
    uint8_t record              # RECORD_BENEFICIARY
    uint8_t active
    uint8_t reserved[2]
    uint32_t account            # the biller account whose money it is
    uint8_t number[40]          # of its owner's account at a bank: [A-Z0-9]{1,34}, zero-padded
    uint8_t ifsc[16]            # that bank's branch: [A-Z]{4}0[A-Z0-9]{6}, zero-padded

cdef struct ScheduleRecord:     # 24 bytes, tail of a `register` row; then its holidays, u16
    uint8_t record              # RECORD_SCHEDULE
    uint8_t weekdays            # bit 0 is Monday
    uint8_t cutoffs_count
    uint8_t reserved_0[1]
    uint16_t holidays_count     # days since 1970-01-01, ascending
    uint8_t reserved_1[2]
    uint16_t cutoffs[8]         # CUTOFFS_MAX: minutes of the IST day, ascending

cdef struct OperatorRecord:     # 48 bytes, tail of a `register` row
    uint8_t record              # RECORD_OPERATOR
    uint8_t active
    uint8_t reserved_0[2]
    uint32_t participant        # the centre at whose counter it sits
    uint32_t number             # as `operator_` of rows
    uint8_t reserved_1[4]
    uint8_t key[32]             # Ed25519 public key

cdef struct MarginRecord:       # 16 bytes, tail of a `register` row; then BillerMargin, count
    uint8_t record              # RECORD_MARGIN
    uint8_t reserved_0[3]
    uint32_t margin_ms          # of all billers but those that follow
    uint32_t count              # at most MARGINS_MAX, ascending by code
    uint8_t reserved_1[4]

cdef struct BillerMargin:       # 40 bytes
    uint8_t code[32]            # the biller's participant id, zero-padded
    uint32_t margin_ms
    uint8_t reserved[4]

cdef struct BillsRecord:        # 64 bytes, tail of a `bills` row
    uint8_t form                # BILLS_FORM_*
    uint8_t reserved_0[3]
    uint32_t count              # lines of the file
    uint64_t amount             # paise, of all of them
    uint8_t hash[32]            # BLAKE2b-256 of their canonical form
    uint8_t reserved_1[16]

cdef struct ProposedLine:       # 64 bytes, then tail_size bytes, zero-padded to 8
    uint8_t kind
    uint8_t reserved
    uint16_t flags              # ROW_UNFREEZE of a freeze, ROW_REVERSAL, ROW_OWED
    uint32_t tail_size          # at most LINE_TAIL_MAX
    uint64_t amount
    uint64_t resolves
    uint32_t debit
    uint32_t credit
    uint8_t reference[32]

cdef struct WindowLine:         # 40 bytes, the tail of a `window` row is a list of them
    uint32_t account
    uint32_t reserved
    uint64_t debits             # posted in the window, without settlements
    uint64_t credits
    uint64_t carried            # what the biller owed from earlier windows
    uint64_t payable            # max(0, credits - debits - carried): what settles


cdef struct Quotation:          # 144 bytes: a token, on no disk; sealed over the first 128
    uint8_t format              # TOKEN_FORMAT
    uint8_t key                 # number of the key that sealed it, 1 to 255
    uint8_t head                # index of the head within the service
    uint8_t amount_rule         # exact, exact-and-above or exact-and-below
    uint32_t centre             # participant index of who fetched it
    uint16_t service            # service index
    uint16_t series             # service index that names the bill's series
    uint32_t period             # year x 12 + month - 1, 0 for none
    uint8_t reference[32]       # canonical, printable ASCII, zero-padded
    uint8_t bill[32]            # the bill's id, likewise, or zero
    uint64_t amount_due         # paise
    uint64_t fetched            # ns, when the biller was asked
    uint64_t valid_until        # ns: from then on it is expired
    uint64_t due_time           # ns, 0 for none
    uint8_t reserved[16]
    uint8_t seal[16]            # keyed BLAKE2b of all before


# --- derived state ------------------------------------------------------------------

cdef struct Account:            # 184 bytes; index 0 is nobody's
    uint64_t debits_pending     # reserved by holds not yet resolved
    uint64_t debits_posted      # final
    uint64_t credits_pending
    uint64_t credits_posted
    uint64_t day_amount         # paise paid and held on `day`
    uint64_t day_amount_max
    uint64_t period_debits      # posted since the last window, without settlements
    uint64_t period_credits
    uint64_t carried            # biller: negative net of closed windows, as a positive
    uint64_t opened             # sequence of its `open` row
    uint64_t changed            # sequence of the last row that changed it
    uint32_t day                # IST day, days since 1970-01-01
    uint32_t day_count
    uint32_t day_count_max
    uint32_t receipt            # last number given in `year`
    uint32_t participant        # owner
    uint32_t holds_count        # open holds that debit or credit it
    uint16_t year               # financial year, by the calendar year it began in
    uint16_t purpose
    uint8_t kind
    uint8_t state
    uint16_t reserved
    uint64_t refundable         # payments from or to it, less what was refunded of them
    uint64_t payment_max        # wallet: paise of one payment
    uint64_t kept_amount        # paise of those of its open holds that are kept
    uint32_t kept_count         # how many these are
    uint32_t cases_count        # payments of it in question, and advances not recovered
    uint64_t low_balance        # wallet: paise below which it is low, 0 for none
    uint64_t low_since          # wallet: sequence of the row with which it became so, or 0
    uint64_t settled            # biller: paise that settlements have moved from it, ever
    uint64_t paid_out           # biller: to its beneficiary, less what was recalled

cdef struct Segment:            # 32 bytes, then SEGMENT_ACCOUNTS account images
    uint32_t magic
    uint32_t number             # accounts number * 512 ...
    uint64_t as_of              # sequence up to which rows are applied
    uint32_t reserved[3]
    uint32_t check              # CRC-32C(28 bytes before, images)

cdef struct HoldsHead:          # 24 bytes, then the open and unverified holds of one piece
    uint32_t magic
    uint32_t number             # holds whose sequence leaves it when divided by HOLD_PIECES
    uint64_t as_of              # sequence up to which rows are applied
    uint32_t count
    uint32_t check              # CRC-32C(20 bytes before, holds)

cdef struct Entry:              # 16 bytes: one entry of the ids, claims and links maps
    uint64_t high               # of the key
    uint64_t rest               # low of the key << ENTRY_VALUE_BITS | value

cdef inline uint64_t entry_low(const Entry* entry) noexcept nogil:
    return entry.rest >> ENTRY_VALUE_BITS

cdef inline uint64_t entry_value(const Entry* entry) noexcept nogil:
    return entry.rest & ((<uint64_t>1 << ENTRY_VALUE_BITS) - 1)

cdef struct Totals:             # 32 bytes, paise
    uint64_t debits_pending
    uint64_t debits_posted
    uint64_t credits_pending
    uint64_t credits_posted

cdef struct PostingsHead:       # 40 bytes, then accounts_count PostingsAccount, then words
    uint32_t magic
    uint32_t accounts_count
    uint64_t first_sequence     # rows first_sequence ... last_sequence
    uint64_t last_sequence
    uint32_t words_count        # u32s behind the accounts
    uint32_t reserved[2]
    uint32_t check              # CRC-32C(36 bytes before), seeded with the instance's

cdef struct PostingsLink:       # 8 bytes: where an account's entry stands
    uint32_t step               # number of the index step + 1; 0 is nowhere
    uint32_t place              # which of that step's PostingsAccount

cdef struct PostingsAccount:    # 80 bytes, sorted by account
    uint32_t account
    uint32_t count              # of its postings
    uint32_t offset             # of its first posting, counted in words
    uint32_t words_check        # CRC-32C(its postings and marks)
    Totals totals               # after last_sequence
    # Its last entries with postings before this step, before this step's block of
    # POSTINGS_BLOCK steps, and before this step's block of POSTINGS_BLOCK squared.
    PostingsLink links[POSTINGS_LINKS]
    uint32_t reserved
    uint32_t check              # CRC-32C(76 bytes before), seeded with instance and step
