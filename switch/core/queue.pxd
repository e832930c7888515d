# The queue before the ledger: what waits, what is being committed, what is done.
#
# `lock` guards all of it, and is held for moments, never during a commit. A group that
# is being committed belongs to the committer; one that is done to those who read it.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from switch.core.layout cimport Outcome
from switch.core.state cimport State, pthread_cond_t, pthread_mutex_t

cdef enum:  # what the body of a call is
    FORM_PAYMENTS = 1
    FORM_ROWS = 2
    FORM_ANSWERS = 3          # rows too, made of a biller's answers

cdef enum:
    DONE_GROUPS_MAX = 8       # groups that are done and not yet taken; then no other begins
    GATHER_STEP_NS = 1000000  # a group stops gathering when nothing has arrived for so long
    GATHER_REQUESTS_MIN = 4  # requests in the group before from which on the next one gathers
    IDLE_WAIT_MAX_NS = 1000000000  # the longest sleep: a clock set anew, a dead ledger are noticed
    TAG_SLOTS = 16384         # of the table by tag: twice GROUP_MAX
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
    uint32_t rows_count
    uint32_t first            # index of its first draft
    size_t reply              # where its answer begins in the group's replies
    size_t reply_size
    # What the queue needs besides.
    uint64_t tag              # chosen by the sender, given back with the answer
    uint64_t tail_max         # bytes that it can add to the group's tail
    void* owner               # keeps the bytes alive until the answer is taken, or NULL
    Wait* wait                # who blocks for the answer; NULL: it is taken by its tag
    uint32_t next             # number + 1 of the next call of its part, 0 at the end
    uint8_t form

cdef struct Wait:             # someone who blocks for one answer; lives on their stack
    Group* group              # NULL until it is there
    Call* call                # theirs, in the group
    int rc                    # RC_STOPPED if it never came into a group, else 0

cdef struct Part:             # calls of one tag whose answers are handed over as one
    uint64_t tag
    size_t size               # bytes of the answers
    uint32_t first            # number of its first and last call
    uint32_t last
    uint32_t rows_count
    uint8_t form

cdef struct Group:            # calls on their way through one commit, and their answers
    Group* next               # in the list of the free ones, or of the done ones
    Call* calls
    Outcome* outcomes
    uint8_t* replies
    Part* parts               # filled by whoever takes the group
    uint32_t* slots           # by tag: number of the part + 1
    uint32_t calls_count
    uint32_t parts_count
    uint32_t tagged_count     # calls whose answers are taken by tag
    uint32_t users            # who still reads it; with none it is free again
    int rc                    # 0, or what came of all its calls
    int64_t ahead_ns          # with RC_CLOCK: of the wall clock

cdef struct Guard:            # of the wall clock; under the ledger's `committing`
    const uint64_t* fake      # wall ns, boot-time ns, 1 if synchronised; or NULL
    uint64_t anchor_wall      # both clocks when the wall clock was last vouched for
    uint64_t anchor_boot
    int has_leapt             # groups are refused for it

cdef enum:
    METER_SIZES = 13          # bounds of a group's rows: 1, 2, 4 … 4,096, and one for the rest
    METER_TIME_NS = 65536     # the first bound of a commit's time; each that follows doubles
    METER_TIMES = 16          # bounds of it, to 2.1 s, and one for the rest

cdef struct Meter:            # what was committed since the queue was made: `meter.pxi`
    uint64_t since            # monotonic ns at which the commit that runs began, or 0
    uint64_t rows             # committed
    uint64_t refused          # groups of which nothing, or nothing certain, was done
    uint64_t spent_ns         # in commits that have rows
    uint64_t[METER_SIZES + 1] sizes
    uint64_t[METER_TIMES + 1] times

cdef struct QueueState:
    # --- fixed ----------------------------------------------------------------------
    State* s
    pthread_mutex_t* committing   # the ledger's: one commit at a time
    const bint* is_open           # the ledger's, under `committing`
    uint64_t rows_max
    uint64_t tail_max             # bytes of tail that may wait
    uint64_t gather_ns            # how long after the one before a group may begin
    Group groups[DONE_GROUPS_MAX + 1]   # the last one is for what is never committed
    pthread_mutex_t lock
    pthread_cond_t changed        # for the loop: requests, a free group, stop
    pthread_cond_t handed         # for those who block: answers, the end

    # --- what waits -------------------------------------------------------------------
    Call* ring                    # rows_max of them, for each has a row
    uint64_t head
    uint64_t count
    uint64_t rows_count
    uint64_t tail_size
    int stopping                  # take nothing more; commit what waits, then end
    int died                      # 0, or why the ledger is dead
    int abandoned                 # commit nothing more
    int running
    int ended                     # the loop has ended
    int asleep                    # the loop waits for a request
    int helped                    # a caller commits in its place

    # --- what is done -----------------------------------------------------------------
    Group* free
    Group* done                   # oldest first
    Group* done_last
    int event                     # eventfd, -1 until someone asks for it

    # --- the committer's own ------------------------------------------------------------
    Guard guard
    Meter meter
    uint64_t begun                # monotonic ns at which the last group was taken
    int gathers                   # the next group gathers
    int expires                   # the last group had expiries only, so that others had room
