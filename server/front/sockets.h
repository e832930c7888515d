/* What is no connection yet: listeners, sockets that wait, handshakes; and TLS.

   Part of parts.h, which includes it. All of it belongs to the handshake thread but what
   stands under the handover's lock. */

#ifndef FRONT_SOCKETS_H
#define FRONT_SOCKETS_H

struct peer_address {
    char text[FRONT_ADDRESS_SIZE];
    int port;
};

struct link {
    struct link *next, *prev; /* NULL: in no ring */
};

/* What comes from one address: so much a second, and who of it is on the way. */
struct address_slot {
    struct bucket bucket;
    int64_t open;                     /* handshakes under way */
    int64_t silent_count, line_count; /* sockets that wait */
    struct link silent, line;         /* rings of these, oldest first */
    struct link with_silent, with_line; /* among the addresses that have any */
};

/* A socket on its way to a connection: it is silent, stands in line, or shakes hands. */
struct handshake {
    uint8_t source; /* first */
    bool in_line;
    struct handshake *next, *prev; /* of those under way, or of those that are through */
    struct link age, place;        /* of those that wait: of all, and of its address */
    struct address_slot *slot;
    int fd;
    SSL *ssl;        /* NULL: it waits */
    int64_t born_ms; /* of the socket, then of the handshake */
    struct peer_address address;
};

struct listener;

struct handover {
    pthread_mutex_t lock;
    struct handshake *first, **end; /* done */
    SSL_CTX *context;               /* of new ones */
    BIO_METHOD *sockets;            /* of all */
    struct listener *listeners[LISTENERS_MAX];
    int listeners_count;
    bool closed;                    /* no new ones: drained or stopped */
    struct front_refused refused[FRONT_REFUSED_MAX];
    size_t refused_count;
    int wake_fd;
    int epoll_fd;
    pthread_t thread;
    bool running;
    /* The thread's alone. */
    struct handshake ring; /* those under way, oldest first */
    struct link waiting;   /* those that wait, oldest first */
    struct link with_silent, with_line; /* addresses that have such, the latter by their turns */
    int spare_fd;     /* let go to turn somebody away when there is no other */
    int64_t again_ms; /* until then nothing is accepted; 0: all is */
    struct address_slot *slots;
    uint64_t slots_seed; /* so that nobody chooses with whom it shares one */
    atomic_bool stop;
};

/* tls.c */
SSL_CTX *tls_context(const void *certificate, size_t certificate_size, const void *key,
                     size_t key_size, const void *authority, size_t authority_size,
                     const void *revocations, size_t revocations_size, char *text,
                     size_t text_size);
bool tls_trusts(SSL_CTX *context, SSL *ssl); /* a peer that is through with its handshake */
/* What lies under a connection's TLS. */
struct tls_socket {
    int fd;
    bool drained;      /* the last read found less than it had room for */
    uint64_t bytes_in; /* of records, since the beginning */
};
BIO_METHOD *tls_sockets(void);
SSL *tls_new(SSL_CTX *context, const BIO_METHOD *sockets, int fd); /* NULL: no memory */
const struct tls_socket *tls_socket(SSL *ssl);
enum tls_result { TLS_DONE, TLS_AGAIN, TLS_CLOSED, TLS_BROKEN };
enum tls_result tls_accept(SSL *ssl);
enum tls_result tls_read(SSL *ssl, void *data, size_t size, size_t *count);
enum tls_result tls_write(SSL *ssl, const void *data, size_t size, size_t *count);
bool tls_drained(SSL *ssl);
void tls_close(SSL *ssl, bool clean);
struct block *tls_certificate(SSL *ssl, int64_t *not_after);

/* handshake.c */
bool handshake_init(struct front *front);
int handshake_start(struct front *front);
void handshake_close(struct front *front); /* no new ones */
void handshake_stop(struct front *front);  /* ends and joins the thread */
struct handshake *handshake_take(struct front *front);
void handshake_free(struct handshake *handshake);

/* listening.c; also front_listen and front_take_refused */
int listening_spare(void); /* a descriptor that is good for nothing; -1: there is none */
bool listening_accept(struct front *front, const struct listener *listener, int64_t now_ms);
void listening_watch(struct handover *handover, bool watch);
void listening_close(struct handover *handover);

/* waiting.c */
bool waiting_init(struct handover *handover);
bool waiting_make_room(struct front *front, const struct address_slot *slot);
void waiting_add(struct front *front, struct handshake *handshake);
void waiting_hear(struct front *front, struct handshake *handshake, uint32_t events);
void waiting_expire(struct front *front, int64_t now_ms);
int64_t waiting_due_ms(struct front *front);
bool waiting_has_line(const struct handover *handover);
struct address_slot *waiting_turn(struct front *front, int64_t now_ms,
                                  bool (*may)(struct front *front, struct address_slot *slot,
                                              int64_t now_ms));
struct handshake *waiting_take(struct front *front, struct address_slot *slot);
void waiting_end(struct front *front);

#endif
