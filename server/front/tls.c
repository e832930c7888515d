/* TLS: who may connect and how. Nothing of HTTP/2, and no sockets but those of an SSL.

   OpenSSL keeps errors in a queue of each thread, and SSL_get_error looks into it: it is
   cleared before each call. */

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "parts.h"

enum {
    CHAIN_DEPTH_MAX = 4,
    CHAIN_BYTES_MAX = 32 << 10, /* of a client's certificates */
    READ_AHEAD = 32 << 10,      /* two records with one system call */
};

static const unsigned char ALPN[] = {2, 'h', '2'};

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *in, unsigned int in_size, void *unused) {
    (void)ssl, (void)unused;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_size, ALPN, sizeof(ALPN), in, in_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void say(char *text, size_t size, const char *what) {
    unsigned long error = ERR_peek_last_error();
    const char *reason = error == 0 ? NULL : ERR_reason_error_string(error);
    snprintf(text, size, reason == NULL ? "%s" : "%s: %s", what, reason);
    ERR_clear_error();
}

static BIO *bio_of(const void *data, size_t size) {
    return size > INT32_MAX ? NULL : BIO_new_mem_buf(data, (int)size);
}

/* After the last of a file: whether it ended, or what follows cannot be read. What is behind
   that would be hidden, and with it whom a deployment trusts. */
static bool at_end(void) {
    unsigned long error = ERR_peek_last_error();
    bool ended = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    if (ended) ERR_clear_error();
    return ended;
}

/* The first certificate is the server's; what follows goes with it. */
static bool use_certificate(SSL_CTX *context, const void *data, size_t size) {
    BIO *bio = bio_of(data, size);
    if (bio == NULL) return false;
    X509 *first = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    bool good = first != NULL && SSL_CTX_use_certificate(context, first) == 1;
    X509_free(first);
    X509 *more;
    while (good && (more = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
        if (SSL_CTX_add0_chain_cert(context, more) != 1) {
            X509_free(more);
            good = false;
        }
    good = good && at_end();
    BIO_free(bio);
    return good;
}

static int no_password(char *buffer, int size, int writing, void *unused) {
    /* Never ask at a terminal: an encrypted key is an error. */
    (void)buffer, (void)size, (void)writing, (void)unused;
    return -1;
}

static bool use_key(SSL_CTX *context, const void *data, size_t size) {
    BIO *bio = bio_of(data, size);
    if (bio == NULL) return false;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    bool good = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1;
    EVP_PKEY_free(key);
    return good;
}

static bool use_authority(SSL_CTX *context, const void *data, size_t size) {
    BIO *bio = bio_of(data, size);
    if (bio == NULL) return false;
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    X509 *one;
    int count = 0;
    bool good = true;
    while (good && (one = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        good = X509_STORE_add_cert(store, one) == 1 && SSL_CTX_add_client_CA(context, one) == 1;
        X509_free(one);
        count++;
    }
    good = good && count > 0 && at_end();
    BIO_free(bio);
    return good;
}

/* Lists say who is revoked, and nothing else: who has issued none is believed as before, and
   one that is old still names whom it named. The register revokes participants' own. */
static int judge_without_list(int good, X509_STORE_CTX *judged) {
    switch (X509_STORE_CTX_get_error(judged)) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
        if (!good) X509_STORE_CTX_set_error(judged, X509_V_OK);
        return 1;
    default:
        return good;
    }
}

/* Whether a list is its issuer's, if that is an authority's own: with one that is spoilt nobody
   below would be believed. Of who is below the authority only a peer shows the key. */
static bool is_issuers(X509_STORE *store, X509_CRL *list) {
    X509_STORE_CTX *asked = X509_STORE_CTX_new();
    if (asked == NULL || X509_STORE_CTX_init(asked, store, NULL, NULL) != 1) {
        X509_STORE_CTX_free(asked);
        return false;
    }
    STACK_OF(X509) *issuers = X509_STORE_CTX_get1_certs(asked, X509_CRL_get_issuer(list));
    int count = sk_X509_num(issuers);
    bool good = count <= 0;
    for (int i = 0; i < count && !good; i++)
        good = X509_CRL_verify(list, X509_get0_pubkey(sk_X509_value(issuers, i))) == 1;
    if (good) ERR_clear_error();
    sk_X509_pop_free(issuers, X509_free);
    X509_STORE_CTX_free(asked);
    return good;
}

/* Revocation lists of the authority and of those below it; there may be none. */
static bool use_revocations(SSL_CTX *context, const void *data, size_t size) {
    BIO *bio = bio_of(data, size);
    if (bio == NULL) return false;
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    X509_CRL *one;
    int count = 0;
    bool good = true;
    while (good && (one = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
        good = is_issuers(store, one) && X509_STORE_add_crl(store, one) == 1;
        X509_CRL_free(one);
        count++;
    }
    good = good && at_end() && (count > 0 || size == 0);
    BIO_free(bio);
    if (!good || count == 0) return good;
    X509_STORE_set_verify_cb(store, judge_without_list);
    return X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1;
}

static bool set_up(SSL_CTX *context) {
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) return false;
    if (SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) return false;
    /* No tickets and no cache: each connection shows its certificate. */
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA);
    if (SSL_CTX_set_num_tickets(context, 0) != 1) return false;
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(context, CHAIN_DEPTH_MAX);
    SSL_CTX_set_max_cert_list(context, CHAIN_BYTES_MAX);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    /* A record that is no data gives way: a peer that sends nothing but new keys must not
       keep the thread inside one call. */
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD);
    return true;
}

SSL_CTX *tls_context(const void *certificate, size_t certificate_size, const void *key,
                     size_t key_size, const void *authority, size_t authority_size,
                     const void *revocations, size_t revocations_size, char *text,
                     size_t text_size) {
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    const char *wrong = NULL;
    if (context == NULL || !set_up(context))
        wrong = "TLS cannot be set up";
    else if (!use_certificate(context, certificate, certificate_size))
        wrong = "the certificate cannot be used";
    else if (!use_key(context, key, key_size))
        wrong = "the key cannot be used";
    else if (SSL_CTX_check_private_key(context) != 1)
        wrong = "the key is not the certificate's";
    else if (!use_authority(context, authority, authority_size))
        wrong = "the authority's certificates cannot be used";
    else if (!use_revocations(context, revocations, revocations_size))
        wrong = "the revocation lists cannot be used";
    if (wrong == NULL) return context;
    say(text, text_size, wrong);
    SSL_CTX_free(context);
    return NULL;
}

/* Whether a context believes a peer that another has let in. */
bool tls_trusts(SSL_CTX *context, SSL *ssl) {
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    X509_STORE_CTX *judged = X509_STORE_CTX_new();
    ERR_clear_error();
    bool good = judged != NULL && certificate != NULL &&
                X509_STORE_CTX_init(judged, SSL_CTX_get_cert_store(context), certificate,
                                    SSL_get_peer_cert_chain(ssl)) == 1 &&
                X509_STORE_CTX_set_default(judged, "ssl_client") == 1;
    if (good) {
        X509_VERIFY_PARAM_set_depth(X509_STORE_CTX_get0_param(judged), CHAIN_DEPTH_MAX);
        good = X509_verify_cert(judged) == 1;
    }
    X509_STORE_CTX_free(judged);
    ERR_clear_error();
    return good;
}

/* --- sockets ------------------------------------------------------------------------- */

/* OpenSSL's own does the same, and does not say when a socket had less than was asked for:
   without that each turn asks every socket once more, for nothing. */
static int socket_read(BIO *bio, char *data, size_t size, size_t *count) {
    struct tls_socket *socket = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t got;
    do got = recv(socket->fd, data, size, 0);
    while (got < 0 && errno == EINTR);
    socket->drained = got < (ssize_t)size;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) BIO_set_retry_read(bio);
    if (got <= 0) return 0;
    socket->bytes_in += (uint64_t)got;
    *count = (size_t)got;
    return 1;
}

