/* Billers that confirm whatever they are asked, at once: what a load of bills needs.
 *
 * Each message of questions has one message of answers, sent with the turn. An id is
 * credited once, with its amount; of each bill, which is known by its reference, it is
 * counted whether another id has paid it before. No baskets, and no bills to fetch. See
 * client.h.
 */

#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    CONFIRM = 2, STATUS = 3,                 /* QuestionKind */
    CONFIRMED = 1, NOT_SEEN = 4,             /* AnswerKind */
    ANSWER_MAX = 128,         /* bytes of an answer with its head */
    STREAM = 1,               /* the one call of a connection */
    EVENTS_MAX = 64,
    POLL_MS = 50,             /* between two looks at `stop` */
};

/* What was credited under a key of 16 bytes: an id, or the beginning of a reference. */
typedef struct Credit {
    uint8_t key[ID_SIZE];
    uint64_t amount;          /* 0: nothing */
} Credit;

typedef struct Credits {
    Credit* slots;
    size_t size, count;       /* `size` is a power of two */
} Credits;

typedef struct Biller {
    Connection connection;
    Billers* all;
    Buffer body;              /* of a message that is not whole */
    Buffer pending;           /* what the windows have no room for */
    int64_t window;
} Biller;

struct Billers {
    Biller** billers;
    uint32_t count;
    Credits ids, references;
    BillersCounts counts;
    int epoll;
    Failure* failure;
};

typedef struct Question {
    uint64_t number, kind, amount, sent_ns;
    uint8_t id[ID_SIZE], reference[ID_SIZE];
} Question;

/* --- what was credited ------------------------------------------------------------- */

static Credit* find(Credits* self, const uint8_t* key) {
    uint64_t words[2];
    memcpy(words, key, sizeof words);
    uint64_t hash = words[0] * 0x9E3779B97F4A7C15u ^ words[1] * 0xD6E8FEB86659FD93u;
    size_t at = (size_t)(hash ^ hash >> 32) & (self->size - 1);
    while (self->slots[at].amount && memcmp(self->slots[at].key, key, ID_SIZE) != 0)
        at = (at + 1) & (self->size - 1);
    return &self->slots[at];
}

static Credit* credit_of(Credits* self, const uint8_t* key) {
    if (2 * self->count >= self->size) {
        Credits grown = {.size = self->size ? 2 * self->size : 1 << 16};
        grown.slots = calloc(grown.size, sizeof *grown.slots);
        if (grown.slots == NULL) abort();
        for (size_t i = 0; i < self->size; i++)
            if (self->slots[i].amount)
                *find(&grown, self->slots[i].key) = self->slots[i];
        grown.count = self->count;
        free(self->slots);
        *self = grown;
    }
    return find(self, key);
}

/* Whether it is the first under its key. */
static bool credit(Credits* self, const uint8_t* key, uint64_t amount) {
    Credit* found = credit_of(self, key);
    if (found->amount) return false;
    memcpy(found->key, key, ID_SIZE);
    found->amount = amount;
    self->count++;
    return true;
}

/* --- questions --------------------------------------------------------------------- */

static const uint8_t* read_varint(const uint8_t* at, const uint8_t* end, uint64_t* value) {
    *value = 0;
    for (int shift = 0; at < end && shift < 64; shift += 7) {
        *value |= (uint64_t)(*at & 0x7F) << shift;
        if (*at++ < 0x80) return at;
    }
    return NULL;
}

/* A field of a message, at `*at`: its number, and its value or its bytes; 0: none. */
static uint32_t read_field(
    const uint8_t** at, const uint8_t* end, uint64_t* value, const uint8_t** bytes) {
    uint64_t tag;
    *bytes = NULL;
    *at = read_varint(*at, end, &tag);
    if (*at != NULL) *at = read_varint(*at, end, value);
    if (*at == NULL || (tag & 7) % 2 != 0 || tag >> 3 == 0) return 0;
    if ((tag & 7) == 2) {
        if (*value > (uint64_t)(end - *at)) return 0;
        *bytes = *at;
        *at += *value;
    }
    return (uint32_t)(tag >> 3);
}

