# What LMDB says of the index environment, as far as it means that the index is damaged.

cdef enum:                    # of LMDB's pages
    DAMAGE_PAGE = 4096
    DAMAGE_PAGE_HEAD = 16
    DAMAGE_OVERFLOW = 4       # the flags of a page that only long values have


cdef int damage_of(int rc) noexcept nogil:
    """RC_INDEX for a value that should be there, or a tree that is none; any other as it is."""
    if (
        rc == MDB_NOTFOUND or rc == MDB_CORRUPTED or rc == MDB_PAGE_NOTFOUND
        or rc == MDB_CURSOR_FULL or rc == MDB_BAD_TXN
        or rc == MDB_KEYEXIST or rc == MDB_INCOMPATIBLE or rc == MDB_BAD_VALSIZE
    ):
        return RC_INDEX
    return rc


cdef int damage_of_pages(const MDB_val* value) noexcept nogil:
    """Whether LMDB can be trusted with the pages of a value that is to be replaced or deleted.

    A long value lies in pages of its own, behind a head that counts them. LMDB frees as many
    as an older page at its place says, be it a billion.
    """
    cdef const uint8_t* head = <const uint8_t*>value.mv_data - DAMAGE_PAGE_HEAD
    if <uintptr_t>head % DAMAGE_PAGE != 0 or value.mv_size < DAMAGE_PAGE // 2:
        return 0
    return 0 if damage_is_long(value) else RC_INDEX


cdef bint damage_is_long(const MDB_val* value) noexcept nogil:
    """Whether a value lies in pages of its own, as their head says."""
    cdef const uint8_t* head = <const uint8_t*>value.mv_data - DAMAGE_PAGE_HEAD
    cdef uint64_t pages = (value.mv_size + DAMAGE_PAGE_HEAD - 1) // DAMAGE_PAGE + 1
    cdef uint32_t counted
    cdef uint16_t flags
    if <uintptr_t>head % DAMAGE_PAGE != 0:
        return False
    memcpy(&flags, head + 10, 2)
    memcpy(&counted, head + 12, 4)
    return flags == DAMAGE_OVERFLOW and counted == pages


cdef int damage_before_put(MDB_txn* txn, MDB_dbi table, MDB_val* key) noexcept nogil:
    """Look at what is about to be replaced; 0 if nothing is."""
    cdef MDB_val value
    cdef int rc = mdb_get(txn, table, key, &value)
    if rc == MDB_NOTFOUND:
        return 0
    return damage_of_pages(&value) if rc == 0 else damage_of(rc)


cdef void damage_mark(State* s) noexcept nogil:
    """Leave a file, once, so that the next start makes the index anew.

    What it cannot write nothing depends on: whatever is met again is refused again.
    """
    if s.config.directory >= 0 and not s.shared.marked:
        s.shared.marked = 1
        fault_mark(s.config.directory, FAULT_INDEX_MARK)
