/* A client of hot calls, by OpenSSL and nghttp2: it sends what is planned all at once, and
   keeps what it is told. */

#ifndef TEST_CLIENT_H
#define TEST_CLIENT_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "scripted_queue.h"

enum {
    CALLS_MAX = 16,   /* of a connection */
    MESSAGES_MAX = 4, /* of a call */
    LARGE = 40 << 10, /* a message beyond one TLS record, which grows as it comes */
};

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* What a call is to come to, when nothing fails. */
enum expected {
    ANSWERED,
    NOT_DONE,
    UNKNOWN,
    HALF, /* answered, and then not done */
    LEFT, /* answered, and open until its connection ends */
};

struct plan {
    const char *path;
    const char *messages[MESSAGES_MAX]; /* rows and kind */
    enum expected expected;
    bool in_turn; /* each message behind the answer to the last */
    bool is_large;
};

struct client;

struct trial {
    struct client *client;
    const struct plan *plan;
    int number;
    int32_t stream;
    uint8_t sent[TEXT_MAX + 1], out[TEXT_MAX + 1], in[TEXT_MAX + 1];
    size_t sent_size, out_size, out_given, in_size, ends[MESSAGES_MAX];
    int messages, replies;
    bool ended, is_deferred;
    int status; /* -1: none was told */
    char said;  /* of the details: N, nothing was done; U, unknown */
    uint32_t error;
};

struct client {
    int fd;
    SSL *ssl;
    nghttp2_session *session;
    bool over;
    int calls;
    struct trial trials[CALLS_MAX];
};

