/* What goes between the front thread and who uses it: commands in, events out.

   Both are lists that change hands whole under one lock. Records that are over go back
   the same way, so that neither side allocates in the usual case and neither frees what
   the other made. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "parts.h"

bool mailbox_init(struct mailbox *mailbox) {
    pthread_mutex_init(&mailbox->lock, NULL);
    mailbox->commands_end = &mailbox->commands;
    mailbox->events_end = &mailbox->events;
    mailbox->turn_end = &mailbox->turn_events;
    mailbox->turn_used_end = &mailbox->turn_used;
    mailbox->commands_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    mailbox->events_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return mailbox->commands_fd >= 0 && mailbox->events_fd >= 0;
}

static void event_clean(struct front *front, struct event *event) {
    if (event->owner != NULL) owners_let_go(front, event->owner, event->kept);
    block_free(event->path);
    block_free(event->metadata);
    block_free(event->body);
}

static void free_events(struct front *front, struct event *event) {
    while (event != NULL) {
        struct event *next = event->next;
        event_clean(front, event);
        free(event);
        event = next;
    }
}

void mailbox_free(struct front *front) {
    struct mailbox *mailbox = &front->mailbox;
    free_events(front, mailbox->events);
    free_events(front, mailbox->turn_events);
    free_events(front, mailbox->events_back);
    while (mailbox->free_events != NULL) { /* these are clean */
        struct event *next = mailbox->free_events->next;
        free(mailbox->free_events);
        mailbox->free_events = next;
    }
    /* Their keepers have been let go: front_take_used comes first. */
    while (mailbox->idle != NULL) {
        struct command *next = mailbox->idle->next;
        free(mailbox->idle);
        mailbox->idle = next;
    }
    if (mailbox->commands_fd >= 0) close(mailbox->commands_fd);
    if (mailbox->events_fd >= 0) close(mailbox->events_fd);
    pthread_mutex_destroy(&mailbox->lock);
}

static void set_fd(int fd) {
    uint64_t one = 1;
    /* It can only fail by being full, and then it is set. */
    ssize_t written = write(fd, &one, sizeof(one));
    (void)written;
}

static void unset_fd(int fd) {
    uint64_t count;
    ssize_t got = read(fd, &count, sizeof(count));
    (void)got;
}

/* --- the front thread's side --------------------------------------------------------- */

struct event *mailbox_new_event(struct mailbox *mailbox, int kind) {
    struct event *event = mailbox->free_events;
    if (event != NULL) {
        mailbox->free_events = event->next;
        mailbox->free_events_count--;
    } else if ((event = malloc(sizeof(*event))) == NULL) {
        return NULL;
    }
    memset(event, 0, offsetof(struct event, address));
    event->kind = (uint8_t)kind;
    return event;
}

/* What an event keeps is its owner's, whatever becomes of its call. */
void mailbox_keep(struct front *front, struct event *event, struct owner *owner, size_t size) {
    event->owner = owner;
    event->kept = size;
    owners_keep(front, owner, size);
}

void mailbox_add_event(struct mailbox *mailbox, struct event *event) {
    event->next = NULL;
    *mailbox->turn_end = event;
    mailbox->turn_end = &event->next;
}

/* It holds nothing, or is NULL. */
void mailbox_spare(struct mailbox *mailbox, struct event *event) {
    if (event == NULL) return;
    if (mailbox->free_events_count >= IDLE_EVENTS) {
        free(event);
        return;
    }
    event->next = mailbox->free_events;
    mailbox->free_events = event;
    mailbox->free_events_count++;
}

/* An event that was taken and is given back: the caller has its message from now on. */
static void mailbox_reuse(struct front *front, struct event *event) {
    struct call *call = event->body != NULL ? calls_find(front, event->call) : NULL;
    if (call != NULL) calls_lend(call, event->body->capacity);
    event_clean(front, event);
    mailbox_spare(&front->mailbox, event);
}

/* `woken`: epoll has told of the descriptor, which is taken back. */
struct command *mailbox_take_commands(struct front *front, bool woken) {
    struct mailbox *mailbox = &front->mailbox;
    if (woken) unset_fd(mailbox->commands_fd);
    pthread_mutex_lock(&mailbox->lock);
    struct command *first = mailbox->commands;
    mailbox->commands = NULL;
    mailbox->commands_end = &mailbox->commands;
    mailbox->wake_given = false;
    struct event *back = mailbox->events_back;
    mailbox->events_back = NULL;
    pthread_mutex_unlock(&mailbox->lock);
    /* First: a command may be the answer to one of them. */
    while (back != NULL) {
        struct event *next = back->next;
        mailbox_reuse(front, back);
        back = next;
    }
    return first;
}

void mailbox_use_command(struct mailbox *mailbox, struct command *command) {
    block_free(command->fields);
    command->fields = NULL;
    mailbox->turn_used_bytes += command->message.size;
    command->next = NULL;
    *mailbox->turn_used_end = command;
    mailbox->turn_used_end = &command->next;
}

