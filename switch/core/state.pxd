# What a ledger keeps in memory while it is open.
#
# Who may touch what is said by four structs, and held by tests/test_core_parts.py: `Config` is
# fixed, `Shared` is guarded by its lock, `GroupState` is the committer's and `IndexState` the
# index writer's. The committer holds the lock while it applies a group and while it publishes
# one, never during a commit; readers and the index writer hold it for moments.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from posix.types cimport pid_t

from switch.core.codes cimport ROLES_COUNT
from switch.core.fault cimport FaultPlace
from switch.core.layout cimport (
    Account, Chunk, Entry, PostingsAccount, PostingsLink, Row, Totals, WindowLine,
    FIXED_TAIL_SIZE, POSTINGS_LINKS, RUN_FANOUT, TOKEN_KEYS_MAX,
)
from switch.core.lmdb cimport MDB_cursor, MDB_dbi, MDB_env, MDB_txn
from switch.core.log cimport LogApi
from switch.core.places cimport Places, PlacesTable
from switch.core.registered cimport (
    Acted, BankAccount, Beneficiary, Complaint, Fixed, NotedTable, Operator, Participant, Person,
    Proposed, RefusalBudget, Schedule, Service, Thresholds,
)
from switch.core.tables cimport Chains, Copying, Digest, Hold, Holds
from switch.core.threads cimport pthread_cond_t, pthread_mutex_t

cdef enum:  # return codes beside LMDB's and errno's
    RC_DEAD = -40001
    RC_SPACE = -40002
    RC_FORMAT = -40003        # not a ledger, or another format
    RC_OTHER = -40004         # the index belongs to another ledger, or has another format
    RC_FULL = -40005          # the queue has no room
    RC_STOPPED = -40006       # the queue takes no more
    RC_CLOSED = -40007        # the ledger was closed
    RC_CLOCK = -40008         # the wall clock cannot be trusted
    RC_UNKNOWN = -40009       # it failed in the commit: done or not
    RC_FRAMING = -40010       # the bytes are no payments message
    RC_INDEX = -40011         # a value of the index failed its check
    RC_BEHIND = -40012        # the journal lacks what the index was made of
    RC_FENCED = -40015        # the log has a later epoch: the chunk is absent from it for ever
    RC_UNSETTLED = -40016     # the log did not say whether it has the chunk
    RC_LATE = -40018          # a view is older than a view may be
    RC_FOLLOWS = -40017       # it has chunks of a log, and no log to append to
    RESERVE_LEAST = 8388608   # bytes of reserve without which a full disk refuses groups

cdef enum:  # the three maps of the index
    MAP_IDS = 0       # (id, sender) -> sequence
    MAP_CLAIMS = 1    # claim -> sequence << 1 that took it, or sequence << 1 | 1 that released
    # (resolved, 0) -> resolving; (window, 1 + account) -> settle; (hold, LINK_CASE + type)
    # -> case; (hold, LINK_CORRECTION, LINK_UNDOING, LINK_VERIFY or LINK_ADVANCE),
    # (advance, LINK_RECOVERY) -> that; (shift, LINK_SHIFT) -> the next;
    # (operator and wallet, LINK_SHIFT + 1) -> first;
    # (person, LINK_PROPOSALS + day) -> what it proposed; (account, LINK_FREEZE) -> its freeze;
    # (account, LINK_LIMIT) -> its limit; (0, LINK_MARGIN) -> margin;
    # (0, LINK_APPROVED) -> an approval by the treasury;
    # (payment, LINK_COMPLAINT) -> complaint; (service, LINK_BILLS or LINK_ADDITION) -> bills;
    # (refund or end, LINK_HANDED_OUT) -> its handed_out
    MAP_LINKS = 2
    MAPS_COUNT = 3

