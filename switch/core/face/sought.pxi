# An entry that is looked for by its id, without the interpreter's lock. Part of _core.pyx.

cdef enum:
    SOUGHT_MAX = 64

cdef struct Sought:           # an id that is looked for, and what was found
    uint8_t[16] id
    uint32_t sender
    uint32_t wallet
    bint is_own               # only what debits the wallet
    uint64_t sequence         # 0: nothing
    uint64_t resolved_by
    uint64_t total
    Row row
    int rc


cdef int face_seek(Sought* sought, uint32_t sender, bytes id, wallet) except -1:
    if len(id) != 16:
        raise ValueError("an id has 16 bytes")
    memset(sought, 0, sizeof(Sought))
    memcpy(sought.id, PyBytes_AS_STRING(id), 16)
    sought.sender = sender
    sought.is_own = wallet is not None
    sought.wallet = wallet if sought.is_own else 0
    return 0


cdef void face_find_entry(State* s, Sought* sought) noexcept nogil:
    if sought.is_own:
        sought.rc = reads_find_own(s, sought.sender, sought.id, sought.wallet, &sought.sequence)
    else:
        sought.rc = reads_find(s, sought.sender, sought.id, &sought.sequence)
    if sought.rc == 0 and sought.sequence != 0:
        sought.rc = reads_copy_rows(s, sought.sequence, 1, &sought.row)
        if sought.rc == 0 and sought.row.result == RESULT_OK:
            sought.rc = reads_link(s, sought.sequence, 0, &sought.resolved_by, &sought.total)