void mailbox_release(struct front *front, struct outgoing *message) {
    mailbox_use_command(&front->mailbox, (struct command *)message);
}

/* Makes this turn's events and used commands known. */
void mailbox_end_turn(struct mailbox *mailbox) {
    if (mailbox->turn_events == NULL && mailbox->turn_used == NULL) return;
    pthread_mutex_lock(&mailbox->lock);
    bool tell = mailbox->turn_used_bytes >= RELEASE_SOON;
    if (mailbox->turn_events != NULL) {
        *mailbox->events_end = mailbox->turn_events;
        mailbox->events_end = mailbox->turn_end;
        tell = true;
    }
    if (mailbox->turn_used != NULL) {
        *mailbox->turn_used_end = mailbox->used;
        mailbox->used = mailbox->turn_used;
    }
    tell = tell && !mailbox->events_told;
    if (tell) mailbox->events_told = true;
    pthread_mutex_unlock(&mailbox->lock);
    if (tell) set_fd(mailbox->events_fd);
    mailbox->turn_events = NULL;
    mailbox->turn_end = &mailbox->turn_events;
    mailbox->turn_used = NULL;
    mailbox->turn_used_end = &mailbox->turn_used;
    mailbox->turn_used_bytes = 0;
}

/* --- the caller's side ---------------------------------------------------------------- */

struct event *front_take_events(struct front *front) {
    struct mailbox *mailbox = &front->mailbox;
    pthread_mutex_lock(&mailbox->lock);
    struct event *first = mailbox->events;
    mailbox->events = NULL;
    mailbox->events_end = &mailbox->events;
    bool told = mailbox->events_told;
    mailbox->events_told = false;
    /* Under the lock: who sets it next must not be undone. */
    if (told) unset_fd(mailbox->events_fd);
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}

void front_more_events(struct front *front) {
    struct mailbox *mailbox = &front->mailbox;
    pthread_mutex_lock(&mailbox->lock);
    bool tell = !mailbox->events_told;
    mailbox->events_told = true;
    if (tell) set_fd(mailbox->events_fd);
    pthread_mutex_unlock(&mailbox->lock);
}

void front_give_events(struct front *front, struct event *first, struct event *last) {
    struct mailbox *mailbox = &front->mailbox;
    pthread_mutex_lock(&mailbox->lock);
    /* Once the front thread is over nobody looks at them any more. */
    bool over = front->joined;
    if (over) {
        last->next = NULL;
    } else {
        last->next = mailbox->events_back;
        mailbox->events_back = first;
    }
    if (over) free_events(front, first);
    pthread_mutex_unlock(&mailbox->lock);
}

void mailbox_over(struct front *front) {
    struct mailbox *mailbox = &front->mailbox;
    pthread_mutex_lock(&mailbox->lock);
    front->joined = true;
    /* What was given back after the thread's last turn. */
    free_events(front, mailbox->events_back);
    mailbox->events_back = NULL;
    pthread_mutex_unlock(&mailbox->lock);
}

struct command *front_new_command(struct front *front) {
    struct mailbox *mailbox = &front->mailbox;
    struct command *command = mailbox->idle;
    if (command != NULL) {
        mailbox->idle = command->next;
        mailbox->idle_count--;
    } else if ((command = malloc(sizeof(*command))) == NULL) {
        return NULL;
    }
    memset(command, 0, sizeof(*command));
    command->message.release = mailbox_release;
    return command;
}

void front_give_command(struct front *front, struct command *command) {
    struct mailbox *mailbox = &front->mailbox;
    command->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    *mailbox->commands_end = command;
    mailbox->commands_end = &command->next;
    bool wake = !mailbox->wake_given;
    mailbox->wake_given = true;
    pthread_mutex_unlock(&mailbox->lock);
    if (wake) set_fd(mailbox->commands_fd);
}

struct command *front_take_used(struct front *front) {
    struct mailbox *mailbox = &front->mailbox;
    pthread_mutex_lock(&mailbox->lock);
    struct command *first = mailbox->used;
    mailbox->used = NULL;
    if (!front->started || front->joined) {
        /* Nobody is there to follow them. */
        for (struct command *command = mailbox->commands; command != NULL;) {
            struct command *next = command->next;
            block_free(command->fields);
            command->fields = NULL;
            command->next = first;
            first = command;
            command = next;
        }
        mailbox->commands = NULL;
        mailbox->commands_end = &mailbox->commands;
    }
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}

void front_idle_command(struct front *front, struct command *command) {
    struct mailbox *mailbox = &front->mailbox;
    if (mailbox->idle_count >= IDLE_COMMANDS) {
        free(command);
        return;
    }
    command->next = mailbox->idle;
    mailbox->idle = command;
    mailbox->idle_count++;
}

int front_fileno(const struct front *front) { return front->mailbox.events_fd; }