# The sizes of runs. A build for tests shrinks them, so that few rows exercise all of it.
cdef extern from *:
    """
    #ifdef SWITCH_TEST_SMALL
    #define PAGE_ENTRIES 3
    #define BLOCK_PAGES 2
    #define PART_BLOCKS 2
    #else
    #define PAGE_ENTRIES 255       /* entries in one page of a run */
    #define BLOCK_PAGES 18         /* pages in one LMDB value */
    #define PART_BLOCKS 6          /* blocks that share a piece of the filter */
    #endif
    #define MAP_SIZE_MAX (1ULL << 46)  /* of 128 bytes a row: sequences stay below 2^39 */
    #define PAGE_SIZE (24 + PAGE_ENTRIES * 16)  /* head, entries of 128 bits: the most */
    #define BLOCK_HEAD ((BLOCK_PAGES * 2 + 7) / 8 * 8)  /* where each page ends, u16 */
    #define PART_PAGES (PART_BLOCKS * BLOCK_PAGES)
    #define PART_ENTRIES (PART_PAGES * PAGE_ENTRIES)
    #define PART_LINES (PART_ENTRIES / 14 + 1)
    #define PART_HEAD 16           /* bytes: check of the fences, then zeros */
    #define PART_SIZE_MIN 4080     /* so that LMDB keeps it in pages of its own */
    #define PART_SIZE_MAX (PART_HEAD + (PART_PAGES + 1) * 16 + PART_LINES * 32 + PART_SIZE_MIN)
    """
    const uint64_t MAP_SIZE_MAX
    enum:
        PAGE_ENTRIES
        BLOCK_PAGES
        PAGE_SIZE
        BLOCK_HEAD
        PART_PAGES
        PART_ENTRIES
        PART_LINES
        PART_HEAD
        PART_SIZE_MIN
        PART_SIZE_MAX

cdef enum:
    LEVELS_MAX = 10
    LEVEL_RUNS_MAX = 16       # runs of one level, those being merged included
    RUNS_MAX = 161            # runs of one map: LEVELS_MAX full levels and a fresh one
    RETIRED_MAX = 240         # MAPS_COUNT x LEVELS_MAX x RUN_FANOUT
    FILTERS_FETCHED_MAX = 536870912  # bytes of each map that an opening asks the system for

cdef struct Memo:             # a multi-map in memory; equal keys keep their order
    Entry* entries
    uint32_t* slots           # tag of the key << 22 | number of its newest entry + 1; 0 is empty
    uint32_t* befores         # number + 1 of an entry's key's entry before it, or 0
    uint32_t count
    uint32_t capacity         # of entries; there are twice as many slots
    uint64_t seed

cdef struct Step:             # what the rows of one index step brought
    uint64_t number           # covers rows number * step_rows + 1 ... (number + 1) * step_rows
    Memo maps[MAPS_COUNT]
    # Two for each row: the earlier row of its debit and of its credit, as
    # sequence << 1 | 1 if that earlier row credits the account.
    uint64_t* chain
    Step* before              # the step before it, as long as that is in memory
    Step* grave               # once it is in the index: the one buried before it
    uint64_t buried           # views numbered below this one may still look at it

cdef struct Fence:            # a key of a map
    uint64_t high
    uint64_t low

cdef enum:
    CLAIM_WORDS = 6
    IDS_OF_KEY_MAX = 64       # ids that one key may have: a new one beyond them is not taken

cdef struct Claim:            # what a claim's key is made of, whole: its row claims the same
    uint64_t words[CLAIM_WORDS]

cdef enum:
    FILTER_KEYS_PER_LINE = 14  # 16 bits a key, and a check
    COVER_KEYS_MAX = 117440512  # no cover for more: its filter would have 256 MiB

cdef struct Cover:            # one filter over the runs of a level that will merge together
    uint32_t* filter
    uint32_t filter_size      # lines of 32 bytes
    uint32_t members          # published runs that it covers
    uint32_t users            # runs and lists that point to it
    uint64_t keys             # of its members
    uint64_t keys_max
    uint64_t least            # `high` of the first and last entry of all members
    uint64_t greatest

