# One commit at a time, first come, first served.
#
# A bare mutex would do for the first half; but the queue's loop takes it again a moment
# after it has let it go, and everybody else would wait for as long as it is loaded.

cdef void turns_init(Turns* turns) noexcept nogil:
    pthread_mutex_init(&turns.lock, NULL)
    pthread_cond_init(&turns.moved, NULL)
    turns.next = turns.current = 0


cdef void turns_enter(Turns* turns) noexcept nogil:
    cdef uint64_t mine
    pthread_mutex_lock(&turns.lock)
    mine = turns.next
    turns.next += 1
    while turns.current != mine:
        pthread_cond_wait(&turns.moved, &turns.lock)
    pthread_mutex_unlock(&turns.lock)


cdef void turns_leave(Turns* turns) noexcept nogil:
    pthread_mutex_lock(&turns.lock)
    turns.current += 1
    if turns.current != turns.next:
        pthread_cond_broadcast(&turns.moved)
    pthread_mutex_unlock(&turns.lock)
