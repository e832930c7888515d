# What is answered, in memory: to one requested row, and by a biller to one question.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef struct Outcome:            # 80 bytes: the answer to one requested row
    uint64_t sequence           # of the row that holds the answer, 0 if there is none
    uint64_t timestamp
    uint64_t balance            # wallet: posted credits less posted debits
    uint64_t pending            # wallet: reserved by open holds
    uint64_t other              # sequence of the row in the way, or 0
    uint8_t other_id[16]        # and its id
    uint32_t receipt
    uint32_t index              # account, participant, service or complaint that was made
    uint16_t year               # financial year of the receipt
    uint8_t result
    uint8_t repeat              # 1 if this answer was given before
    uint8_t field               # FIELD_*, with RESULT_ID_REUSED
    uint8_t state               # PAYMENT_*, of a payment that has a row; of a repeat: now
    uint8_t foreign             # the row in the way is of another sender and another wallet
    uint8_t reserved[9]

cdef struct Answer:             # 120 bytes, in memory: what a biller answered to one question
    uint64_t number             # of the question; of payments the hold's sequence
    uint64_t sent_ns            # of a question whose payment the biller has not seen: when it left
    uint64_t amount             # paise that it says it credited, of a basket the sum
    uint8_t id[16]              # zero unless the answer has one of 16 bytes
    uint8_t biller_reference[32]  # texts are zero-padded
    uint8_t reason[32]
    uint32_t bills_count        # how many it has; what is in them is not read here
    uint32_t at                 # where the bytes of its message begin in the request,
    uint32_t size               # and how many there are
    uint8_t kind                # ANSWERED_*, 0 for any other
    uint8_t biller_reference_size
    uint8_t reason_size
    uint8_t bad                 # BAD_*
