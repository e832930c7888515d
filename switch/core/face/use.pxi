# Who uses a ledger: calls that read, the process that has it open, children of a fork. Part
# of _core.pyx.

@cython.final
cdef class _Users:
    """How many calls are reading. Changed under the GIL only."""

    cdef int count


@cython.final
cdef class _Use:
    """One of them: counted from its making to the end of the call that holds it."""

    cdef _Users users

    def __cinit__(self, _Users users):
        self.users = users
        users.count += 1

    def __dealloc__(self):
        self.users.count -= 1


def _lock_file(path):
    """LOCK, opened and locked. Raises BusyError if another process has it."""
    fd = os.open(os.path.join(path, "LOCK"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise BusyError(f"{path} is open in another process") from None
    return fd


def _sync_directory(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


_opened = weakref.WeakSet()


def _leave_opened():
    """Called in a child of a fork, which has the memory of its parent and none of its
    threads. LMDB's readers and locks are the parent's: to end one here ends it there."""
    cdef Ledger ledger
    for ledger in tuple(_opened):
        ledger._leave()


os.register_at_fork(after_in_child=_leave_opened)
