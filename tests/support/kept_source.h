// SPDX-License-Identifier: Apache-2.0
// For a fuzzer that includes a source of ITCH (producers/itch_file.c, producers/pcap.c) behind this header: what the
// source holds while it is open, of which the symbols alone are 512 KiB, is one block that is kept, and of which
// only what was used is zeroed when it is opened again. From the sanitizer's allocator it would be mapped, poisoned
// and unmapped each time, which takes twenty times as long as most inputs. The session's midnight, of a date and a
// zone that are the fuzzer's own, is looked up once.
//
//     #include "tests/support/kept_source.h"
//     #include "producers/pcap.c"
//     KEPT_SOURCE(struct capture, feed)
#ifndef MR_TESTS_SUPPORT_KEPT_SOURCE_H
#define MR_TESTS_SUPPORT_KEPT_SOURCE_H

#include <stdlib.h>
#include <string.h>

#include "producers/itch_feed.h"
#include "producers/session_date.h"

static void *kept_open(size_t count, size_t bytes);
static void kept_close(void *self);

static struct {
    uint16_t locates[UINT16_MAX + 1]; // of the symbols learned
    unsigned count;
    uint64_t changes;
} learned;

static inline void kept_note(const struct mr_itch_symbols *symbols)
{
    if (symbols->changes == learned.changes || learned.count == MR_COUNT_OF(learned.locates))
        return;
    learned.changes = symbols->changes;
    learned.locates[learned.count++] = (uint16_t)symbols->changed_locate;
}

static inline bool kept_take(struct mr_source_run *run, struct mr_itch_feed *feed,
                             const struct mr_itch_arrival *arrival)
{
    bool taken = mr_itch_feed_take(run, feed, arrival);
    kept_note(&feed->symbols);
    return taken;
}

static inline void kept_learn(const uint8_t *message, struct mr_itch_symbols *symbols)
{
    mr_itch_learn(message, symbols);
    kept_note(symbols);
}

static inline int kept_midnight(const char *date, const char *zone, int64_t *midnight_ns,
                                struct mr_error *err)
{
    static int64_t known_ns;
    static char known[64];
    char asked[sizeof known];
    snprintf(asked, sizeof asked, "%s %s", date, zone);
    if (strcmp(asked, known) != 0) {
        int code = mr_session_midnight(date, zone, &known_ns, err);
        if (code != MR_OK)
            return code;
        memcpy(known, asked, sizeof known);
    }
    *midnight_ns = known_ns;
    return MR_OK;
}

// TYPE: what the source holds; FEED: its member that has the symbols, the first one.
#define KEPT_SOURCE(TYPE, FEED)                                                                    \
    static void *kept_open(size_t count, size_t bytes)                                             \
    {                                                                                              \
        static TYPE kept;                                                                          \
        _Static_assert(offsetof(TYPE, FEED.symbols) < 64, "what is zeroed below");                 \
        struct mr_itch_symbols *symbols = &kept.FEED.symbols;                                      \
        if (count != 1 || bytes != sizeof kept)                                                    \
            abort();                                                                               \
        while (learned.count > 0)                                                                  \
            symbols->text[learned.locates[--learned.count]] = 0;                                   \
        learned.changes = 0;                                                                       \
        memset(&kept, 0, offsetof(TYPE, FEED.symbols));                                            \
        memset(&symbols->changes, 0, KEPT_BYTES(TYPE) - offsetof(TYPE, FEED.symbols.changes));     \
        return &kept;                                                                              \
    }                                                                                              \
    static void kept_close(void *self)                                                             \
    {                                                                                              \
        (void)self;                                                                                \
    }
// Without what is read before it is written to alone: a block of bytes at the end.
#ifndef KEPT_BYTES
#define KEPT_BYTES(TYPE) sizeof(TYPE)
#endif

#define calloc(count, bytes) kept_open(count, bytes)
#define free(self) kept_close(self)
#define mr_itch_feed_take kept_take
#define mr_itch_learn kept_learn
#define mr_session_midnight kept_midnight

#endif
