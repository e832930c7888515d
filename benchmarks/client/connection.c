/* TLS and the frames of HTTP/2, as much as a gRPC peer needs. See client.h.
 *
 * It knows as much of HTTP/2 as the switch and gRPC's servers say, and treats all else
 * as an error. The windows that it gives are as large as they can be.
 */

#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WINDOW_DEFAULT = 65535,
    WINDOW_MAX = 0x7FFFFFFF,
    WINDOW_RENEW = 1 << 29,   /* bytes read after which a window is opened again */
    READ_SIZE = 1 << 16,
    SET_TABLE_SIZE = 1, SET_PUSH = 2, SET_WINDOW = 4, SET_FRAME = 5,
    SETTING_SIZE = 6,
    TABLE_SIZE_MIN = 1024,    /* of the peer's table: our headers stay in it */
    HANDSHAKE_S = 60,
};

static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
static const unsigned char ALPN[] = "\x02h2";

static uint8_t* grown(Buffer* buffer, size_t size) {
    if (buffer->start == buffer->end) buffer->start = buffer->end = 0;
    if (buffer->end + size > buffer->size) {
        if (buffer->start > 0) {
            buffer->end -= buffer->start;
            memmove(buffer->bytes, buffer->bytes + buffer->start, buffer->end);
            buffer->start = 0;
        }
        while (buffer->end + size > buffer->size) {
            buffer->size = buffer->size ? 2 * buffer->size : 4096;
            buffer->bytes = realloc(buffer->bytes, buffer->size);
            if (buffer->bytes == NULL) abort();
        }
    }
    return buffer->bytes + buffer->end;
}

void buffer_add(Buffer* buffer, const void* bytes, size_t size) {
    if (size == 0) return;
    memcpy(grown(buffer, size), bytes, size);
    buffer->end += size;
}

/* --- TLS --------------------------------------------------------------------------- */

static int tls_failure(Failure* failure, const char* what) {
    char text[256];
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    return failure_set(failure, "%s: %s", what, text);
}

static int choose_h2(
    SSL* ssl, const unsigned char** out, unsigned char* size, const unsigned char* in,
    unsigned int in_size, void* arg) {
    (void)ssl, (void)arg;
    int found = SSL_select_next_proto(
        (unsigned char**)out, size, ALPN, sizeof ALPN - 1, in, in_size);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK
                                           : SSL_TLSEXT_ERR_ALERT_FATAL;
}