cdef struct Run:              # one sorted piece of a map, in the index environment
    uint64_t id
    uint64_t first            # steps that it covers
    uint64_t last
    uint64_t entries_count    # written so far, as all that follow
    uint64_t entries_max      # when it is whole
    uint64_t least            # `high` of its first and last entry
    uint64_t greatest
    uint32_t pages_count
    uint32_t seed             # of its checks: instance, map, level and steps
    uint64_t* parts           # `high` of the first entry of each part
    # Of each part, once the run is published: where they lie in the index's map.
    const Fence** fences      # key of the first entry of each page
    const uint32_t** filters  # lines of a split-block Bloom filter
    Cover* cover              # asked before the filter, for several runs at once; or NULL
    Run* grave                # once it is merged away: the one buried before it
    uint64_t buried           # views numbered below this one may still look at it
    uint8_t map
    uint8_t level

cdef struct Merge:            # runs of one level on their way to one of the next
    Run* sources[RUN_FANOUT]
    uint64_t positions[RUN_FANOUT]
    Entry heads[RUN_FANOUT]   # the next entry of each live source
    int live[RUN_FANOUT]      # sources that are not exhausted, oldest first
    int live_count
    int loaded                # heads and pages are those of the positions
    Entry* pages              # PAGE_ENTRIES of each source: of its current page
    Run* target
    uint64_t durable[RUN_FANOUT]  # positions and entries as the last transaction left them
    uint64_t durable_entries
    int active                # 1 under way, 2 whole and not yet published

cdef struct Retired:          # a run merged away: its values are deleted a few at a time
    uint64_t id
    uint32_t blocks_count
    uint32_t parts_count
    uint32_t deleted          # values gone so far: blocks, then parts
    uint16_t map
    uint16_t level

cdef struct Reader:           # a read transaction on the journal, with a cursor
    MDB_txn* txn
    MDB_cursor* cursor
    const uint8_t* ahead      # of what is read in order, the system was told up to here
    const uint64_t* instance  # of the ledger: each chunk has to bear it
    uint32_t seed             # of the checks of tail items: the instance's own check
    PlacesTable* places       # of its owner's alone, or NULL
    uint64_t until            # monotonic ns at which it is too old, 0: the ledger's own

cdef struct View:             # what one reading call sees: durable rows up to `sequence`
    MDB_txn* index
    Reader journal
    const Chunk* chunk        # that the last row was read from, or NULL
    uint64_t sequence         # durable when the view was begun
    uint64_t indexed
    Step* newest              # step in memory, or NULL
    uint64_t number           # views are numbered as they begin
    View* older
    View* younger
    FaultPlace* before        # where its thread was when it began

cdef enum:                    # stages of an index step: merges lie between these two
    STAGE_DELETE = 0
    STAGE_MERGE = 1           # ... + map x LEVELS_MAX + levels above it
    STAGE_FRESH = 31          # ... + map
    STAGE_LAST = 34
    RECORD_KINDS = 16         # of the table of records
    RECORDS_COMPLAINT = 3     # there, in the place of the clock's, of which it has none

cdef struct IndexMeta:        # 400 bytes: head of the index's one meta value
    # RunRecord, MergeRecord, Retired, PieceRecord follow, as many as are counted here.
    uint32_t magic
    uint32_t format
    uint64_t instance[2]
    uint64_t as_of
    uint64_t window           # last window row up to as_of
    uint64_t run_next
    uint64_t step_rows
    uint64_t transaction      # LMDB's number of the one that wrote this
    uint64_t fresh[3]         # ids of the runs of the step under way, or 0
    uint64_t secret[2]        # of its keys, of this index alone: see index/secret.pxi
    uint64_t records_count[RECORD_KINDS]
    uint64_t records_sum[RECORD_KINDS]  # of their marks
    uint32_t accounts_count
    uint32_t runs_count
    uint32_t merges_count
    uint32_t retired_count
    uint32_t segments_count   # PieceRecord of each, then HOLD_PIECES of the holds
    uint32_t chunk_check      # of the chunk that holds as_of
    uint32_t behind           # steps before as_of that some pieces may lack
    uint32_t stage            # of the step after as_of, and parts done in it
    uint32_t stage_parts
    uint32_t check            # CRC-32C(396 bytes before, records)

