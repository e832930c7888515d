/* The front thread: its turns, and the commands that it follows.

   A turn: wait; read; hot methods submit; follow commands; take new connections; look at
   the time; write; make events known. What came together is so answered together. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "parts.h"

/* --- begin and end -------------------------------------------------------------------------------- */

static bool copy_methods(struct front *front, const struct front_method *methods, size_t count) {
    front->methods = calloc(count + 1, sizeof(*front->methods));
    if (front->methods == NULL) return false;
    front->methods_count = count;
    for (size_t i = 0; i < count; i++) {
        struct method *method = &front->methods[i];
        method->path = strdup(methods[i].path);
        if (method->path == NULL) return false;
        method->path_size = (uint32_t)strlen(method->path);
        method->kind = (uint8_t)methods[i].kind;
        method->rate = (uint8_t)methods[i].rate;
        method->cost = (uint16_t)methods[i].cost;
        method->counted = (uint16_t)methods[i].counted;
        method->open = (uint8_t)methods[i].open;
    }
    request_index_methods(front);
    return true;
}

static bool make_connections(struct front *front) {
    size_t most = (size_t)front->bounds.connections_max;
    front->connections = calloc(most, sizeof(*front->connections));
    front->connection_generations = calloc(most, sizeof(*front->connection_generations));
    front->connections_free = calloc(most, sizeof(*front->connections_free));
    if (front->connections == NULL || front->connection_generations == NULL ||
        front->connections_free == NULL)
        return false;
    for (size_t i = 0; i < most; i++) front->connections_free[i] = (uint32_t)(most - 1 - i);
    front->connections_free_count = most;
    return true;
}

