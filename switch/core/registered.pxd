# What a ledger keeps in memory of its register, and of what people have proposed.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from switch.core.layout cimport (
    Row, ScheduleRecord, ServiceRecord, TariffItem, HOLIDAYS_MAX, LINES_MAX, TARIFF_ITEMS_MAX,
)

cdef struct Participant:
    uint8_t code[32]
    uint64_t sequence         # of its current register row
    uint64_t durable          # the same, as published
    uint32_t wallet           # account index, 0 if it has none
    uint8_t role
    uint8_t active
    uint8_t may_state_dues
    uint8_t never_credits_late
    uint8_t signs_on
    uint16_t answer_hours
    uint32_t holds            # open ones that credit an account of it, kept ones left out
    uint32_t holds_below      # where these stay as payments come in messages, 0: no bound;
    # any thread sets it, under the lock
    uint32_t pins             # index of its pins, 0 if it has none
    uint32_t budgets          # index of the first of its budgets, 0 if it has none
    uint32_t unconfirmed      # revocations of its certificates
    uint32_t operators        # index of the newest of its operators, 0 if it has none
    uint64_t refusals_per_s   # its own, before its role's; 0: it has none
    uint64_t refusals_at_once  # likewise
    uint64_t refused_until    # ns: when what was recorded of its refusals is paid off

cdef struct Noted:            # a revocation, a confirmation, pins, or a budget
    uint64_t sequence         # of its current register row
    uint64_t durable          # the same, as published
    uint32_t participant      # whose certificate, pins, or budget
    uint32_t sender
    uint32_t operator_        # of its sender: in a ledger with people its person
    uint32_t next             # index of another budget of its participant, 0 behind the last
    uint8_t confirmed
    uint8_t budget            # BUDGET_*

cdef struct NotedTable:       # all of one kind of record, the unused 0 included
    Noted* at
    uint32_t count

cdef struct Person:
    uint64_t sequence         # of its current register row
    uint64_t durable          # the same, as published
    uint32_t participant
    uint32_t number           # as `operator_` of rows
    uint32_t bank             # of a channel: index of its bank account, or 0
    uint8_t role              # PERSON_*; 0: nobody's place in the table
    uint8_t active
    uint8_t key[32]

cdef struct Operator:         # at a centre's counter
    uint64_t sequence         # of its current register row
    uint64_t durable          # the same, as published
    uint32_t participant
    uint32_t number           # as `operator_` of rows
    uint32_t next             # index of another operator of its centre, 0 behind the last
    uint8_t active
    uint8_t key[32]

cdef struct Complaint:        # about a payment
    uint64_t sequence         # of the newest row about it
    uint64_t durable          # the same, as published
    uint8_t step              # STEP_* of that row, 0 of the complaint itself

cdef struct Thresholds:       # paise; what is more needs a third person
    uint64_t sequence         # of the register row, 0 before the first
    uint64_t durable          # the same, as published
    uint64_t single
    uint64_t batch
    uint64_t day
    uint32_t wait_s           # of a beneficiary; 0: BENEFICIARY_WAIT_S
    uint8_t wait_days         # of who would approve; 0: APPROVER_WAIT_DAYS

cdef struct Schedule:         # when windows close by themselves
    uint64_t sequence         # of the register row, 0 before the first
    uint64_t durable          # the same, as published
    ScheduleRecord record
    uint16_t holidays[HOLIDAYS_MAX]

cdef struct BankAccount:      # of the register
    uint64_t sequence         # of its current register row
    uint64_t durable          # the same, as published
    uint64_t statement        # the row of its last statement, 0 before the first
    uint64_t statement_durable  # the same, as published
    int64_t closing           # of that statement: paise, in favour of the account's owner
    uint32_t last_day
    uint32_t number           # the bank's, of that statement
    uint32_t participant
    uint16_t purpose          # of its account of kind bank; the other two have the next
    uint8_t active
    uint8_t account[40]       # the bank's number; zeros: nobody's place in the table

cdef struct Beneficiary:      # of a biller account
    uint64_t sequence         # of its current register row
    uint64_t durable          # the same, as published
    uint8_t active

cdef struct Proposed:         # the proposal of lines that a row of this group asked for last
    uint64_t sequence         # 0: none in this group
    Row asked
    Row approval              # the last that it needed; of a channel's itself, by nobody
    const uint8_t* tail
    uint32_t[LINES_MAX] offsets  # of its lines, in the tail
    uint32_t count
    uint8_t name[32]          # what the ids of their rows begin with, 12 bytes of it
    uint8_t stands            # that it may be done was found, and nothing since has changed that

cdef struct Acted:            # approvals of the treasury that were looked at
    uint64_t after            # all behind this row,
    uint64_t upto             # the newest of them, 0: none was looked at
    uint64_t named            # the newest row that one of them names, or 0

cdef struct RefusalBudget:    # of one role, for each of its participants
    uint32_t per_s            # 0: no bound
    uint32_t at_once

cdef struct Service:
    uint8_t ruled             # references have a form; what else is asked of each payment
    ServiceRecord record      # stands behind it at the beginning
    uint64_t sequence
    uint64_t durable
    uint64_t renewed          # when a file of bills did more than add, 0: never
    uint8_t files_known       # that was looked up, and no file has come since
    uint8_t spelling[128]     # what becomes of each character of a reference; 0: left out
    TariffItem items[TARIFF_ITEMS_MAX]

cdef struct Fixed:            # what of a service never changes (RULE_FIXED)
    uint16_t series           # the service that names its bills' series; 0: not registered
    uint8_t price_rule
    uint8_t reserved