cdef struct RunRecord:        # 56 bytes
    uint64_t id
    uint64_t first
    uint64_t last
    uint64_t entries_count
    uint64_t least
    uint64_t greatest
    uint32_t map
    uint32_t level

cdef struct MergeRecord:      # 88 bytes; the sources are the level's oldest runs
    uint64_t id               # of the target
    uint64_t entries_count    # written of it
    uint64_t positions[RUN_FANOUT]
    uint32_t map
    uint32_t level            # of the sources

cdef struct PieceRecord:      # 8 bytes: what is stored of a segment, or of a hold piece
    uint32_t steps            # that it covers; 0: never written, and so empty
    uint32_t check

cdef struct Table:            # account images of one holder
    Account* accounts
    # By service. A row has its service only: with this it has the same claims whenever it is
    # asked. Readers' table has none.
    Fixed* fixed
    uint32_t* payees          # by beneficiary: its biller account, which never changes; likewise
    uint8_t people            # there is a person: a ledger with people
    uint32_t rules            # by which these rows run, 0 before the first that says so
    uint32_t count            # indices in use, the unused 0 included
    uint32_t day              # of `year`, a memory of one
    uint16_t year

cdef struct Draft:            # one requested row on its way through a group
    Row row
    const uint8_t* tail
    const uint8_t* service_code   # in the request's bytes, for a second look-up
    const uint8_t* centre_code
    uint64_t proposal         # of a row template: what its `total` says
    Fence keys[3]             # of CLAIMS_..., and of its id
    const uint8_t* token      # quotation, in the request's bytes
    const uint8_t* handle     # of the payment that it is in addition to, likewise
    uint64_t claim_other      # of a quoted bill: what is in the way of its claims,
    uint8_t claim_result      # and what that makes of it
    uint8_t fixed[FIXED_TAIL_SIZE]  # of its tail: items as they were sent, or of its bill
    uint8_t sent[32]          # the reference as it was sent, if `respelled`
    uint32_t tail_size
    uint32_t token_size       # 0: none was sent
    uint32_t handle_size
    uint16_t service          # index as requested, by a row template
    uint8_t service_size
    uint8_t centre_size
    uint16_t bad              # bit n: the shape is wrong with result n
    # participant whose centre it must be, 0 for any; of an answer the biller that gave it
    uint32_t bound
    # of that centre's operators; OPERATOR_NOBODY; 0: the row's own counts. Asked of who signs on
    uint64_t signed_on
    uint8_t shape             # the least of these, or 0
    uint8_t claims_taken      # bit n: takes the claim n
    uint8_t maybe_id          # something before this group may hold the id
    uint8_t maybe_claims      # bit n, likewise
    uint8_t in_basket
    uint8_t basket            # payments in its basket, 255 for more
    uint32_t basket_left      # this one and those after it in its basket
    uint8_t from_message      # and not from a row template
    uint32_t id_others        # other ids of its key that are there, once it is looked up
    uint8_t no_centre         # by the register nobody can pay it; asked once the id is new
    uint8_t no_operator       # its centre signs on, and has no such operator; likewise
    uint8_t names_nobody      # its operator was not sent: it is who is signed on, by the register
    uint8_t keeps             # some service of its basket keeps holds past their deadline
    uint8_t respelled         # the row's reference is not as it was sent
    uint8_t misspelled        # the reference has no canonical form
    uint8_t stated            # its sender is believed about the amount due
    uint8_t quoted            # a quotation of its bill was opened
    uint8_t items_count       # as sent

cdef struct Registered:       # a row that becomes the current one of an index
    uint64_t sequence
    uint32_t index
    uint8_t record            # RECORD_*, or 0 for an account

