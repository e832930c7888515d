# The queue before the ledger: what waits, what is being committed, what is done.
#
# `lock` guards all of it, and is held for moments, never during a commit. A group that
# is being committed belongs to the committer; one that is done to those who read it.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from switch.core.layout cimport Outcome
from switch.core.state cimport State
from switch.core.threads cimport pthread_cond_t, pthread_mutex_t

cdef enum:  # what the body of a call is
    FORM_PAYMENTS = 1
    FORM_ROWS = 2
    FORM_ANSWERS = 3          # rows too, made of a biller's answers

cdef enum:
    DONE_GROUPS_MAX = 8       # groups that are done and not yet taken; then no other begins
    QUEUE_TAKERS_MAX = 8      # who takes answers; number 0 is Python
    NOTICE_GROUPS_MIN = 4     # free groups above which Python gets those without its calls too
    COPIES_BYTES_MAX = 33554432  # of answers that were copied out for Python and not yet taken
    GATHER_STEP_NS = 250000  # a group stops gathering when nothing has arrived for so long
    GATHER_REQUESTS_MIN = 4  # requests in the group before from which on the next one gathers
    IDLE_WAIT_MAX_NS = 1000000000  # the longest sleep: a clock set anew, a dead ledger are noticed
    TAG_SLOTS = 16384         # of a table by tag: twice GROUP_MAX
    TURN_ROWS = 64            # rows of one sender in a turn
    SENDERS_MAX = 8192        # that have something waiting; then nobody new finds room
    SENDER_BUCKETS = 16384    # of the table by sender
    KEPT_PART = 4             # of the room is kept from those who have something waiting
    RESERVE_PART = 64         # of the room comes on top, for those who have nothing waiting
    CLOCK_TAIL_MAX = 252      # bytes of the record of a clock that goes on by itself

# Larger than an enum's int.
cdef extern from *:
    """
    #define CLOCK_LEAP_MAX_NS 60000000000LL  /* how far the wall clock may run ahead, in all */
    #define CLOCK_KERNEL_MAX_NS 3600000000000LL  /* how far if the kernel says it is right */
    """
    const int64_t CLOCK_LEAP_MAX_NS
    const int64_t CLOCK_KERNEL_MAX_NS

cdef struct Call:             # one request of a group
    const uint8_t* body       # a payments message, or rows
    const uint8_t* tails      # for rows: u32 size and bytes, for each that has a tail
    size_t size
    uint32_t sender
    uint32_t bound
    uint64_t operator_        # of the centre that it is bound to, as Draft.signed_on
    uint32_t rows_count
    uint32_t first            # index of its first draft
    size_t reply              # where its answer begins in the group's replies
    size_t reply_size
    uint32_t refusals         # answers beyond what may be refused of its sender
    uint32_t holds            # answers beyond what a wallet may hold
    # What the queue needs besides.
    uint64_t tag              # chosen by the sender, given back with the answer
    uint64_t tail_max         # bytes that it can add to the group's tail
    void* owner               # keeps the bytes alive until the answer is taken, or NULL
    Wait* wait                # who blocks for the answer; NULL: it is taken by its tag
    uint32_t next             # number + 1 of its part's next call; before it slot + 1 of the
    # sender's next one that waits; 0 at the end
    uint8_t form
    uint8_t taker             # who takes the answer, unless somebody waits for it

cdef struct Wait:             # someone who blocks for one answer; lives on their stack
    Group* group              # NULL until it is there
    Call* call                # theirs, in the group
    int rc                    # RC_STOPPED or RC_FENCED if it never came into a group, else 0

cdef extern from "core/queue_api.h":
    enum:
        QUEUE_API_VERSION
        QUEUE_FULL, QUEUE_STOPPED, QUEUE_FRAMING, QUEUE_MANY, QUEUE_NONE, QUEUE_NOT_LEADER

    const char* QUEUE_API_NAME

    ctypedef struct Counts "struct queue_counts":
        uint32_t rows, payments, baskets

    ctypedef struct Submitted "struct queue_request":
        const uint8_t* body
        size_t size
        uint32_t rows, sender, centre, operator_
        uint64_t tag
        void* owner

    ctypedef struct Part "struct queue_part":   # `first` and `last` are numbers of calls
        uint64_t tag
        size_t size
        uint32_t first, last, rows, refusals, holds
        uint8_t form, result, field

    ctypedef struct Taken "struct queue_taken":
        void* group
        int rc
        int64_t ahead_ns
        uint32_t parts_count
        const Part* parts

    ctypedef struct QueueApi "struct queue_api":
        uint32_t version
        void* queue
        int (*count)(const uint8_t*, size_t, Counts*) noexcept nogil
        int (*open)(void*, void (*)(void*) noexcept nogil) noexcept nogil
        int (*fileno)(void*, int) noexcept nogil
        int (*submit)(void*, int, const Submitted*) noexcept nogil
        void (*clear)(void*, int) noexcept nogil
        int (*take)(void*, int, Taken*) noexcept nogil
        void (*copy)(const Taken*, const Part*, uint8_t*) noexcept nogil
        void (*release)(void*, int, Taken*) noexcept nogil
        uint64_t (*rows_waiting)(void*) noexcept nogil
        int (*died)(void*, char*, size_t) noexcept nogil

