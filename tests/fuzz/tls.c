/* TLS records: a client's flights, changed on their way to the front's TLS.

   Input: a byte of what the client is, and steps.
       bit 0   TLS 1.2 at most
       bit 1   without its certificate
       bits 2-3  h2, no protocol, another one, both
       bits 4-5  records come whole, or 500, 20, 1 bytes at a time
   Steps, a byte each of what (upper 3 bits) and how (lower 5), are taken each time the client
   has something to send:
       0  it goes as it is
       1  a byte of it is changed: place (2 bytes), by what (1 byte)
       2  its end is lost: how much (1 byte)
       3  it comes twice
       4  it comes behind the next
       5  other bytes come before it: how many (1 byte), and these
       6  the client does something: new keys, a call, many bytes, a last word, or hangs up
       7  time passes, ms

   Chance is the same for each input. Beside what door.h looks at: a handshake ends well only
   with the client's certificate and h2; and what comes out of the records is what the client
   wrote, from its beginning on without a gap. */

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <openssl/rand.h>

#include "../front/certificates.h"
#include "allocated.h"
#include "door.h"
#include "target.h"

enum {
    WAY_MAX = 1 << 18, /* bytes of one way */
    SENT_MAX = 1 << 17,
    STEPS_MAX = 64,    /* flights of one input */
    KEYS_MAX = 64,     /* changed one behind the other */
    BESIDE = 96 << 10, /* bytes: what was read ahead, twice while keys change, and its buffers */
};

extern struct identity door_identity;

static uint64_t random_numbers;
static SSL_CTX *client_context;

/* Towards the server, and back. */
static struct way {
    uint8_t bytes[WAY_MAX];
    size_t size, read;
} to_server, to_client;
static bool hung_up;

static uint8_t sent[SENT_MAX]; /* what the client wrote */
static size_t sent_size, received;

/* --- chance, the same each time ------------------------------------------------------------ */

static int give_bytes(unsigned char *bytes, int count) {
    for (int i = 0; i < count; i++) bytes[i] = (unsigned char)target_chance(&random_numbers, 256);
    return 1;
}

static int is_ready(void) { return 1; }

static void set_chance(void) {
    static const RAND_METHOD method = {.bytes = give_bytes, .pseudorand = give_bytes,
                                       .status = is_ready};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    RAND_set_rand_method(&method);
#pragma GCC diagnostic pop
}

/* --- sockets ------------------------------------------------------------------------------- */

ssize_t __wrap_recv(int fd, void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);

ssize_t __wrap_recv(int fd, void *data, size_t size, int flags) {
    (void)fd, (void)flags;
    size_t left = to_server.size - to_server.read;
    if (left == 0) {
        errno = EAGAIN;
        return hung_up ? 0 : -1;
    }
    if (size > left) size = left;
    memcpy(data, to_server.bytes + to_server.read, size);
    to_server.read += size;
    return (ssize_t)size;
}

ssize_t __wrap_send(int fd, const void *data, size_t size, int flags) {
    (void)fd, (void)flags;
    if (size > WAY_MAX - to_client.size) size = WAY_MAX - to_client.size;
    if (size == 0) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(to_client.bytes + to_client.size, data, size);
    to_client.size += size;
    return (ssize_t)size;
}

/* What the records held, on its way to HTTP/2. */
void __real_http2_receive(struct connection *connection, const uint8_t *data, size_t size);
void __wrap_http2_receive(struct connection *connection, const uint8_t *data, size_t size);

void __wrap_http2_receive(struct connection *connection, const uint8_t *data, size_t size) {
    target_check(received + size <= sent_size && memcmp(sent + received, data, size) == 0,
                 "%zu bytes at %zu are not those that were written", size, received);
    received += size;
    __real_http2_receive(connection, data, size);
}

/* --- the client ------------------------------------------------------------------------------ */

static SSL *client;