cdef struct Latest:           # where an account's history in the postings ends
    PostingsLink last         # its last entry with postings, or POSTINGS_ANYWHERE
    PostingsLink links[POSTINGS_LINKS]  # those of that entry

cdef struct Mark:             # an account's totals behind some of its postings
    uint32_t account
    uint32_t number           # they stand behind the first (number + 1) * POSTINGS_MARK
    Totals totals

cdef struct Work:             # scratch of one step
    Entry* entries[MAPS_COUNT]
    uint32_t counts[MAPS_COUNT]
    uint32_t capacities[MAPS_COUNT]
    PostingsAccount* accounts  # changed in this step: as first met, then sorted
    uint32_t* posted          # two for each money row: the account
    uint32_t* rows            # and the row, counted from the step's first
    uint32_t* places          # by account index: number in `accounts` + 1
    Mark* marks
    uint32_t accounts_count
    uint32_t posted_count
    uint32_t marks_count
    Registered* registers     # accepted register and open rows
    uint32_t registers_count
    uint32_t registers_capacity

cdef struct Turns:            # pieces that are written in turn, see index/turns.pxi
    uint64_t* since           # number + 1 of the first step that changed it unwritten, or 0
    uint8_t* writing          # part of the step under way
    PieceRecord* pieces       # as the last durable step left them
    PieceRecord* written      # as the step under way writes those of `writing`
    uint32_t stored           # below this one no piece is missing

cdef enum:
    PROBES_MAX = 128          # keys looked up together: their scratch stays in the cache

cdef struct Probes:           # keys of one map on their way past memory and filters
    uint64_t[PROBES_MAX] hashes
    uint64_t[PROBES_MAX] highs
    uint64_t[PROBES_MAX] lows
    uint32_t[PROBES_MAX] drafts
    uint8_t[PROBES_MAX] maybe
    uint32_t count

cdef struct TokenKey:         # of quotations
    uint64_t state[8]         # BLAKE2b behind the key's block: as secret as the key
    uint8_t number            # 0: there is none

cdef struct Config:           # fixed after opening; anybody reads it
    MDB_env* journal_env
    MDB_env* index_env
    MDB_dbi journal_meta
    MDB_dbi journal
    MDB_dbi index_meta
    MDB_dbi segments
    MDB_dbi runs
    MDB_dbi postings
    MDB_dbi holds_table
    MDB_dbi records
    uint64_t instance[2]
    uint64_t secret[2]        # of the index: what ids and claims are hashed with
    uint64_t seed             # of the hashes of the maps' keys, from the secret
    uint64_t tables_secret[2]  # of the tables in memory: drawn at each opening, kept nowhere
    uint32_t instance_check   # CRC-32C of the instance: the seed of checks that bind to it
    uint64_t epoch            # of the ledger's name, not of its chunks
    uint64_t step_rows
    uint64_t lag_max
    uint64_t reserve_size
    uint64_t room_least       # bytes free on the disk without which no step is written
    int reserve_fd
    uint32_t steps_capacity
    uint32_t segments_least   # written by each step if so many have changed
    uint64_t* progress        # rows indexed and rows in all while it is opened, or NULL
    int directory             # the ledger's, open; -1 before
    uint64_t view_ns          # a view, or another reader of one call, lasts no longer
    uint64_t patience_ns      # a writer that stays in LMDB for longer is taken for stuck