cdef struct Group:            # calls on their way through one commit, and their answers
    Group* next               # in the list of the free ones
    Group* done[QUEUE_TAKERS_MAX]  # the next in each taker's list
    Call* calls
    Outcome* outcomes
    uint8_t* replies
    uint32_t calls_count
    uint32_t rows_count
    uint64_t tail_max         # bytes that its calls can add to the tail
    uint32_t tagged[QUEUE_TAKERS_MAX]  # calls of each taker
    uint32_t waited           # calls that somebody waits for
    uint32_t users            # who still reads it; with none it is free again
    int rc                    # 0, or what came of all its calls
    int64_t ahead_ns          # with RC_CLOCK: of the wall clock
    uint64_t copied           # bytes, if it is a copy for one reader; 0: one of the queue's

cdef struct Guard:            # of the wall clock; under the ledger's `committing`
    const uint64_t* fake      # wall ns, boot-time ns, 1 if synchronised; or NULL
    uint64_t anchor_wall      # both clocks when the wall clock was last vouched for
    uint64_t anchor_boot
    int has_leapt             # groups are refused for it

cdef struct Taker:            # who gets answers by tag, a group at a time
    # --- under the queue's lock -------------------------------------------------------
    Group* first              # done and not taken, oldest first
    Group* last
    uint32_t left_first       # slot + 1 of what was never committed
    uint32_t left_last
    int event                 # eventfd, -1 until someone asks for it
    # --- the taker's own ----------------------------------------------------------------
    Part* parts               # of the group that it reads
    uint32_t* slots           # by tag: number of the part + 1
    uint32_t parts_count
    void (*let_go)(void* owner) noexcept nogil  # of another than Python: gives bytes back

cdef struct Sender:           # a participant that has calls waiting, in their order
    uint64_t key
    uint64_t rows_count
    uint64_t bytes
    uint64_t credit           # rows that it may still send in its turn
    uint32_t first            # slot + 1 of its first and last call
    uint32_t last
    uint32_t same             # number + 1 of the next in its bucket, or of the next free one
    uint32_t next             # number + 1 of the next in its line

cdef enum:                    # the lines in which senders wait for their turn
    LINE_ANSWERS = 0          # billers with answers
    LINE_FRESH = 1            # who had nothing waiting
    LINE_ROUND = 2            # who has had a turn, and has more
    LINES_COUNT = 3

cdef struct Line:
    uint32_t first            # number + 1 of a sender
    uint32_t last
    int in_turn               # the first has its turn, and found no room for a call

cdef struct Waiting:          # what waits, by sender; see engine/senders.pxi
    uint64_t rows_max         # fixed, and so is the next
    uint64_t bytes_max        # of bodies and of the tails that they can add
    uint64_t slots_count
    uint64_t count            # calls
    uint64_t rows_count
    uint64_t bytes
    Call* slots
    uint32_t slots_used       # from here on none was ever used
    uint32_t slots_free       # slot + 1 of the first that is free again
    Sender* senders
    uint32_t* buckets         # number + 1 of a sender
    uint32_t senders_count
    uint32_t senders_used
    uint32_t senders_free
    Line lines[LINES_COUNT]
    int led                   # the last group began with a call that had found no room
    int led_line              # of which line it was

cdef enum:
    METER_SIZES = 13          # bounds of a group's rows: 1, 2, 4 … 4,096, and one for the rest
    METER_TIME_NS = 65536     # the first bound of times; each that follows doubles
    METER_TIMES = 16          # bounds of them, to 2.1 s, and one for the rest

cdef struct Meter:            # what was committed since the queue was made: `meter.pxi`
    uint64_t since            # monotonic ns at which the commit that runs began, or 0
    uint64_t rows             # committed
    uint64_t refused          # groups of which nothing, or nothing certain, was done
    uint64_t spent_ns         # in commits that have rows
    uint64_t[METER_SIZES + 1] sizes
    uint64_t[METER_TIMES + 1] times
    uint64_t began_ns         # the holder's processor time when it began
    uint64_t held_ns          # of processor time, of all groups, whatever came of them
    uint64_t[METER_TIMES + 1] holds  # groups by it

cdef struct QueueState:
    QueueApi api                  # how another extension reaches it
    # --- fixed ----------------------------------------------------------------------
    State* s
    pthread_mutex_t* committing   # the ledger's: one commit at a time
    const bint* is_open           # the ledger's, under `committing`
    uint64_t gather_ns            # how long after the one before a group may begin
    # Behind those that are committed one for each taker, for what never is.
    Group groups[DONE_GROUPS_MAX + QUEUE_TAKERS_MAX]
    pthread_mutex_t lock
    pthread_cond_t changed        # for the loop: requests, a free group, stop
    pthread_cond_t handed         # for those who block: answers, the end

    # --- what waits -------------------------------------------------------------------
    Waiting waiting
    int stopping                  # take nothing more; commit what waits, then end
    int died                      # 0, or why the ledger is dead
    int abandoned                 # commit nothing more
    int running
    int ended                     # the loop has ended
    int asleep                    # the loop waits for a request
    int helped                    # a caller commits in its place

    # --- what is done -----------------------------------------------------------------
    Group* free
    uint32_t free_count
    uint64_t copies_bytes         # of all copies
    Taker takers[QUEUE_TAKERS_MAX]
    int takers_count

    # --- the committer's own ------------------------------------------------------------
    Guard guard
    Meter meter
    uint64_t begun                # monotonic ns at which the last group was taken
    int gathers                   # the next group gathers
