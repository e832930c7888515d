"""The front door's C, for its face in Python: what `front/front.h` and `front/hot.h` say."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "front.h" nogil:
    cdef struct front:
        pass

    cdef struct block:
        size_t size
        uint8_t data[0]

    cdef struct field:
        const uint8_t* name
        const uint8_t* value
        size_t name_size
        size_t value_size

    cdef struct event:
        event* next
        uint64_t call
        uint64_t connection
        int64_t time
        int64_t number
        block* path
        block* metadata
        block* body
        int32_t method
        uint8_t kind
        uint8_t cause
        bint allowed
        char timeout[12]
        char address[64]

    cdef struct outgoing:
        const uint8_t* data
        size_t size

    cdef struct front_budgets:
        pass

    cdef struct command:
        outgoing message
        command* next
        uint64_t target
        uint64_t owner
        int64_t number
        block* fields
        void* keeper
        uint32_t role
        uint32_t sender
        uint32_t bound
        uint8_t kind
        front_budgets budgets

    cdef struct front_method:
        const char* path
        int kind
        int rate
        int cost
        int counted
        int open

    cdef struct front_bounds:
        pass

    cdef struct front_refused:
        char address[64]
        int64_t count

    cdef struct front_counters:
        pass

    enum:
        FRONT_UNARY, FRONT_SERVER_STREAM, FRONT_BIDI
        FRONT_RATE_NONE, FRONT_PAYMENTS, FRONT_READS, FRONT_FETCHES, FRONT_RATES_END
        FRONT_OPEN_NONE, FRONT_FEEDS, FRONT_WATCHES, FRONT_OPENS_END
        FRONT_CONNECT, FRONT_DISCONNECT, FRONT_CALL, FRONT_MESSAGE, FRONT_HALF_CLOSED
        FRONT_SENT, FRONT_ENDED, FRONT_REVOKED, FRONT_OVER, FRONT_VOID
        FRONT_ADMIT, FRONT_CLOSE_CONNECTION, FRONT_START_CALL, FRONT_SEND, FRONT_FINISH
        FRONT_REPLY, FRONT_WANT, FRONT_CHARGE, FRONT_TRUST, FRONT_STOP_STREAMS, FRONT_DRAIN
        FRONT_STOP
        FRONT_REASONS_END, FRONT_CAUSES_END, FRONT_SHARES_END, FRONT_REFUSED_MAX

    block* block_copy(const void* data, size_t size)
    void block_free(block* one)
    bint fields_valid(const void* name, size_t name_size, const void* value, size_t value_size)
    bint fields_add_metadata(block** fields, const void* name, size_t name_size,
                             const void* value, size_t value_size)
    bint fields_add_status(block** fields, int code, const void* message, size_t message_size,
                           const void* details, size_t details_size)
    bint fields_next(const block* fields, size_t* offset, field* one)

    event* front_take_events(front* door)
    void front_give_events(front* door, event* first, event* last)
    void front_more_events(front* door)
    command* front_new_command(front* door)
    void front_give_command(front* door, command* one)
    command* front_take_used(front* door)
    void front_idle_command(front* door, command* one)

    front* front_new(const front_bounds* bounds, const front_method* methods, size_t count)
    void front_free(front* door)
    int front_set_credentials(front* door, const void* certificate, size_t certificate_size,
                              const void* key, size_t key_size, const void* authority,
                              size_t authority_size, const void* revocations,
                              size_t revocations_size, char* text, size_t text_size)
    bint front_set_details(front* door, int reason, bint given, const void* details,
                           size_t size)
    int front_listen(front* door, const char* host, int port)
    int front_start(front* door)
    int front_fileno(const front* door)
    void front_join(front* door)
    void front_count(const front* door, front_counters* counters)

    enum:
        FRONT_TURN_STEPS, FRONT_TURN_LEAST_NS

    cdef struct front_turns_ "front_turns":
        int64_t* counts
        int64_t spent_ns

    void front_turns(const front* door, front_turns_* turns)
    size_t front_take_refused(front* door, front_refused* refused)
    const char* front_cause_name(int cause)

    enum:
        FRONT_SESSION_SIZE
        FRONT_SESSION_NUMBER "FRONT_SESSION_NUMBER"
        FRONT_SESSION_ON
        FRONT_SESSION_UNKNOWN
        FRONT_SESSION_ENDED

    uint64_t front_session_change(front* door, uint32_t sender)
    void front_open_session(front* door, const uint8_t* token, uint32_t sender,
                            uint32_t operator_, int64_t lasts_ms, int64_t idle_ms,
                            uint64_t change)
    bint front_end_session(front* door, const uint8_t* token)
    void front_drop_session(front* door, const uint8_t* token)
    void front_forget_sessions(front* door, uint32_t sender)
    int front_use_session(front* door, const uint8_t* token, size_t size, uint32_t sender,
                          uint32_t* operator_)

    const char* const front_bound_names[]
    const char* const front_budget_names[]
    const char* const front_share_names[]
    const char* const front_counter_names[]
    const char* const front_reason_names[]
    const int front_reason_codes[]
    const char* const front_reason_texts[]
    size_t front_bounds_count
    size_t front_budgets_count
    size_t front_counters_count

cdef extern from "hot.h" nogil:
    cdef struct hot_payments:
        pass

    cdef struct queue_api:
        pass

    cdef struct hot_results:
        uint8_t damaged
        uint8_t biller_busy
        uint8_t refusals
        uint8_t field_debit
        int64_t rows_max
        int64_t room_wait_ms
        int64_t steps_ns[31]
        size_t steps_count

    cdef struct hot_counts_t "hot_counts":
        uint64_t calls[4][16][17]
        uint64_t steps[4][32]
        uint64_t spent_ns[4]

    enum:
        HOT_METHODS, HOT_STATUSES_END, HOT_ROLES, HOT_CODES, HOT_STEPS_MAX

    const hot_counts_t* hot_counts(const hot_payments* hot)

    hot_payments* hot_new(front* door, const int* methods, const hot_results* results)
    bint hot_set_status(hot_payments* hot, int method, int status, int code,
                        const void* text, size_t text_size, const void* details,
                        size_t details_size, const void* committed, size_t committed_size)
    int hot_open(hot_payments* hot, const queue_api* queue)
    void hot_lead_until(hot_payments* hot, int64_t until_ns)
    int hot_fileno(const hot_payments* hot)
    void hot_take(hot_payments* hot)
    void hot_close(hot_payments* hot)

    const char* const hot_status_names[]

cdef extern from "core/queue_api.h" nogil:
    const char* QUEUE_API_NAME
