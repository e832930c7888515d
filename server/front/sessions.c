/* Who is signed on: the sealed sessions that this process has opened.

   A session is a token that the server has sealed and verified (Python does both); here is
   only which tokens are good, whose they are, and when they were used last, so that a hot
   call finds its operator by one look and any other by the same. Any thread may ask: the
   lock is held for moments. The table has a fixed size. Where all places of a set are taken
   the one that was used longest ago goes: its holder has it opened again (GetSession). What
   is over must not live again by that: Python knows each operator's newest sessions.

   What the register says of a centre is trusted as of the change that was read before a
   session was opened: one that came meanwhile has the session opened once more. */

#include <stdlib.h>
#include <string.h>

#include "parts.h"

enum {
    SET_SESSIONS = 8,
    SETS = FRONT_SESSIONS_MAX / SET_SESSIONS,
    CHANGE_SLOTS = 1 << 14, /* centres with the same remainder are opened anew together */
};

struct session {
    uint8_t token[FRONT_SESSION_SIZE];
    uint32_t sender;    /* participant; 0: the place is free */
    uint32_t operator_; /* 0: signed off */
    int64_t ends_ms, idle_ms, used_ms; /* of CLOCK_MONOTONIC */
    uint64_t change; /* of its centre, with which it was opened last */
};

struct sessions {
    pthread_mutex_t lock;
    uint64_t changes[CHANGE_SLOTS]; /* how often the register has of a centre: who was opened
                                       before it did is to be opened anew, and is no less idle */
    struct session at[SETS][SET_SESSIONS];
};

struct sessions *sessions_new(void) {
    struct sessions *sessions = calloc(1, sizeof(*sessions));
    if (sessions != NULL) pthread_mutex_init(&sessions->lock, NULL);
    return sessions;
}

void sessions_free(struct sessions *sessions) {
    if (sessions == NULL) return;
    pthread_mutex_destroy(&sessions->lock);
    free(sessions);
}

/* The session's number is random and the server's: nobody chooses with whom it shares a set. */
static struct session *sessions_set(struct sessions *sessions, const uint8_t *token) {
    uint64_t number;
    memcpy(&number, token + FRONT_SESSION_NUMBER, sizeof(number));
    return sessions->at[number % SETS];
}

static bool sessions_over(const struct session *one, int64_t now_ms) {
    return one->operator_ == 0 || now_ms >= one->ends_ms || now_ms - one->used_ms >= one->idle_ms;
}

static struct session *sessions_find(struct sessions *sessions, const uint8_t *token) {
    struct session *set = sessions_set(sessions, token);
    for (int i = 0; i < SET_SESSIONS; i++) {
        /* Not in constant time: what differs early is no secret, the seal was verified. */
        if (set[i].sender != 0 && memcmp(set[i].token, token, FRONT_SESSION_SIZE) == 0)
            return &set[i];
    }
    return NULL;
}

void front_open_session(struct front *front, const uint8_t *token, uint32_t sender,
                        uint32_t operator_, int64_t lasts_ms, int64_t idle_ms,
                        uint64_t change) {
    struct sessions *sessions = front->sessions;
    int64_t now_ms = clock_ms();
    front_assert(sender != 0 && operator_ != 0);
    pthread_mutex_lock(&sessions->lock);
    struct session *one = sessions_find(sessions, token);
    if (one == NULL) {
        struct session *set = sessions_set(sessions, token);
        one = &set[0];
        for (int i = 0; i < SET_SESSIONS && one->sender != 0; i++)
            if (set[i].sender == 0 || set[i].used_ms < one->used_ms) one = &set[i];
        memcpy(one->token, token, FRONT_SESSION_SIZE);
        one->sender = sender;
        one->operator_ = operator_;
        one->ends_ms = now_ms + lasts_ms;
        one->idle_ms = idle_ms;
        one->used_ms = now_ms;
    }
    one->change = change;
    pthread_mutex_unlock(&sessions->lock);
}

uint64_t front_session_change(struct front *front, uint32_t sender) {
    pthread_mutex_lock(&front->sessions->lock);
    uint64_t change = front->sessions->changes[sender % CHANGE_SLOTS];
    pthread_mutex_unlock(&front->sessions->lock);
    return change;
}

void front_drop_session(struct front *front, const uint8_t *token) {
    pthread_mutex_lock(&front->sessions->lock);
    struct session *one = sessions_find(front->sessions, token);
    if (one != NULL) memset(one, 0, sizeof(*one));
    pthread_mutex_unlock(&front->sessions->lock);
}

bool front_end_session(struct front *front, const uint8_t *token) {
    pthread_mutex_lock(&front->sessions->lock);
    struct session *one = sessions_find(front->sessions, token);
    bool was_on = one != NULL && one->operator_ != 0;
    /* It stays as one that is over, so that it is not opened again. */
    if (one != NULL) one->operator_ = 0;
    pthread_mutex_unlock(&front->sessions->lock);
    return was_on;
}

void front_forget_sessions(struct front *front, uint32_t sender) {
    pthread_mutex_lock(&front->sessions->lock);
    front->sessions->changes[sender % CHANGE_SLOTS]++;
    pthread_mutex_unlock(&front->sessions->lock);
}

int front_use_session(struct front *front, const uint8_t *token, size_t size, uint32_t sender,
                      uint32_t *operator_) {
    int found = FRONT_SESSION_UNKNOWN;
    *operator_ = 0;
    if (size != FRONT_SESSION_SIZE) return found;
    int64_t now_ms = clock_ms();
    pthread_mutex_lock(&front->sessions->lock);
    struct session *one = sessions_find(front->sessions, token);
    if (one != NULL && one->sender == sender) {
        if (sessions_over(one, now_ms)) {
            one->operator_ = 0; /* over is over, whatever the clock does */
            found = FRONT_SESSION_ENDED;
        } else if (one->change == front->sessions->changes[sender % CHANGE_SLOTS]) {
            one->used_ms = now_ms;
            *operator_ = one->operator_;
            found = FRONT_SESSION_ON;
        }
    }
    pthread_mutex_unlock(&front->sessions->lock);
    return found;
}

int sessions_of_call(const struct call *call, uint32_t *operator_) {
    static const char name[] = FRONT_SESSION_NAME;
    size_t offset = 0;
    struct field field;
    const struct connection *connection = call->connection;
    *operator_ = 0;
    while (fields_next(call->metadata, &offset, &field))
        if (field.name_size == sizeof(name) - 1 && memcmp(field.name, name, field.name_size) == 0)
            return front_use_session(connection->front, field.value, field.value_size,
                                     connection->sender, operator_);
    return FRONT_SESSION_NONE;
}