static bool watch(struct front *front, int fd, struct source *source) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};
    return epoll_ctl(front->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

struct front *front_new(const struct front_bounds *bounds, const struct front_method *methods,
                        size_t methods_count) {
    struct front *front = calloc(1, sizeof(*front));
    if (front == NULL) return NULL;
    front->bounds = *bounds;
    front->turn_end = &front->turn_first;
    front->now_ms = clock_ms();
    front->wake_source.source = SOURCE_WAKE;
    front->hot_source.source = SOURCE_HOT;
    front->tell_timer.kind = TIMER_TELL;
    front->trust_timer.kind = TIMER_TRUST;
    timers_init(&front->wheel, front->now_ms);
    front->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    /* All are tried, so that front_free finds each in a known state. */
    bool good = mailbox_init(&front->mailbox);
    good &= handshake_init(front);
    good &= (front->sessions = sessions_new()) != NULL;
    good &= copy_methods(front, methods, methods_count);
    good &= make_connections(front);
    good &= calls_init(front);
    good &= http2_init(front);
    good = good && front->epoll_fd >= 0 &&
           watch(front, front->mailbox.commands_fd, &front->wake_source);
    if (good) return front;
    front_free(front);
    return NULL;
}

int front_set_credentials(struct front *front, const void *certificate, size_t certificate_size,
                          const void *key, size_t key_size, const void *authority,
                          size_t authority_size, const void *revocations,
                          size_t revocations_size, char *text, size_t text_size) {
    SSL_CTX *context =
        tls_context(certificate, certificate_size, key, key_size, authority, authority_size,
                    revocations, revocations_size, text, text_size);
    if (context == NULL) return -1;
    pthread_mutex_lock(&front->handover.lock);
    SSL_CTX *old = front->handover.context;
    front->handover.context = context;
    pthread_mutex_unlock(&front->handover.lock);
    SSL_CTX_free(old); /* connections that use it keep it */
    return 0;
}

bool front_set_details(struct front *front, int reason, bool may_be_done, const void *details,
                       size_t size) {
    if (reason <= FRONT_REASON_NONE || reason >= FRONT_REASONS_END || front->started) return false;
    struct block *block = block_copy(details, size);
    if (block == NULL) return false;
    block_free(front->details[reason][may_be_done]);
    front->details[reason][may_be_done] = block;
    return true;
}

void front_free(struct front *front) {
    handshake_stop(front);
    if (front->connections != NULL)
        for (size_t i = 0; i < (size_t)front->bounds.connections_max; i++)
            front_assert(front->connections[i] == NULL);
    mailbox_free(front);
    owners_free(front);
    sessions_free(front->sessions);
    calls_free_all(front);
    http2_free(front);
    if (front->methods != NULL)
        for (size_t i = 0; i < front->methods_count; i++) free((char *)front->methods[i].path);
    free(front->methods);
    free(front->connections);
    free(front->connection_generations);
    free(front->connections_free);
    for (int i = 0; i < FRONT_REASONS_END; i++) {
        block_free(front->details[i][0]);
        block_free(front->details[i][1]);
    }
    SSL_CTX_free(front->handover.context);
    BIO_meth_free(front->handover.sockets);
    free(front->handover.slots);
    if (front->handover.spare_fd >= 0) close(front->handover.spare_fd);
    if (front->handover.wake_fd >= 0) close(front->handover.wake_fd);
    if (front->handover.epoll_fd >= 0) close(front->handover.epoll_fd);
    if (front->epoll_fd >= 0) close(front->epoll_fd);
    pthread_mutex_destroy(&front->handover.lock);
    free(front);
}

void front_count(const struct front *front, struct front_counters *counters) {
    const int64_t *from = (const int64_t *)&front->counters;
    int64_t *to = (int64_t *)counters;
    for (size_t i = 0; i < sizeof(*counters) / sizeof(int64_t); i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

void front_turns(const struct front *front, struct front_turns *turns) {
    const int64_t *from = (const int64_t *)&front->turns;
    int64_t *to = (int64_t *)turns;
    for (size_t i = 0; i < sizeof(*turns) / sizeof(int64_t); i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

const char *front_cause_name(int cause) {
    static const char *names[FRONT_CAUSES_END] = {
        "",
#define FRONT_ENTRY(name, text) text,
        FRONT_CAUSES(FRONT_ENTRY)
#undef FRONT_ENTRY
    };
    return cause >= 0 && cause < FRONT_CAUSES_END ? names[cause] : "";
}

#define FRONT_ENTRY(name) #name,
#define FRONT_REASON_ENTRY(name, code, text) #name,
const char *const front_bound_names[] = {FRONT_BOUNDS(FRONT_ENTRY)};
const char *const front_budget_names[] = {FRONT_BUDGETS(FRONT_ENTRY)};
#define FRONT_SHARE_ENTRY(name, text) #text,
const char *const front_share_names[] = {FRONT_SHARES(FRONT_SHARE_ENTRY)};
const char *const front_counter_names[] = {FRONT_COUNTERS(FRONT_ENTRY) FRONT_GAUGES(FRONT_ENTRY)};
const char *const front_reason_names[] = {"", FRONT_REASONS(FRONT_REASON_ENTRY)};
#define FRONT_REASON_CODE(name, code, text) code,
#define FRONT_REASON_TEXT(name, code, text) text,
const int front_reason_codes[] = {0, FRONT_REASONS(FRONT_REASON_CODE)};
const char *const front_reason_texts[] = {"", FRONT_REASONS(FRONT_REASON_TEXT)};
const size_t front_bounds_count = sizeof(front_bound_names) / sizeof(front_bound_names[0]);
const size_t front_budgets_count = sizeof(front_budget_names) / sizeof(front_budget_names[0]);
const size_t front_counters_count = sizeof(front_counter_names) / sizeof(front_counter_names[0]);
_Static_assert(sizeof(struct front_bounds) == sizeof(front_bound_names), "one number each");
_Static_assert(sizeof(struct front_budgets) == sizeof(front_budget_names), "one number each");
_Static_assert(offsetof(struct front_counters, over_holds) ==
                   offsetof(struct front_counters, over_payments) +
                       FRONT_SHARE_HOLDS * sizeof(int64_t),
               "a counter for each share, in their order");
_Static_assert(sizeof(struct front_counters) == sizeof(front_counter_names), "one number each");

/* --- commands ------------------------------------------------------------------------------------- */

static void drain_all(struct front *front) {
    if (front->draining) return;
    front->draining = true;
    handshake_close(front);
    for (size_t i = 0; i < (size_t)front->bounds.connections_max; i++) {
        struct connection *connection = front->connections[i];
        if (connection == NULL) continue;
        if (connection->owner != NULL)
            connection_drain(connection);
        else
            connection_close(connection, NGHTTP2_NO_ERROR, FRONT_CAUSE_CLOSED);
    }
}

static void follow_connection(struct front *front, struct command *command) {
    struct connection *connection = connection_find(front, command->target);
    if (connection != NULL && command->kind == FRONT_ADMIT && !connection->closing)
        connection_admit(connection, command);
    else if (connection != NULL && command->kind == FRONT_CLOSE_CONNECTION)
        connection_close(connection, (uint32_t)command->number, FRONT_CAUSE_CLOSED);
    mailbox_use_command(&front->mailbox, command);
}

static void follow_call(struct front *front, struct command *command) {
    struct call *call = calls_find(front, command->target);
    if (call == NULL) {
        mailbox_use_command(&front->mailbox, command);
        return;
    }
    struct block *fields = command->fields;
    switch (command->kind) {
    case FRONT_START_CALL:
        reply_start(call, fields);
        break;
    case FRONT_SEND:
        call->tell_sent = true;
        reply_send(call, &command->message);
        return; /* the message's release gives the command back */
    case FRONT_REPLY:
        reply_send(call, &command->message);
        reply_finish(call, 0, NULL);
        return;
    case FRONT_FINISH:
        command->fields = NULL;
        reply_finish(call, (int)command->number, fields);
        break;
    case FRONT_WANT:
        request_want(call);
        break;
    }
    mailbox_use_command(&front->mailbox, command);
}

void loop_command(struct front *front, struct command *command) {
    switch (command->kind) {
    case FRONT_ADMIT:
    case FRONT_CLOSE_CONNECTION:
        follow_connection(front, command);
        break;
    case FRONT_CHARGE:
        owners_charge(front, command->owner, command->number);
        mailbox_use_command(&front->mailbox, command);
        break;
    case FRONT_STOP_STREAMS:
        if (front->hot != NULL) front->hot->stop(front->hot);
        mailbox_use_command(&front->mailbox, command);
        break;
    case FRONT_TRUST:
        front->trust_next = 0;
        connections_check_trust(front);
        mailbox_use_command(&front->mailbox, command);
        break;
    case FRONT_DRAIN:
        drain_all(front);
        mailbox_use_command(&front->mailbox, command);
        break;
    case FRONT_STOP:
        drain_all(front);
        front->stopping = true;
        front->stop_ms = front->now_ms + command->number;
        mailbox_use_command(&front->mailbox, command);
        break;
    default:
        follow_call(front, command);
    }
}

/* --- turns ------------------------------------------------------------------------------------------ */

static int wait_ms(const struct front *front) {
    if (front->turn_first != NULL) return 0;
    int64_t now_ms = clock_ms();
    int wait = timers_wait_ms(&front->wheel, now_ms);
    if (!front->stopping) return wait;
    int64_t left = front->stop_ms - now_ms;
    if (left < 0) left = 0;
    return wait < 0 || left < wait ? (int)(left < INT32_MAX ? left : INT32_MAX) : wait;
}

/* Whether somebody else has woken the thread. */
static bool look_at_sockets(struct front *front, const struct epoll_event *events, int count) {
    bool woken = false;
    for (int i = 0; i < count; i++) {
        struct source *source = events[i].data.ptr;
        if (source->source == SOURCE_WAKE) {
            woken = true;
        } else if (source->source == SOURCE_HOT) {
            front->hot->ready(front->hot);
        } else if (source->source == SOURCE_CONNECTION) {
            struct connection *connection = (struct connection *)source;
            uint32_t what = events[i].events;
            if (what & (EPOLLIN | EPOLLRDHUP)) connection->readable = true;
            if (what & EPOLLRDHUP) connection->hung_up = true;
            if (what & EPOLLOUT) connection->writable = true;
            /* Both ways are shut: nothing that waits can be sent. */
            if (what & (EPOLLERR | EPOLLHUP)) {
                connection_fail(connection, connection->lingering ? connection->close_cause
                                                                  : FRONT_CAUSE_PEER_CLOSED);
            }
            connection_touch(connection);
        }
    }
    return woken;
}

static void look_at_time(struct front *front) {
    struct timer due;
    timers_take(&front->wheel, front->now_ms, &due);
    while (due.next != &due) {
        struct timer *timer = due.next;
        timers_clear(&front->wheel, timer);
        if (timer->kind == TIMER_HOT)
            front->hot->retry(front->hot);
        else if (timer->kind == TIMER_OWNER)
            owners_tick(front, (struct owner *)((char *)timer - offsetof(struct owner, timer)));
        else if (timer->kind == TIMER_TELL)
            owners_tell(front);
        else if (timer->kind == TIMER_TRUST)
            connections_check_trust(front);
        else if (timer->kind == TIMER_CALL)
            calls_tick((struct call *)((char *)timer - offsetof(struct call, timer)));
        else
            connection_tick(
                (struct connection *)((char *)timer - offsetof(struct connection, timer)));
    }
}

/* Writes all that have something; those that have more stay in the list, before the others
   those whose owner's turn was used up by its other connections. */
static void flush_all(struct front *front) {
    struct connection *connection = front->turn_first, *later = NULL, **later_end = &later;
    front->turn_first = NULL;
    front->turn_end = &front->turn_first;
    while (connection != NULL) {
        struct connection *next = connection->turn_next;
        /* It may be touched anew while it is written; it is then there in the next turn. */
        connection->in_turn = false;
        connection_flush(connection);
        if (connection->failed && !connection->in_turn)
            connection_destroy(connection);
        else if (connection_busy(connection)) {
            if (connection->passed_over) {
                connection_touch(connection);
            } else {
                *later_end = connection;
                later_end = &connection->later_next;
            }
        }
        connection = next;
    }
    *later_end = NULL;
    for (; later != NULL; later = later->later_next) connection_touch(later);
}

static void end_all(struct front *front) {
    for (size_t i = 0; i < (size_t)front->bounds.connections_max; i++) {
        struct connection *connection = front->connections[i];
        if (connection == NULL) continue;
        if (!connection->failed) connection->failed = FRONT_CAUSE_STOPPED;
        connection->in_turn = false;
        connection_destroy(connection);
    }
    front->turn_first = NULL;
    front->turn_end = &front->turn_first;
}

static void take_handshakes(struct front *front) {
    for (struct handshake *one = handshake_take(front); one != NULL;) {
        struct handshake *next = one->next;
        connection_adopt(front, one);
        one = next;
    }
}

/* A turn ends where the next begins: the wait takes no processor time. */
static void turn_over(struct front *front) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    int64_t used_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    int64_t took_ns = used_ns - front->used_ns;
    front->used_ns = used_ns;
    int step = 0;
    while (step < FRONT_TURN_STEPS && took_ns > (int64_t)FRONT_TURN_LEAST_NS << step) step++;
    count_add(&front->turns.counts[step], 1);
    count_add(&front->turns.spent_ns, took_ns);
}

/* One turn, with what epoll has told; false: it was the last. */
bool loop_turn(struct front *front, const struct epoll_event *events, int count) {
    front->now_ms = clock_ms();
    COUNT(front, turns);
    bool woken = look_at_sockets(front, events, count);
    /* Before anything is read: what comes now meets the rights, and the stop, of now. */
    for (struct command *one = mailbox_take_commands(front, woken); one != NULL;) {
        struct command *next = one->next;
        loop_command(front, one);
        one = next;
    }
    /* Their wake-up is that of commands, which has been taken back by now. */
    take_handshakes(front);
    for (struct connection *one = front->turn_first; one != NULL; one = one->turn_next)
        connection_read(one);
    if (front->hot != NULL) front->hot->turn(front->hot);
    look_at_time(front);
    if (front->counters.bytes_held > front->bounds.process_bytes_max) owners_shed(front);
    flush_all(front);
    bool over = front->counters.connections_open == 0 || front->now_ms >= front->stop_ms;
    if (front->stopping && over) return false;
    mailbox_end_turn(&front->mailbox);
    turn_over(front);
    return true;
}

static void *front_main(void *argument) {
    struct front *front = argument;
    struct epoll_event events[EPOLL_EVENTS];
    int count;
    do count = epoll_wait(front->epoll_fd, events, EPOLL_EVENTS, wait_ms(front));
    while (loop_turn(front, events, count));
    end_all(front);
    mailbox_end_turn(&front->mailbox);
    return NULL;
}

int front_start(struct front *front) {
    int rc = handshake_start(front);
    if (rc != 0) return rc;
    rc = -pthread_create(&front->thread, NULL, front_main, front);
    front->started = rc == 0;
    return rc;
}

void front_join(struct front *front) {
    if (!front->started || front->joined) return;
    pthread_join(front->thread, NULL);
    mailbox_over(front);
    handshake_stop(front);
}