static int socket_write(BIO *bio, const char *data, size_t size, size_t *count) {
    const struct tls_socket *socket = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t sent;
    do sent = send(socket->fd, data, size, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) BIO_set_retry_write(bio);
    if (sent <= 0) return 0;
    *count = (size_t)sent;
    return 1;
}

static long socket_control(BIO *bio, int what, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return what == BIO_CTRL_FLUSH; /* nothing is kept back */
}

static int socket_free(BIO *bio) {
    free(BIO_get_data(bio));
    return 1;
}

BIO_METHOD *tls_sockets(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "front");
    if (method != NULL && BIO_meth_set_read_ex(method, socket_read) == 1 &&
        BIO_meth_set_write_ex(method, socket_write) == 1 &&
        BIO_meth_set_ctrl(method, socket_control) == 1 &&
        BIO_meth_set_destroy(method, socket_free) == 1)
        return method;
    BIO_meth_free(method);
    return NULL;
}

SSL *tls_new(SSL_CTX *context, const BIO_METHOD *sockets, int fd) {
    SSL *ssl = SSL_new(context);
    BIO *bio = BIO_new(sockets);
    struct tls_socket *socket = calloc(1, sizeof(*socket));
    if (ssl == NULL || bio == NULL || socket == NULL) {
        SSL_free(ssl);
        BIO_free(bio);
        free(socket);
        return NULL;
    }
    socket->fd = fd;
    BIO_set_data(bio, socket);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return ssl;
}