static int read_question(
    const uint8_t* at, const uint8_t* end, Question* question, Failure* failure) {
    memset(question, 0, sizeof *question);
    while (at < end) {
        uint64_t value;
        const uint8_t* bytes;
        uint32_t field = read_field(&at, end, &value, &bytes);
        if (field == 0) return failure_set(failure, "a question cannot be read");
        if (field == 1) question->number = value;
        else if (field == 2) question->kind = value;
        else if (field == 6) question->amount = value;
        else if (field == 13) question->sent_ns = value;
        else if (field == 3 && bytes != NULL && value == ID_SIZE)
            memcpy(question->id, bytes, ID_SIZE);
        else if (field == 5 && bytes != NULL)
            memcpy(question->reference, bytes, value < ID_SIZE ? value : ID_SIZE);
        else if (field == 10) return failure_set(failure, "these billers take no basket");
    }
    return 0;
}

/* --- answers ----------------------------------------------------------------------- */

static uint8_t* put_varint(uint8_t* at, uint64_t value) {
    for (; value >= 0x80; value >>= 7) *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t* put_field(uint8_t* at, int field, uint64_t value) {
    *at++ = (uint8_t)(field << 3);
    return put_varint(at, value);
}

/* The answer; `amount` 0: the payment was not seen. */
static void put_answer(Buffer* out, const Question* question, uint64_t amount) {
    static const char digits[] = "0123456789abcdef";
    uint8_t answer[ANSWER_MAX];
    uint8_t* at = put_field(answer + 2, 1, question->number);
    *at++ = 2 << 3 | 2;
    *at++ = ID_SIZE;
    memcpy(at, question->id, ID_SIZE);
    at = put_field(at + ID_SIZE, 3, amount ? CONFIRMED : NOT_SEEN);
    if (amount) {
        *at++ = 4 << 3 | 2;
        *at++ = 2 * ID_SIZE;
        for (int i = 0; i < ID_SIZE; i++) {
            *at++ = (uint8_t)digits[question->id[i] >> 4];
            *at++ = (uint8_t)digits[question->id[i] & 15];
        }
        at = put_field(at, 12, amount);
    } else {
        at = put_field(at, 11, question->sent_ns);
    }
    answer[0] = 1 << 3 | 2;
    answer[1] = (uint8_t)(at - answer - 2);
    buffer_add(out, answer, (size_t)(at - answer));
}

static int answer_one(Biller* self, const uint8_t* at, const uint8_t* end) {
    Billers* all = self->all;
    Question question;
    if (read_question(at, end, &question, all->failure) != 0) return -1;
    if (question.kind == CONFIRM && question.amount > 0) {
        all->counts.confirm++;
        if (credit(&all->ids, question.id, question.amount)) {
            all->counts.credited++;
            all->counts.credited_paise += question.amount;
            if (!credit(&all->references, question.reference, question.amount))
                all->counts.bills_paid_again++;
        }
    } else if (question.kind == STATUS) {
        all->counts.status++;
    } else {
        return failure_set(all->failure, "a question of kind %d", (int)question.kind);
    }
    put_answer(&self->pending, &question, credit_of(&all->ids, question.id)->amount);
    return 0;
}

/* One ConnectResponse: what it asks is answered in one message. */
static int take_message(Biller* self, const uint8_t* at, const uint8_t* end) {
    Buffer* pending = &self->pending;
    size_t before = pending->end - pending->start;
    uint8_t head[MESSAGE_HEAD] = {0};
    buffer_add(pending, head, sizeof head);
    while (at < end) {
        uint64_t value;
        const uint8_t* bytes;
        uint32_t field = read_field(&at, end, &value, &bytes);
        if (field == 0) return failure_set(self->all->failure, "a message cannot be read");
        if (field == 3) return failure_set(self->all->failure, "an answer was refused");
        if (field == 1 && bytes != NULL && answer_one(self, bytes, bytes + value) != 0)
            return -1;
    }
    size_t size = pending->end - pending->start - before - sizeof head;
    if (size == 0) {
        pending->end -= sizeof head;
        return 0;
    }
    self->all->counts.messages++;
    uint8_t* to = pending->bytes + pending->start + before;
    for (int i = 0; i < 4; i++) to[1 + i] = (uint8_t)(size >> (24 - 8 * i));
    return 0;
}

/* --- the connection ---------------------------------------------------------------- */

static int on_data(
    Connection* connection, uint32_t stream, const uint8_t* bytes, size_t size, bool ends) {
    Biller* self = connection->owner;
    Buffer* body = &self->body;
    if (ends || stream != STREAM)
        return failure_set(connection->failure, "a stream ended without a status");
    buffer_add(body, bytes, size);
    while (body->end - body->start >= MESSAGE_HEAD) {
        const uint8_t* at = body->bytes + body->start;
        size_t whole = (size_t)at[1] << 24 | (size_t)at[2] << 16 | (size_t)at[3] << 8 | at[4];
        if (body->end - body->start < MESSAGE_HEAD + whole) break;
        body->start += MESSAGE_HEAD + whole;
        if (take_message(self, at + MESSAGE_HEAD, at + MESSAGE_HEAD + whole) != 0) return -1;
    }
    return 0;
}

static int on_headers(
    Connection* connection, uint32_t stream, const uint8_t* block, size_t size, bool ends) {
    (void)stream, (void)block, (void)size;
    return ends ? failure_set(connection->failure, "the switch ended a stream") : 0;
}

static int on_reset(Connection* connection, uint32_t stream, uint32_t error) {
    return failure_set(connection->failure, "stream %u is reset: %u", stream, error);
}

static void on_window(Connection* connection, uint32_t stream, int64_t change) {
    (void)stream;
    ((Biller*)connection->owner)->window += change;
}

static const Handler HANDLER = {on_headers, on_data, on_reset, on_window};

/* What the windows have room for. */
static int biller_write(Biller* self) {
    Connection* connection = &self->connection;
    Buffer* pending = &self->pending;
    for (;;) {
        int64_t size = (int64_t)(pending->end - pending->start);
        if (size > FRAME_MAX) size = FRAME_MAX;
        if (size > self->window) size = self->window;
        if (size > connection->window) size = connection->window;
        if (size <= 0) return connection_write(connection);
        connection_frame(
            connection, DATA, 0, STREAM, pending->bytes + pending->start, (size_t)size);
        pending->start += (size_t)size;
        connection->window -= size;
        self->window -= size;
    }
}

static int watch(Billers* self, Biller* biller, int how) {
    struct epoll_event event = {
        .events = EPOLLIN | (biller->connection.is_blocked ? EPOLLOUT : 0),
        .data.ptr = biller};
    if (epoll_ctl(self->epoll, how, biller->connection.fd, &event) == 0) return 0;
    return failure_set(self->failure, "epoll: %s", strerror(errno));
}

/* --- all of them ------------------------------------------------------------------- */

Billers* billers_new(Failure* failure) {
    Billers* self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->failure = failure;
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    return self;
}

int billers_dial(Billers* self, const char* host, int port, SSL_CTX* tls) {
    uint8_t headers[HEADERS_SIZE];
    Biller* biller = calloc(1, sizeof *biller);
    self->billers = realloc(self->billers, (self->count + 1) * sizeof *self->billers);
    if (biller == NULL || self->billers == NULL) abort();
    self->billers[self->count++] = biller;
    biller->all = self;
    biller->connection.handler = &HANDLER;
    biller->connection.owner = biller;
    if (connection_dial(&biller->connection, tls, host, port, self->failure) != 0) return -1;
    biller->window = biller->connection.stream_window;
    size_t size = call_headers(headers, host, port, "/payswitch.v1.BillerService/Connect");
    connection_frame(&biller->connection, HEADERS, END_HEADERS, STREAM, headers, size);
    if (connection_write(&biller->connection) != 0) return -1;
    return watch(self, biller, EPOLL_CTL_ADD);
}

int billers_serve(Billers* self, volatile int* stop) {
    while (!*stop) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(self->epoll, events, EVENTS_MAX, POLL_MS);
        for (int i = 0; i < count; i++) {
            Biller* biller = events[i].data.ptr;
            bool was_blocked = biller->connection.is_blocked;
            if (events[i].events & ~(uint32_t)EPOLLOUT
                && connection_read(&biller->connection) != 0)
                return -1;
            if (biller_write(biller) != 0) return -1;
            if (biller->connection.is_blocked != was_blocked
                && watch(self, biller, EPOLL_CTL_MOD) != 0)
                return -1;
        }
    }
    return 0;
}

const BillersCounts* billers_counts(const Billers* self) { return &self->counts; }

void billers_free(Billers* self) {
    if (self == NULL) return;
    for (uint32_t i = 0; i < self->count; i++) {
        Biller* biller = self->billers[i];
        free(biller->body.bytes);
        free(biller->pending.bytes);
        connection_close(&biller->connection);
        free(biller);
    }
    if (self->epoll >= 0) close(self->epoll);
    free(self->billers);
    free(self->ids.slots);
    free(self->references.slots);
    free(self);
}
