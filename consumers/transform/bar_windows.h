// SPDX-License-Identifier: Apache-2.0
// Tumbling windows of event time and the bars in them: one block of fixed-size memory without
// pointers.
//
// A window is [start, start + every), its start a multiple of `every` since the Unix epoch. The
// watermark is the greatest event time seen less the lateness; a window is due when the watermark
// has reached its end, and an event whose window is due is late. So at most ceil(lateness / every)
// + 1 windows are open at a time, one where no lateness is allowed. Within a window a key has one
// bar; bars stand in the order in which their keys first came.
//
//     mr_bar_windows_see(&windows, event_ns);
//     while ((window = mr_bar_windows_due(&windows, false)) != NULL) {      // oldest first
//         for (i = window->emitted; i < window->bars; i++) ... mr_bar_at(&windows, window, i) ...
//         mr_bar_window_emitted(&windows, window, i);                      // all of them: it is
//         closed
//     }
//     if (!mr_bar_windows_is_late(&windows, event_ns))
//         bar = mr_bar_find(&windows, event_ns, key);   // NULL: keys_max; count is 0 where it is
//         new
#ifndef MR_CONSUMERS_TRANSFORM_BAR_WINDOWS_H
#define MR_CONSUMERS_TRANSFORM_BAR_WINDOWS_H

#include "consumers/transform/touch.h"

#define MR_BAR_WINDOWS_MAX 64 // open at a time

union mr_bar_value { // by the type of its field
    int64_t i;
    uint64_t u;
    double f;
};

struct mr_bar {
    uint64_t count; // records in it; 0: new
    int64_t open_time_ns;
    int64_t close_time_ns;
    union mr_bar_value open, high, low, close, volume;
    double weighted;      // sum of price x volume,
    double weighted_rest; // and what rounding took from it
    uint64_t sequence;    // of the record that came last
    int64_t ingest_time_ns;
    uint8_t key[]; // key_bytes, rounded up to 8
};

struct mr_bar_window {
    int64_t start_ns;
    uint64_t generation; // 0: closed
    uint32_t bars;
    uint32_t emitted;
};

struct mr_bar_shape {
    int64_t every_ns;    // above 0
    int64_t lateness_ns; // 0 or more
    uint32_t keys_max;   // per window, 1 to MR_BAR_KEYS_MAX
    uint32_t key_bytes;
};
#define MR_BAR_KEYS_MAX (1u << 24)
// Event times further from the epoch than this (about 146 years) are not taken.
#define MR_BAR_TIME_MAX_NS (INT64_MAX / 2)

struct mr_bar_head;
struct mr_bar_seat;

struct mr_bar_windows { // the process's view of the block
    struct mr_bar_shape shape;
    uint32_t window_count;
    uint32_t seat_mask;
    uint32_t bar_bytes;
    struct mr_bar_head *head;
    struct mr_bar_window *windows;
    struct mr_bar_seat *seats; // per window: hash of key -> bar
    uint8_t *bars;             // per window: keys_max of bar_bytes
    struct mr_touch touch;
};

// ceil(lateness / every) + 1; may be above MR_BAR_WINDOWS_MAX: the caller refuses that.
uint64_t mr_bar_window_count(const struct mr_bar_shape *shape);
uint64_t mr_bar_windows_bytes(const struct mr_bar_shape *shape);
// `block`: aligned to 8; zeroed, or as an earlier process left it.
void mr_bar_windows_attach(struct mr_bar_windows *windows, void *block,
                           const struct mr_bar_shape *shape, struct mr_touch touch);

void mr_bar_windows_see(struct mr_bar_windows *windows, int64_t event_ns);
bool mr_bar_windows_is_late(const struct mr_bar_windows *windows, int64_t event_ns);
// The oldest window that is due; with `all`, the oldest open one. NULL: none.
struct mr_bar_window *mr_bar_windows_due(const struct mr_bar_windows *windows, bool all);
// How many bars stand in it.
uint32_t mr_bar_window_bars(const struct mr_bar_windows *windows,
                            const struct mr_bar_window *window);
const struct mr_bar *mr_bar_at(const struct mr_bar_windows *windows,
                               const struct mr_bar_window *window, uint32_t at);
// Bars before `upto` were handed on.
void mr_bar_window_emitted(struct mr_bar_windows *windows, struct mr_bar_window *window,
                           uint32_t upto);
// The key's bar in the window of this event, which is not late and older windows are not due. The
// bar was touched: modify it.
struct mr_bar *mr_bar_find(struct mr_bar_windows *windows, int64_t event_ns, const void *key);

#endif
