/* What is left behind by a thread that dies in LMDB.
 *
 * LMDB trusts its pages: an older one can end the process by a signal. A thread says where it
 * is while it is there; if it dies, a handler makes the files that the next start looks for,
 * puts back what handled the signal before, and lets it come again: the exit code, a core
 * dump and Python's faulthandler stay what they were.
 *
 * State: the place of each thread, and the handlers, which stay for the life of the process. */

#ifndef SWITCH_FAULT_H
#define SWITCH_FAULT_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum {                /* what a place consists of */
    FAULT_INDEX = 1,  /* the index environment: the next start makes it anew */
    FAULT_JOURNAL = 2 /* the journal's: the next start first walks the pages of both */
};

#define FAULT_INDEX_MARK "index.damaged"
#define FAULT_WALK_MARK "DOUBT"

typedef struct {
    int directory; /* of the ledger, open */
    int parts;
    /* Times that its only writer has come and gone: odd while it is there. */
    volatile uint64_t turns;
} FaultPlace;

/* Where this thread is, or NULL. Of the model that needs no call, which a handler may not
 * make: a thread's first use of another kind of thread-local takes memory. */
static __thread FaultPlace *volatile fault_place __attribute__((tls_model("initial-exec")));

/* Says where this thread is from now on; gives where it was, to be said when it leaves. */
static inline FaultPlace *fault_enter(FaultPlace *place) {
    FaultPlace *before = fault_place;
    fault_place = place;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return before;
}

static inline void fault_leave(FaultPlace *before) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    fault_place = before;
}

/* The same of a writer, of which a place has one at a time: how long it stays is watched. */
static inline FaultPlace *fault_enter_writing(FaultPlace *place) {
    place->turns++;
    return fault_enter(place);
}

static inline void fault_leave_writing(FaultPlace *before, FaultPlace *place) {
    fault_leave(before);
    place->turns++;
}

/* Makes an empty file, durable if that can be. In a handler, too. What it cannot make nothing
 * depends on: what is met again is refused again, or dies again. */
static void fault_mark(int directory, const char *name) {
    int file = openat(directory, name,
                      O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (file < 0)
        return;
    fsync(file);
    close(file);
    fsync(directory);
}

#define FAULT_SIGNALS 4
static const int fault_signals[FAULT_SIGNALS] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE};
static struct sigaction fault_before[FAULT_SIGNALS];
static volatile sig_atomic_t fault_met[FAULT_SIGNALS];

static void fault_handle(int number, siginfo_t *info, void *context) {
    FaultPlace *place = fault_place;
    int error = errno;
    (void)context;
    /* What another process sends says nothing about the pages. */
    int ours = info->si_code > 0 || info->si_pid == getpid();
    if (place != NULL && ours) {
        if (place->parts & FAULT_INDEX)
            fault_mark(place->directory, FAULT_INDEX_MARK);
        if (place->parts & FAULT_JOURNAL)
            fault_mark(place->directory, FAULT_WALK_MARK);
    }
    for (int i = 0; i < FAULT_SIGNALS; i++) {
        if (fault_signals[i] != number)
            continue;
        if (fault_met[i]) /* the one before has put this one back */
            signal(number, SIG_DFL);
        else
            sigaction(number, &fault_before[i], NULL);
        fault_met[i] = 1;
    }
    /* A fault comes again by itself. What was sent does not, and abort() would not ask the
     * one before: it is delivered as soon as this returns. */
    if (info->si_code <= 0)
        raise(number);
    errno = error;
}

static void fault_unmark(int directory, const char *name) {
    if (unlinkat(directory, name, 0) == 0)
        fsync(directory);
}

/* At each opening, since others may have set their own meanwhile. Not in two threads at a
 * time. */
static int fault_set_handlers(void) {
    struct sigaction action, now;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = fault_handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < FAULT_SIGNALS; i++) {
        if (sigaction(fault_signals[i], NULL, &now) != 0)
            return errno;
        if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == fault_handle)
            continue;
        fault_before[i] = now;
        fault_met[i] = 0;
        if (sigaction(fault_signals[i], &action, NULL) != 0)
            return errno;
    }
    return 0;
}

#endif