const struct tls_socket *tls_socket(SSL *ssl) { return BIO_get_data(SSL_get_rbio(ssl)); }

/* --- reading and writing --------------------------------------------------------------- */

static void forget_errors(void) {
    if (unlikely(ERR_peek_error() != 0)) ERR_clear_error();
}

static enum tls_result tls_result(SSL *ssl, int rc) {
    switch (SSL_get_error(ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return TLS_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    case SSL_ERROR_SYSCALL:
        /* The socket has ended, cleanly or not: what TLS says of it does not matter to
           messages that have a length. */
        return TLS_CLOSED;
    default:
        return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING
                   ? TLS_CLOSED
                   : TLS_BROKEN;
    }
}

enum tls_result tls_accept(SSL *ssl) {
    forget_errors();
    int rc = SSL_accept(ssl);
    if (rc != 1) return tls_result(ssl, rc);
    const unsigned char *protocol;
    unsigned int size;
    /* The callback is not asked if the client names no protocol at all. */
    SSL_get0_alpn_selected(ssl, &protocol, &size);
    return size == 2 && memcmp(protocol, "h2", 2) == 0 ? TLS_DONE : TLS_BROKEN;
}

enum tls_result tls_read(SSL *ssl, void *data, size_t size, size_t *count) {
    forget_errors();
    int rc = SSL_read_ex(ssl, data, size, count);
    return rc == 1 ? TLS_DONE : tls_result(ssl, rc);
}

/* Whether reading again would find nothing, unless epoll says so since. */
bool tls_drained(SSL *ssl) { return tls_socket(ssl)->drained && SSL_has_pending(ssl) == 0; }

enum tls_result tls_write(SSL *ssl, const void *data, size_t size, size_t *count) {
    forget_errors();
    int rc = SSL_write_ex(ssl, data, size, count);
    return rc == 1 ? TLS_DONE : tls_result(ssl, rc);
}

/* `clean`: with a last word, which must not be said after a broken record. */
void tls_close(SSL *ssl, bool clean) {
    ERR_clear_error();
    if (clean) SSL_shutdown(ssl);
    ERR_clear_error();
}

/* The peer's certificate as DER, and the last second of its time. */
struct block *tls_certificate(SSL *ssl, int64_t *not_after) {
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    if (certificate == NULL) return NULL;
    struct tm last;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &last) != 1) return NULL;
    *not_after = (int64_t)timegm(&last);
    int size = i2d_X509(certificate, NULL);
    if (size <= 0) return NULL;
    struct block *block = block_new((size_t)size);
    if (block == NULL) return NULL;
    unsigned char *at = block->data;
    block->size = (size_t)i2d_X509(certificate, &at);
    return block;
}
