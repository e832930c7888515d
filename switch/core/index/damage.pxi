# What LMDB says of the index environment, as far as it means that the index is damaged.

cdef int damage_of(int rc) noexcept nogil:
    """RC_INDEX for a value that should be there, or a tree that is none; any other as it is."""
    if (
        rc == MDB_NOTFOUND or rc == MDB_CORRUPTED or rc == MDB_PAGE_NOTFOUND
        or rc == MDB_CURSOR_FULL or rc == MDB_BAD_TXN
        or rc == MDB_KEYEXIST or rc == MDB_INCOMPATIBLE or rc == MDB_BAD_VALSIZE
    ):
        return RC_INDEX
    return rc


cdef void damage_mark(const State* s) noexcept nogil:
    """Leave a file, so that the next start makes the index anew.

    What it cannot write nothing depends on: whatever is met again is refused again.
    """
    cdef int fd
    if s.mark_path != NULL:
        fd = posix_open(s.mark_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        if fd >= 0:
            fdatasync(fd)
            posix_close(fd)
