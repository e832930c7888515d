/* See plain.h: tls.c's functions over bytes in memory. */

#include "plain.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "allocated.h"
#include "door.h"

struct plain plain;

SSL_CTX *tls_context(const void *certificate, size_t certificate_size, const void *key,
                     size_t key_size, const void *authority, size_t authority_size,
                     const void *revocations, size_t revocations_size, char *text,
                     size_t text_size) {
    (void)certificate, (void)certificate_size, (void)key, (void)key_size, (void)authority;
    (void)authority_size, (void)revocations, (void)revocations_size, (void)text, (void)text_size;
    return SSL_CTX_new(TLS_server_method());
}

bool tls_trusts(SSL_CTX *context, SSL *ssl) { return (void)context, (void)ssl, true; }

BIO_METHOD *tls_sockets(void) { return BIO_meth_new(BIO_TYPE_SOURCE_SINK, "plain"); }

SSL *tls_new(SSL_CTX *context, const BIO_METHOD *sockets, int fd) {
    return (void)sockets, (void)fd, SSL_new(context);
}

const struct tls_socket *tls_socket(SSL *ssl) {
    static struct tls_socket socket;
    (void)ssl;
    socket.bytes_in = plain.read;
    return &socket;
}

enum tls_result tls_accept(SSL *ssl) { return (void)ssl, TLS_DONE; }

enum tls_result tls_read(SSL *ssl, void *data, size_t size, size_t *count) {
    (void)ssl;
    size_t left = plain.size - plain.read;
    if (left == 0) return plain.ended ? TLS_CLOSED : TLS_AGAIN;
    *count = left < size ? left : size;
    memcpy(data, plain.data + plain.read, *count);
    plain.read += *count;
    return TLS_DONE;
}

bool tls_drained(SSL *ssl) { return (void)ssl, plain.read == plain.size && !plain.ended; }

enum tls_result tls_write(SSL *ssl, const void *data, size_t size, size_t *count) {
    (void)ssl;
    if (plain.stuck) return TLS_AGAIN;
    *count = size < READ_SIZE ? size : READ_SIZE;
    plain.sent += *count;
    if (plain.hear != NULL) plain.hear(data, *count);
    return TLS_DONE;
}

void tls_close(SSL *ssl, bool clean) { (void)ssl, (void)clean; }

struct block *tls_certificate(SSL *ssl, int64_t *not_after) {
    (void)ssl;
    *not_after = INT64_MAX;
    return block_copy("certificate", 11);
}

/* What is sent once everything was said is taken off the socket itself. */
ssize_t __wrap_recv(int fd, void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);

ssize_t __wrap_recv(int fd, void *data, size_t size, int flags) {
    (void)fd, (void)flags;
    size_t count;
    enum tls_result result = tls_read(NULL, data, size, &count);
    if (result == TLS_DONE) return (ssize_t)count;
    errno = EAGAIN;
    return result == TLS_CLOSED ? 0 : -1;
}

ssize_t __wrap_send(int fd, const void *data, size_t size, int flags) {
    return (void)fd, (void)data, (void)flags, (ssize_t)size;
}

/* --- the peer -------------------------------------------------------------------------------- */

bool plain_open(uint64_t seed) {
    plain = (struct plain){.hear = plain.hear, .stuck = plain.stuck};
    allocated_begin();
    return door_open(SSL_new(door_front->handover.context), seed) != NULL;
}

bool plain_send(const uint8_t *data, size_t size, size_t step) {
    static uint8_t all[PLAIN_MAX];
    if (size > PLAIN_MAX - plain.size) size = PLAIN_MAX - plain.size;
    memcpy(all + plain.size, data, size);
    plain.data = all;
    bool open = true;
    for (size_t end = plain.size + size; plain.size < end && open;) {
        plain.size = end - plain.size < step ? end : plain.size + step;
        door_pass(1);
        open = door_turn(EPOLLIN | (plain.stuck ? 0 : EPOLLOUT));
    }
    return open;
}

void plain_end(bool by_peer) {
    plain.ended = by_peer;
    if (by_peer) door_turn(EPOLLIN | EPOLLRDHUP);
    door_end();
}