static void begin(struct trial *trial, struct client *client, const struct plan *plan,
                  int number) {
    *trial = (struct trial){.client = client, .plan = plan, .status = -1,
                            .number = number};
    for (int i = 0; i < MESSAGES_MAX && plan->messages[i] != NULL; i++) {
        char text[LARGE + 32];
        int size = snprintf(text, sizeof(text), "[%s %2d %*s]", plan->messages[i], trial->number,
                            plan->is_large ? LARGE : 1, "x");
        uint8_t *out = trial->out + trial->out_size;
        memcpy(out, (const uint8_t[5]){0, 0, (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                                       (uint8_t)size}, 5);
        memcpy(out + 5, text, (size_t)size);
        memcpy(trial->sent + trial->sent_size, text, (size_t)size);
        trial->out_size += 5 + (size_t)size;
        trial->sent_size += (size_t)size;
        trial->ends[trial->messages++] = trial->out_size;
    }
}

static nghttp2_ssize read_body(nghttp2_session *session, int32_t stream, uint8_t *to, size_t size,
                               uint32_t *flags, nghttp2_data_source *source, void *user) {
    (void)session, (void)stream, (void)user;
    struct trial *trial = source->ptr;
    int sent = trial->messages;
    if (trial->plan->in_turn && trial->replies + 1 < sent) sent = trial->replies + 1;
    size_t rest = trial->ends[sent - 1] - trial->out_given;
    if (rest == 0) {
        trial->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (size > rest) size = rest;
    memcpy(to, trial->out + trial->out_given, size);
    trial->out_given += size;
    bool ends = trial->out_given == trial->out_size && trial->plan->expected != LEFT;
    if (ends) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (nghttp2_ssize)size;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user) {
    (void)flags, (void)user, (void)value_size;
    struct trial *trial = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (trial == NULL) return 0;
    if (name_size == 11 && memcmp(name, "grpc-status", 11) == 0)
        trial->status = atoi((const char *)value);
    if (name_size == 23 && memcmp(name, "grpc-status-details-bin", 23) == 0)
        /* The last letter of what is told, in base64. */
        trial->said = memcmp(value + value_size - 4, "Tk5O", 4) == 0 ? 'N' : 'U';
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t size, void *user) {
    (void)flags, (void)user;
    struct trial *trial = nghttp2_session_get_stream_user_data(session, stream);
    if (trial == NULL || trial->in_size + size > TEXT_MAX) fail("more is told than was asked");
    memcpy(trial->in + trial->in_size, data, size);
    trial->in_size += size;
    /* Each reply is framed; one that is whole lets the next message go. */
    int replies = 0;
    for (size_t at = 0; at + 5 <= trial->in_size; replies++) {
        const uint8_t *head = trial->in + at;
        at += 5 + ((size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4]);
        if (at > trial->in_size) break;
    }
    trial->replies = replies;
    if (trial->is_deferred) {
        trial->is_deferred = false;
        nghttp2_session_resume_data(session, stream);
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user) {
    (void)user;
    struct trial *trial = nghttp2_session_get_stream_user_data(session, stream);
    if (trial != NULL) trial->ended = true, trial->error = error;
    return 0;
}

static void client_open(struct client *client, SSL_CTX *context, int port) {
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(client->fd, (struct sockaddr *)&to, sizeof(to)) != 0) fail("no connection");
    client->ssl = SSL_new(context);
    SSL_set_fd(client->ssl, client->fd);
    client->over = SSL_connect(client->ssl) != 1;
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_client_new(&client->session, callbacks, client);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, NULL, 0);
}

static void client_close(struct client *client) {
    nghttp2_session_del(client->session);
    SSL_free(client->ssl);
    close(client->fd);
    *client = (struct client){.fd = -1};
}

/* Begins the calls of these plans; the first has the number `first`. */
static void client_ask(struct client *client, const struct plan *plans, int first) {
    for (client->calls = 0; plans[client->calls].path != NULL; client->calls++) {
        struct trial *trial = &client->trials[client->calls];
        begin(trial, client, &plans[client->calls], first + client->calls);
#define NV(name, value)                                                                         \
    {(uint8_t *)(name), (uint8_t *)(value), strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE}
        nghttp2_nv fields[] = {NV(":method", "POST"), NV(":scheme", "https"),
                               NV(":path", trial->plan->path),
                               NV(":authority", "localhost"), NV("te", "trailers"),
                               NV("content-type", "application/grpc"), NV("more", "some")};
        nghttp2_data_provider2 body = {{.ptr = trial}, read_body};
        trial->stream = nghttp2_submit_request2(client->session, NULL, fields,
                                                sizeof(fields) / sizeof(fields[0]), &body, trial);
    }
}

static void client_write(struct client *client, const uint8_t *data, int size) {
    int rc;
    ERR_clear_error(); /* what another connection has left there */
    while ((rc = SSL_write(client->ssl, data, size)) <= 0) {
        client->over = SSL_get_error(client->ssl, rc) != SSL_ERROR_WANT_WRITE;
        if (client->over) return;
        struct pollfd wait = {.fd = client->fd, .events = POLLOUT};
        poll(&wait, 1, 100);
    }
}

static void client_pump(struct client *client) {
    uint8_t bytes[16384];
    const uint8_t *data;
    nghttp2_ssize size;
    while (!client->over && (size = nghttp2_session_mem_send2(client->session, &data)) > 0)
        client_write(client, data, (int)size);
    while (!client->over) {
        ERR_clear_error();
        int got = SSL_read(client->ssl, bytes, sizeof(bytes));
        if (got > 0) {
            if (nghttp2_session_mem_recv2(client->session, bytes, (size_t)got) < 0)
                fail("what comes is no HTTP/2");
        } else {
            client->over = SSL_get_error(client->ssl, got) != SSL_ERROR_WANT_READ;
            break;
        }
    }
    if (!client->over) return;
    for (int i = 0; i < client->calls; i++) client->trials[i].ended = true;
}

static bool client_is_done(const struct client *client) {
    for (int i = 0; i < client->calls; i++) {
        const struct trial *trial = &client->trials[i];
        bool left = trial->plan->expected == LEFT && trial->replies == trial->messages;
        if (!trial->ended && !left) return false;
    }
    return true;
}

#endif