SSL_CTX* tls_context(
    bool is_server, const char* certificate, const char* key, const char* authority,
    Failure* failure) {
    ERR_clear_error();
    SSL_CTX* tls = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    if (tls == NULL || !SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION)
        || SSL_CTX_use_certificate_chain_file(tls, certificate) != 1
        || SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1
        || SSL_CTX_load_verify_locations(tls, authority, NULL) != 1
        || SSL_CTX_set_alpn_protos(tls, ALPN, sizeof ALPN - 1) != 0) {
        tls_failure(failure, certificate);
        SSL_CTX_free(tls);
        return NULL;
    }
    if (is_server) SSL_CTX_set_alpn_select_cb(tls, choose_h2, NULL);
    SSL_CTX_set_verify(
        tls, SSL_VERIFY_PEER | (is_server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    SSL_CTX_set_mode(
        tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* Several records with one system call. */
    SSL_CTX_set_read_ahead(tls, 1);
    SSL_CTX_set_default_read_buffer_len(tls, READ_SIZE);
    return tls;
}

static int hello(Connection* self, bool is_server) {
    self->window = self->stream_window = WINDOW_DEFAULT;
    if (!is_server) buffer_add(&self->out, PREFACE, sizeof PREFACE - 1);
    uint8_t settings[2 * SETTING_SIZE] = {0, SET_PUSH, 0, 0, 0, 0, 0, SET_WINDOW};
    uint32_t window = htonl(WINDOW_MAX);
    memcpy(settings + SETTING_SIZE + 2, &window, 4);
    /* A server must not say anything of pushing. */
    size_t skip = is_server ? SETTING_SIZE : 0;
    connection_frame(
        self, SETTINGS, 0, 0, settings + skip, sizeof settings - skip);
    uint32_t more = htonl(WINDOW_MAX - WINDOW_DEFAULT);
    connection_frame(self, WINDOW_UPDATE, 0, 0, &more, sizeof more);
    int flags = fcntl(self->fd, F_GETFL);
    if (fcntl(self->fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return failure_set(self->failure, "fcntl: %s", strerror(errno));
    /* At once: who is dialled may wait for it before it takes another. */
    return connection_write(self);
}

static int read_preface(Connection* self) {
    char found[sizeof PREFACE - 1];
    for (int have = 0, size; have < (int)sizeof found; have += size) {
        size = SSL_read(self->ssl, found + have, (int)sizeof found - have);
        if (size <= 0) return failure_set(self->failure, "the client says nothing");
    }
    if (memcmp(found, PREFACE, sizeof found) != 0)
        return failure_set(self->failure, "the client does not speak HTTP/2");
    return 0;
}

static int shake(Connection* self, SSL_CTX* tls, const char* host, Failure* failure) {
    struct timeval limit = {HANDSHAKE_S, 0};
    int one = 1;
    self->failure = failure;
    setsockopt(self->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(self->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ERR_clear_error();
    self->ssl = SSL_new(tls);
    if (self->ssl == NULL || !SSL_set_fd(self->ssl, self->fd))
        return tls_failure(failure, "TLS");
    if (host != NULL) {
        X509_VERIFY_PARAM* verify = SSL_get0_param(self->ssl);
        if (!X509_VERIFY_PARAM_set1_ip_asc(verify, host)) SSL_set1_host(self->ssl, host);
    }
    if ((host != NULL ? SSL_connect(self->ssl) : SSL_accept(self->ssl)) != 1)
        return tls_failure(failure, "the handshake failed");
    const unsigned char* protocol;
    unsigned int size;
    SSL_get0_alpn_selected(self->ssl, &protocol, &size);
    if (size != 2 || memcmp(protocol, "h2", 2) != 0)
        return failure_set(failure, "the peer does not speak HTTP/2");
    if (host == NULL && read_preface(self) != 0) return -1;
    return hello(self, host == NULL);
}

int connection_dial(
    Connection* self, SSL_CTX* tls, const char* host, int port, Failure* failure) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    self->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
        return failure_set(failure, "%s is no IPv4 address", host);
    if (connect(self->fd, (struct sockaddr*)&to, sizeof to) != 0)
        return failure_set(failure, "connect: %s", strerror(errno));
    return shake(self, tls, host, failure);
}

int connection_accept(Connection* self, SSL_CTX* tls, int fd, Failure* failure) {
    self->fd = fd;
    return shake(self, tls, NULL, failure);
}

void connection_close(Connection* self) {
    SSL_free(self->ssl);
    if (self->fd > 0) close(self->fd);
    free(self->in.bytes);
    free(self->out.bytes);
    memset(self, 0, sizeof *self);
}

/* --- frames ------------------------------------------------------------------------ */

void connection_frame(
    Connection* self, int kind, int flags, uint32_t stream, const void* body,
    size_t size) {
    uint8_t* head = grown(&self->out, FRAME_HEAD + size);
    head[0] = (uint8_t)(size >> 16);
    head[1] = (uint8_t)(size >> 8);
    head[2] = (uint8_t)size;
    head[3] = (uint8_t)kind;
    head[4] = (uint8_t)flags;
    stream = htonl(stream);
    memcpy(head + 5, &stream, 4);
    if (size) memcpy(head + FRAME_HEAD, body, size);
    self->out.end += FRAME_HEAD + size;
}

static size_t add_literal(uint8_t* to, const char* name, const char* value) {
    size_t name_size = strlen(name), value_size = strlen(value);
    /* Enters the dynamic table; sizes below 127 are one byte. */
    to[0] = 0x40;
    to[1] = (uint8_t)name_size;
    memcpy(to + 2, name, name_size);
    to[2 + name_size] = (uint8_t)value_size;
    memcpy(to + 3 + name_size, value, value_size);
    return 3 + name_size + value_size;
}

size_t call_headers(uint8_t* to, const char* host, int port, const char* path) {
    char authority[64];
    snprintf(authority, sizeof authority, "%.50s:%d", host, port);
    /* :method POST and :scheme https. */
    memcpy(to, "\x83\x87", 2);
    size_t size = 2;
    size += add_literal(to + size, ":path", path);
    size += add_literal(to + size, ":authority", authority);
    size += add_literal(to + size, "te", "trailers");
    size += add_literal(to + size, "content-type", "application/grpc");
    return size;
}

size_t session_header(uint8_t* to, const char* session) {
    static char name[] = "payswitch-session-bin";
    nghttp2_nv field = {.name = (uint8_t*)name, .value = (uint8_t*)(uintptr_t)session,
                        .namelen = sizeof name - 1, .valuelen = strlen(session),
                        .flags = NGHTTP2_NV_FLAG_NO_INDEX};
    nghttp2_hd_deflater* deflater;
    if (nghttp2_hd_deflate_new(&deflater, 4096) != 0) abort();
    ssize_t size = nghttp2_hd_deflate_hd(deflater, to, SESSION_SIZE, &field, 1);
    nghttp2_hd_deflate_del(deflater);
    return size > 0 ? (size_t)size : 0;
}

static uint32_t read_u32(const uint8_t* at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return ntohl(value);
}

static int take_settings(Connection* self, const uint8_t* body, size_t size) {
    for (size_t at = 0; at + SETTING_SIZE <= size; at += SETTING_SIZE) {
        int name = body[at] << 8 | body[at + 1];
        uint32_t value = read_u32(body + at + 2);
        if (name == SET_TABLE_SIZE && value < TABLE_SIZE_MIN)
            return failure_set(self->failure, "the peer has no room for headers");
        if (name == SET_WINDOW) {
            int64_t change = (int64_t)value - self->stream_window;
            self->stream_window = value;
            self->handler->window(self, 0, change);
        }
    }
    connection_frame(self, SETTINGS, ACK, 0, NULL, 0);
    return 0;
}

static int take_data(
    Connection* self, uint32_t stream, const uint8_t* body, size_t size, bool ends) {
    self->read += size;
    if (self->read > WINDOW_RENEW) {
        uint32_t more = htonl((uint32_t)self->read);
        connection_frame(self, WINDOW_UPDATE, 0, 0, &more, sizeof more);
        self->read = 0;
    }
    return self->handler->data(self, stream, body, size, ends);
}

static int take_frame(
    Connection* self, int kind, int flags, uint32_t stream, const uint8_t* body,
    size_t size) {
    bool is_plain = !(flags & (PADDED | PRIORITY));
    if (kind == DATA && is_plain)
        return take_data(self, stream, body, size, flags & END_STREAM);
    if (kind == HEADERS && is_plain && flags & END_HEADERS)
        return self->handler->headers(self, stream, body, size, flags & END_STREAM);
    if (kind == WINDOW_UPDATE && size == 4) {
        uint32_t more = read_u32(body);
        if (stream == 0) self->window += more;
        else self->handler->window(self, stream, more);
        return 0;
    }
    if (kind == SETTINGS) return flags & ACK ? 0 : take_settings(self, body, size);
    if (kind == PING && size == 8) {
        if (!(flags & ACK)) connection_frame(self, PING, ACK, 0, body, size);
        return 0;
    }
    if (kind == RST_STREAM && size == 4)
        return self->handler->reset(self, stream, read_u32(body));
    if (kind == GOAWAY && size >= 8)
        return failure_set(
            self->failure, "the peer says goodbye: error %u, %.*s", read_u32(body + 4),
            (int)(size - 8 < 200 ? size - 8 : 200), body + 8);
    return failure_set(self->failure, "frame %d, flags %d", kind, flags);
}

static int take_frames(Connection* self) {
    Buffer* in = &self->in;
    while (in->end - in->start >= FRAME_HEAD) {
        const uint8_t* head = in->bytes + in->start;
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (size > FRAME_MAX) return failure_set(self->failure, "a frame is too large");
        if (in->end - in->start < FRAME_HEAD + size) break;
        in->start += FRAME_HEAD + size;
        uint32_t stream = read_u32(head + 5) & 0x7FFFFFFF;
        if (take_frame(self, head[3], head[4], stream, head + FRAME_HEAD, size) != 0)
            return -1;
    }
    return 0;
}

int connection_read(Connection* self) {
    for (;;) {
        ERR_clear_error();
        int size = SSL_read(self->ssl, grown(&self->in, READ_SIZE), READ_SIZE);
        if (size <= 0) {
            int error = SSL_get_error(self->ssl, size);
            if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return 0;
            if (error == SSL_ERROR_ZERO_RETURN || error == SSL_ERROR_SYSCALL)
                return failure_set(self->failure, "the peer closed the connection");
            return tls_failure(self->failure, "the peer broke the connection");
        }
        self->in.end += (size_t)size;
        if (take_frames(self) != 0) return -1;
        /* What is left in the socket, epoll tells; asking would be a call for nothing. */
        if (!SSL_has_pending(self->ssl)) return 0;
    }
}

int connection_write(Connection* self) {
    Buffer* out = &self->out;
    self->is_blocked = false;
    while (out->start < out->end) {
        size_t left = out->end - out->start;
        ERR_clear_error();
        int size = SSL_write(
            self->ssl, out->bytes + out->start, (int)(left < OUT_MAX ? left : OUT_MAX));
        if (size <= 0) {
            int error = SSL_get_error(self->ssl, size);
            if (error != SSL_ERROR_WANT_WRITE && error != SSL_ERROR_WANT_READ)
                return failure_set(self->failure, "the peer closed the connection");
            self->is_blocked = true;
            return 0;
        }
        out->start += (size_t)size;
    }
    return 0;
}
