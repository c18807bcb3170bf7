// SPDX-License-Identifier: Apache-2.0
// Damage that cannot be gone on from: said in one line, with an exit code of its own.
//
// A page of a mapped segment can vanish (its file was cut), and the kernel tells that to who touches it by
// SIGBUS. No check before the touch could help: it may vanish in between.
#include "core/segment_fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/atomic.h"
#include "core/log.h"

#define SEGMENTS_MAX 64 // more are mapped all the same, and named "a segment"

struct place {
    uint64_t begin, end; // end 0: free
    char path[sizeof((struct mr_segment *)0)->path];
};

static struct place places[SEGMENTS_MAX];
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;

static struct place *place_that_begins(uint64_t begin)
{
    for (unsigned i = 0; i < SEGMENTS_MAX; i++)
        if (begin == 0 ? places[i].end == 0 : places[i].end != 0 && places[i].begin == begin)
            return &places[i];
    return NULL;
}

void mr_segment_remember(const struct mr_segment *segment)
{
    pthread_mutex_lock(&places_lock);
    struct place *place = place_that_begins(0);
    if (place) {
        place->begin = (uintptr_t)segment->base;
        memcpy(place->path, segment->path, sizeof place->path);
        // Pairs with the acquire load in on_fault: a place with an end is whole.
        mr_store_release_u64(&place->end, (uintptr_t)segment->base + segment->bytes);
    }
    pthread_mutex_unlock(&places_lock);
}

void mr_segment_forget(const struct mr_segment *segment)
{
    pthread_mutex_lock(&places_lock);
    struct place *place = place_that_begins((uintptr_t)segment->base);
    if (place)
        mr_store_release_u64(&place->end, 0);
    pthread_mutex_unlock(&places_lock);
}

// ---- the handler: only what may be done in one

static void say(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written; // there is nobody to tell
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    uint64_t at = (uintptr_t)info->si_addr;
    (void)context;
    for (unsigned i = 0; i < SEGMENTS_MAX; i++) {
        const struct place *place = &places[i];
        // Pairs with the release store in mr_segment_remember.
        uint64_t end = mr_load_acquire_u64(&place->end);
        if (at < place->begin || at >= end)
            continue;
        say("millrace: ");
        say(place->path);
        say(": a page of the segment is gone: the file was cut, or there is no memory for it\n");
        _exit(MR_ERR_CORRUPT);
    }
    signal(number, SIG_DFL); // none of ours: it comes again, and does what it would have done
}

void mr_segment_catch_faults(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

void mr_damaged(const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mr_error_line("%s", text);
    _exit(MR_ERR_CORRUPT);
}