cdef struct Shared:           # what several threads touch, under `lock`
    # The index writer changes `indexed`, `latest`, runs and the oldest steps; the committer
    # all else. Words that stand alone (`stopping`, `dead`, `indexed`) are also read without.
    pthread_mutex_t lock
    pthread_mutex_t stepping  # held through an index step: one at a time
    pthread_mutex_t listing   # held through a copy of all accounts or holds; before the lock
    pthread_cond_t moved      # the index has come further: a waiting committer looks again
    pthread_cond_t step_due   # a whole step is durable, or stop
    pthread_cond_t space_due  # the reserve has become small, or stop
    Table published
    Copying copying           # of its accounts
    uint64_t sequence
    uint64_t timestamp
    uint64_t last_window
    uint32_t rules_version    # of the last rules row, 0 before the first
    uint64_t holds_count      # open ones
    uint64_t kept_count       # of them
    uint64_t unverified_count
    uint64_t due              # when a group has something to do by itself, 0: never
    uint64_t hold_due         # the same of holds alone
    uint64_t window_due       # of the window of a cut-off
    uint64_t indexed          # as_of of the index
    uint64_t reserve_left     # bytes of the journal's file ahead of use
    int space_failed          # errno of the last try to extend it, 0 if it worked
    int index_failed          # errno of the last try to write a step, likewise
    int dead                  # return code that killed the ledger, 0 while alive
    int stopping
    View* views               # under way, the youngest first
    View* views_oldest
    uint64_t views_number     # of the next one
    Latest* latest            # by account, as of `indexed`; the index writer changes it
    Step** steps              # oldest first
    uint32_t steps_count
    Step* step_put_by         # its memory is the next one's, or NULL
    Run** levels[MAPS_COUNT]  # all runs of a map, newest first
    uint32_t runs_count[MAPS_COUNT]
    int marked                # the mark of a damaged index was made
    # Where threads are, for what they may die of; the first two count their one writer.
    FaultPlace in_index
    FaultPlace in_journal
    FaultPlace in_both
    pthread_mutex_t watching  # of the watch alone: the lock may be held by who is stuck
    pthread_cond_t watch_due  # stop
    int stuck                 # FAULT_... of the writers that do not come back from LMDB
    # What any thread sets.
    uint32_t holds_most       # open holds of a wallet; 0: no bound
    RefusalBudget refusals[ROLES_COUNT]  # by role
    TokenKey token_keys[TOKEN_KEYS_MAX]  # the newest first
    # Figures, each a word of its own: read without the lock, right a moment ago.
    uint64_t damaged_row      # the one found damaged last, 0 before the first
    uint64_t damaged_requests  # that had no answer for it since opening
    uint64_t holds_turned_away  # payments whose wallet had too many open, likewise
    uint64_t billers_turned_away  # whose biller had, likewise
    uint64_t refusals_turned_away  # that were not recorded, likewise
    uint64_t ids_turned_away  # requests whose id met too many of its key, likewise
    uint64_t aside_count      # holds set aside because they cannot be read, likewise

