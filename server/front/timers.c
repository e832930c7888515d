/* A wheel of timers: one slot for each millisecond, rings in the slots.

   Setting and clearing cost the same however many are set. A timer that is due later
   than one round of the wheel stays in its slot and is looked at once a round. */

#include "parts.h"

#include <time.h>

int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void timers_init(struct wheel *wheel, int64_t now_ms) {
    for (size_t i = 0; i < WHEEL_SLOTS; i++)
        wheel->slots[i].next = wheel->slots[i].prev = &wheel->slots[i];
    wheel->now_ms = now_ms;
}

void timers_clear(struct wheel *wheel, struct timer *timer) {
    if (timer->next == NULL) return;
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->next = timer->prev = NULL;
    wheel->count--;
}

static void timers_link(struct timer *head, struct timer *timer) {
    timer->prev = head->prev;
    timer->next = head;
    head->prev->next = timer;
    head->prev = timer;
}

void timers_set(struct wheel *wheel, struct timer *timer, int64_t due_ms) {
    timers_clear(wheel, timer);
    /* A slot that has been looked at is looked at again only after a round. */
    if (due_ms <= wheel->now_ms) due_ms = wheel->now_ms + 1;
    timer->due_ms = due_ms;
    size_t slot = (size_t)due_ms % WHEEL_SLOTS;
    timers_link(&wheel->slots[slot], timer);
    wheel->used[slot / 64] |= UINT64_C(1) << (slot % 64);
    wheel->count++;
}

/* The next slot at or after `slot` that may hold a timer, in slots from it; -1: none. */
static int timers_next(const struct wheel *wheel, size_t slot) {
    for (size_t i = 0; i <= WHEEL_SLOTS / 64; i++) {
        size_t word = (slot / 64 + i) % (WHEEL_SLOTS / 64);
        uint64_t bits = wheel->used[word];
        if (i == 0) bits &= ~UINT64_C(0) << (slot % 64);
        if (bits == 0) continue;
        size_t found = word * 64 + (size_t)__builtin_ctzll(bits);
        return (int)((found + WHEEL_SLOTS - slot) % WHEEL_SLOTS);
    }
    return -1;
}

void timers_take(struct wheel *wheel, int64_t now_ms, struct timer *due) {
    due->next = due->prev = due;
    /* After a long sleep one round is enough. */
    if (now_ms - wheel->now_ms > WHEEL_SLOTS) wheel->now_ms = now_ms - WHEEL_SLOTS;
    while (wheel->now_ms < now_ms) {
        size_t slot = (size_t)(wheel->now_ms + 1) % WHEEL_SLOTS;
        int ahead = timers_next(wheel, slot);
        if (ahead < 0 || wheel->now_ms + 1 + ahead > now_ms) break;
        wheel->now_ms += 1 + ahead;
        slot = (slot + (size_t)ahead) % WHEEL_SLOTS;
        struct timer *head = &wheel->slots[slot];
        for (struct timer *timer = head->next; timer != head;) {
            struct timer *next = timer->next;
            if (timer->due_ms <= now_ms) {
                timer->prev->next = timer->next;
                timer->next->prev = timer->prev;
                timers_link(due, timer); /* still counted: timers_clear takes it out */
            }
            timer = next;
        }
        if (head->next == head) wheel->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    }
    wheel->now_ms = now_ms;
}

int timers_wait_ms(const struct wheel *wheel, int64_t now_ms) {
    if (wheel->count == 0) return -1;
    int ahead = timers_next(wheel, (size_t)(wheel->now_ms + 1) % WHEEL_SLOTS);
    if (ahead < 0) return -1;
    int64_t due_ms = wheel->now_ms + 1 + ahead;
    return due_ms <= now_ms ? 0 : (int)(due_ms - now_ms);
}
