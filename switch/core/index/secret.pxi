# The secret that keys are hashed with: whoever knew it could choose ids, references and words
# that share a key, and have each of them looked at for every other.
#
# 16 bytes of the system, drawn when an index is made. They lie in its head and in memory, and
# go nowhere else: each node has its own, and an index that is made anew draws others. What
# rows, answers and the state hash contain depends on none of it.

cdef enum:
    SECRET_MAPS = 1           # what is derived from the secret: the seed of the maps

cdef int secret_draw(State* s) noexcept nogil:
    """Draw the secret of an index that is yet to be made, and that of the tables in memory."""
    cdef uint64_t[4] drawn
    cdef ssize_t size = 0
    native_assert(s.shared.steps_count == 0, b"secret_draw: nothing is hashed yet")
    while size != sizeof(drawn):
        size = getrandom(drawn, sizeof(drawn), 0)
        if size < 0 and errno != EINTR:
            return errno
        # A head without one is damaged.
        if (drawn[0] | drawn[1]) == 0:
            size = 0
    if native_planted(b"secrets_are_drawn"):
        drawn[0] = 1
        drawn[1] = 0
    memcpy(s.index.head.secret, drawn, 16)
    memcpy(s.config.tables_secret, &drawn[2], 16)
    secret_learn(s)
    return 0


cdef void secret_learn(State* s) noexcept nogil:
    """Hash with what the head of the index has. Before any key is made."""
    native_assert(
        (s.index.head.secret[0] | s.index.head.secret[1]) != 0, b"secret_learn: there is one"
    )
    memcpy(s.config.secret, s.index.head.secret, 16)
    s.config.seed = native_siphash64(s.config.secret, NULL, 0, SECRET_MAPS)