cdef struct GroupState:       # the committer's; what others look up in it, under the lock
    Table working
    uint64_t* heads           # last money row of each account since opening, likewise, or 0
    uint64_t* touched         # group number that last touched an account
    uint32_t* dirty           # accounts this group changed
    uint32_t dirty_count
    uint64_t number           # of the group: of 32 bits it would come again in weeks
    uint32_t* account_slots   # hash of (participant, purpose)
    Participant* participants
    uint32_t participants_count
    Chains participant_codes
    Service* services
    uint32_t services_count
    Chains service_codes
    NotedTable noted[RECORD_KINDS]  # of RECORD_REVOCATION to RECORD_BUDGET
    Person* people
    uint32_t people_count     # the unused 0 included
    uint64_t people_since     # sequence of the first one's first row, 0: to be looked for
    Thresholds thresholds
    BankAccount* banks
    uint32_t banks_count      # the unused 0 included
    Beneficiary* beneficiaries
    uint32_t beneficiaries_count  # likewise
    uint32_t* beneficiary_of  # by account: the index of its beneficiary, or 0
    Schedule schedule
    uint64_t cutoff           # ns at which a window closes by itself, 0: never
    Operator* operators
    uint32_t operators_count  # the unused 0 included
    Chains operator_numbers   # of (participant, number)
    Chains operator_keys
    Complaint* complaints
    uint32_t complaints_count  # the unused 0 included
    int complaints_changed    # in this group
    uint32_t treasuries_count  # that are active, and without an unconfirmed revocation
    uint32_t floats_count
    uint32_t* biller_accounts  # ascending
    uint32_t biller_accounts_count
    int register_changed      # in this group
    uint64_t working_window
    uint64_t settlement_changed  # the last row that changed a settlement account
    TokenKey handle_keys[TOKEN_KEYS_MAX]  # those of `shared` that the group was decided with
    Holds holds
    # Holds as they were before the rows of this group that speak of them, in the rows' order;
    # due 0: not listed. With them who reads sees what is published, however long a commit takes.
    Hold* holds_before        # GROUP_MAX
    uint32_t holds_before_count
    Reader reader
    MDB_txn* index_txn        # read transaction, renewed with each group
    uint8_t* chunk            # header, rows, room for the tail
    uint8_t* tail
    Places places             # of the items in `tail`
    PlacesTable* places_table  # what `reader` has
    uint32_t tail_size
    uint32_t rows_count
    uint32_t rows_sealed      # of them, with their checks
    uint64_t first            # sequence of the first row of the group
    uint64_t now              # wall clock of the group
    uint64_t passed           # the same, less what that clock is ahead of its anchor
    uint64_t last_timestamp
    uint32_t chain            # check of the last chunk
    uint64_t ordinal          # of the last chunk
    uint64_t epoch            # of the last chunk
    uint64_t epoch_next       # of those that are sealed from here on
    const LogApi* log         # that has each chunk before the journal, or NULL
    int digests               # the state is hashed behind each index step
    Digest digest             # behind the chunk that ended the last one since opening
    uint64_t fresh            # number of the first step that the group's rows fall into
    Draft* drafts
    Probes* probes
    int aside_rc              # what was met then
    # The lines of the window that a settlement of this group asked for last.
    const WindowLine* lines
    uint32_t lines_count
    uint64_t lines_window     # 0: none in this group
    Proposed proposed
    Acted acted
    # What an approval of this group has named last: its sequence, 0 for none, and its hash.
    uint64_t named
    uint8_t named_hash[32]
    # The basket that an answer of this group was about last: its first hold, 0 for none.
    uint64_t basket_lead
    uint64_t basket_sum       # paise of all its holds

cdef struct IndexState:       # the index writer's alone
    Table images              # accounts exactly at `indexed`
    Holds images_holds
    uint64_t images_window
    uint32_t images_check     # of the chunk that the last indexed row is in
    Reader step_readers[2]    # on the journal; kept, so that it never lacks one
    Merge* merges             # MAPS_COUNT x LEVELS_MAX
    Cover* covers[MAPS_COUNT][LEVELS_MAX]  # the one that new runs of a level join, or NULL
    Turns segments_turns
    Turns holds_turns
    Step* steps_buried        # in the index by now, the one buried last first
    Run* runs_buried          # merged away, likewise
    Work work                 # the step's scratch
    int taken                 # its rows are taken, it is not yet written
    int moved_on              # the last transaction had something to do
    int paced                 # the rest is between units, and a step that is due goes on
    int hurries               # the step under way came soon behind the one before it
    uint64_t step_began       # monotonic ns at which the last step's rows were taken
    Run* step_runs[MAPS_COUNT]  # its own runs, as far as they are made
    uint8_t* block            # pages of the run being written that are not yet stored
    size_t block_size         # bytes of it that are in use
    Entry* page               # PAGE_ENTRIES: of the page that is not yet full
    uint8_t* part             # PART_SIZE_MAX: the value of the part being written
    MDB_txn* runs_txn         # read transaction, renewed to find what was just committed
    IndexMeta head            # as the last transaction left it
    IndexMeta next            # as the one under way will
    Retired* retired          # RETIRED_MAX, the oldest first
    Retired* retired_durable  # as the last transaction left them

cdef struct State:            # one open ledger, by who may touch what
    Config config
    Shared shared
    GroupState group
    IndexState index