static void make_client(uint8_t options) {
    static const uint8_t protocols[] = "\x02h2\x08http/1.1";
    client = SSL_new(client_context);
    if (options & 1) SSL_set_max_proto_version(client, TLS1_2_VERSION);
    if (!(options & 2)) {
        SSL_use_certificate(client, door_identity.certificate);
        SSL_use_PrivateKey(client, door_identity.key);
    }
    switch (options >> 2 & 3) {
    case 0: SSL_set_alpn_protos(client, protocols, 3); break;
    case 2: SSL_set_alpn_protos(client, protocols + 3, 9); break;
    case 3: SSL_set_alpn_protos(client, protocols, 12); break;
    }
    SSL_set_bio(client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(client);
}

/* What the server has sent is read. */
static void client_read(void) {
    static uint8_t bytes[4096];
    if (to_client.size > 0) BIO_write(SSL_get_rbio(client), to_client.bytes, (int)to_client.size);
    to_client.size = 0;
    if (SSL_do_handshake(client) != 1) return;
    while (SSL_read(client, bytes, sizeof(bytes)) > 0) {}
}

static void client_write(const void *data, size_t size) {
    if (!SSL_is_init_finished(client) || size == 0 || size > SENT_MAX - sent_size) return;
    memcpy(sent + sent_size, data, size);
    if (SSL_write(client, data, (int)size) > 0) sent_size += size;
}

static void client_call(void) {
    static const char call[] =
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
        "\0\0\x27\1\5\0\0\0\1\x83\x87\4\x08/f/Unary\1\x09localhost"
        "\x0f\x10\x10" "application/grpc";
    client_write(call, sizeof(call) - 1);
}

static void client_act(int how) {
    static const uint8_t zeros[30 * 512];
    switch (how % 6) {
    case 0: client_call(); break;
    case 1: client_write(zeros, (size_t)how % 30 * 512 + 1); break;
    case 2: SSL_shutdown(client); break;
    case 3: hung_up = true; break;
    default:
        for (int i = 0; i < how % KEYS_MAX && SSL_is_init_finished(client); i++) {
            if (SSL_key_update(client, how % 6 == 4 ? SSL_KEY_UPDATE_REQUESTED
                                                    : SSL_KEY_UPDATE_NOT_REQUESTED) != 1)
                break;
            SSL_do_handshake(client);
        }
    }
}

/* --- the way --------------------------------------------------------------------------------- */

static struct {
    const uint8_t *at, *end;
    uint8_t held[WAY_MAX];
    size_t held_size;
} input;

static size_t next_byte(void) { return input.at < input.end ? *input.at++ : 0; }

/* Takes what the client has to send, and steps, until one lets it go; its bytes. */
static size_t take_flight(uint8_t *flight, size_t most) {
    int size = BIO_read(SSL_get_wbio(client), flight, (int)most / 4);
    size_t count = size > 0 ? (size_t)size : 0, place, piece;
    while (input.at < input.end) {
        size_t step = next_byte(), how = step & 31;
        switch (step >> 5) {
        case 0: return count;
        case 1:
            place = next_byte() << 8;
            place |= next_byte();
            piece = next_byte();
            if (count > 0) flight[place % count] ^= (uint8_t)piece;
            break;
        case 2:
            count -= count * next_byte() / 256;
            break;
        case 3:
            if (count > most / 4) break;
            memcpy(flight + count, flight, count);
            count *= 2;
            break;
        case 4:
            if (input.held_size > 0) break;
            memcpy(input.held, flight, count);
            input.held_size = count;
            return 0;
        case 5:
            piece = next_byte();
            if (piece > (size_t)(input.end - input.at)) piece = (size_t)(input.end - input.at);
            if (count + piece > most / 2) break;
            memmove(flight + piece, flight, count);
            memcpy(flight, input.at, piece);
            count += piece;
            input.at += piece;
            break;
        case 6:
            client_act((int)how);
            size = BIO_read(SSL_get_wbio(client), flight + count, (int)(most - count) / 4);
            if (size > 0) count += (size_t)size;
            break;
        case 7: door_pass((int64_t)how); break;
        }
    }
    return count;
}

/* --- the server ------------------------------------------------------------------------------ */

static SSL *server;
static bool connected, over;

static void judge_handshake(uint8_t options) {
    const unsigned char *protocol;
    unsigned int size;
    X509 *certificate = SSL_get0_peer_certificate(server);
    target_check(!(options & 2) && certificate != NULL &&
                     X509_cmp(certificate, door_identity.certificate) == 0,
                 "somebody without a certificate is let in");
    SSL_get0_alpn_selected(server, &protocol, &size);
    target_check(size == 2 && memcmp(protocol, "h2", 2) == 0, "a protocol of %u bytes", size);
    target_check(SSL_version(server) >= TLS1_2_VERSION, "TLS of version %x", SSL_version(server));
}

static void serve(uint8_t options) {
    if (connected) {
        over = !door_turn(EPOLLIN | EPOLLOUT | (hung_up ? EPOLLRDHUP : 0));
        return;
    }
    enum tls_result result = tls_accept(server);
    if (result == TLS_AGAIN) return;
    if (result == TLS_DONE) {
        judge_handshake(options);
        connected = true;
        over = door_open(server, 1) == NULL;
    } else {
        over = true;
        SSL_free(server);
    }
    server = NULL;
}

static void begin(uint8_t options) {
    if (door_front == NULL) {
        set_chance();
        door_beside = BESIDE;
        door_init(NULL);
        client_context = SSL_CTX_new(TLS_client_method());
    }
    random_numbers = 1;
    to_server.size = to_server.read = to_client.size = sent_size = received = 0;
    hung_up = connected = over = false;
    input.held_size = 0;
    allocated_begin();
    server = tls_new(door_front->handover.context, door_front->handover.sockets, -1);
    SSL_set_accept_state(server);
    allocated_watch(false);
    make_client(options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const size_t steps[] = {WAY_MAX, 500, 20, 1};
    static uint8_t flight[WAY_MAX / 2];
    if (size == 0) return 0;
    uint8_t options = data[0];
    begin(options);
    input.at = data + 1;
    input.end = data + size;
    for (int left = STEPS_MAX; left > 0 && !over; left--) {
        client_read();
        if (SSL_is_init_finished(client) && sent_size == 0) client_call();
        size_t count = take_flight(flight, sizeof(flight));
        size_t held = count > 0 ? input.held_size : 0;
        if (count + held > WAY_MAX - to_server.size) break;
        uint8_t *at = to_server.bytes + to_server.size;
        memcpy(at, flight, count);
        memcpy(at + count, input.held, held);
        if (held > 0) input.held_size = 0;
        count += held;
        allocated_watch(true);
        size_t step = steps[options >> 4 & 3];
        for (size_t given = 0; given < count && !over; given += step) {
            to_server.size += count - given < step ? count - given : step;
            serve(options);
        }
        if (count == 0 && !over) serve(options);
        allocated_watch(false);
        if (count == 0 && input.at >= input.end) break;
    }
    SSL_free(client);
    allocated_watch(true);
    hung_up = true;
    if (server != NULL) SSL_free(server);
    if (connected && !over) serve(options);
    door_end();
    return 0;
}
