/* The wall clock is AHEAD_S seconds ahead for every program that has this preloaded;
   time since the start and the times of files are as they are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static time_t ahead(void) {
    const char *said = getenv("AHEAD_S");
    return said ? strtol(said, 0, 10) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next)
        next = dlsym(RTLD_NEXT, "clock_gettime");
    int done = next(clock, now);
    if (!done && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += ahead();
    return done;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    static int (*next)(struct timeval *, void *);
    if (!next)
        next = dlsym(RTLD_NEXT, "gettimeofday");
    int done = next(now, zone);
    if (!done && now)
        now->tv_sec += ahead();
    return done;
}

time_t time(time_t *now) {
    struct timespec there;
    clock_gettime(CLOCK_REALTIME, &there);
    if (now)
        *now = there.tv_sec;
    return there.tv_sec;
}
