# Tables in memory that grow without a stop, and copies of tables that are made in pieces.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

# Larger than an enum's int.
cdef extern from *:
    """
    #define ASIDE 0xFFFFFFFFFFFFFFFEULL  /* when a hold is due that cannot be read; never stored */
    """
    const uint64_t ASIDE

cdef struct Hold:
    uint64_t sequence
    uint64_t due              # ns; NEVER of a kept one, UNVERIFIED, ASIDE in the working heap

cdef enum:
    CHAINS_BUCKETS_LEAST = 1024  # a power of two

cdef struct Chains:           # from hashes to indices of a table, see index/chains.pxi
    uint32_t* heads           # by bucket: the first index, or 0
    uint32_t* nexts           # by index: the next of its bucket, or 0
    uint32_t* hashes          # by index
    uint32_t most             # indices that the table may have, and as many buckets
    uint32_t count
    uint32_t buckets          # in use; they become more one by one
    uint32_t mask             # 2^k - 1, and buckets <= 2^k <= 2 * buckets

cdef enum:
    HOLDS_MAX = 134217728     # open and unverified ones: 3.5 GiB of address space
    HOLDS_BUCKETS_LEAST = 1024  # a power of two

cdef struct Copying:          # of a table, in pieces, as it was at one moment: one at a time
    uint8_t* target           # NULL: none is under way
    uint64_t* has             # a bit for each place: it has been copied
    uint32_t count            # places of the table then

cdef struct HoldLink:         # of a position of the heap
    uint32_t next             # heap position + 1 of the next hold of its bucket, or 0
    uint32_t hash             # of its sequence

cdef struct Holds:            # open and unverified holds: a heap by (due, sequence), a map into it
    Hold* heap
    uint32_t* heads           # by bucket: heap position + 1 of its first hold, or 0
    HoldLink* links           # by heap position
    uint32_t count
    uint32_t buckets          # in use; they become more one by one
    uint32_t mask             # 2^k - 1, and buckets <= 2^k <= 2 * buckets
    uint32_t kept             # of the holds
    uint32_t unverified
    uint64_t seed             # of the buckets' hash
    uint64_t sum              # of what digest.pxi makes of each
    Copying copying           # of the heap

cdef enum:                    # whose values make a state's hash: where those of each table begin
    DIGEST_ACCOUNTS = 0
    DIGEST_PARTICIPANTS = 2097152  # + ACCOUNTS_MAX
    DIGEST_SERVICES = 3145728      # + PARTICIPANTS_MAX
    DIGEST_NOTED = 3211264         # + SERVICES_MAX
    DIGEST_PEOPLE = 3473408        # + 4 NOTED_MAX
    DIGEST_BENEFICIARIES = 3482112  # + PEOPLE_MAX, thresholds, schedule, banks: DIGEST_PEOPLE_MAX
    DIGEST_OPERATORS = 3547648     # + BENEFICIARIES_MAX
    DIGEST_COMPLAINTS = 3613184    # + OPERATORS_MAX
    DIGEST_END = 4661760           # + COMPLAINTS_MAX
    DIGEST_PEOPLE_MAX = 8704       # few enough to be read at once
    DIGEST_TABLES = 11

cdef struct Digest:           # of the state behind a step, whose values are read in pieces
    uint64_t* values          # DIGEST_END: by what changes first, or by who reads on
    uint64_t* has             # a bit for each
    uint32_t[DIGEST_TABLES] firsts  # of the tables then
    uint32_t[DIGEST_TABLES] ends
    int open_                 # some values are not there yet
    int reading               # by a thread, which is at it
    uint64_t sequence         # of the last row before that state; 0: before the first step
    uint64_t window           # the last one's
    uint64_t holds            # their number and sum
    uint32_t rules
    uint64_t hash             # of the last state that was read to its end,
    uint64_t hashed           # and that one's sequence, 0 before the first
