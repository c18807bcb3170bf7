// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "consumers/transform/bar_windows.h"
#include "core/atomic.h"

struct mr_bar_head {
    int64_t event_ns_max;
    uint64_t has_seen;    // an event: event_ns_max stands
    uint64_t generations; // windows opened so far
};

// A seat belongs to the window that has its generation: opening a window empties all its seats at
// once.
struct mr_bar_seat {
    uint64_t generation;
    uint32_t hash;
    uint32_t bar;
};

static uint64_t seat_count(uint32_t keys_max) // at most half of them taken
{
    uint64_t seats = 4;
    while (seats < (uint64_t)keys_max * 2)
        seats *= 2;
    return seats;
}

static uint64_t bar_bytes(uint32_t key_bytes)
{
    return sizeof(struct mr_bar) + mr_align_up(key_bytes, 8);
}

uint64_t mr_bar_window_count(const struct mr_bar_shape *shape)
{
    uint64_t every = (uint64_t)shape->every_ns, lateness = (uint64_t)shape->lateness_ns;
    return lateness / every + (lateness % every != 0) + 1;
}

uint64_t mr_bar_windows_bytes(const struct mr_bar_shape *shape)
{
    uint64_t per_window = sizeof(struct mr_bar_window) +
                          seat_count(shape->keys_max) * sizeof(struct mr_bar_seat) +
                          shape->keys_max * bar_bytes(shape->key_bytes);
    return sizeof(struct mr_bar_head) + mr_bar_window_count(shape) * per_window;
}

void mr_bar_windows_attach(struct mr_bar_windows *windows, void *block,
                           const struct mr_bar_shape *shape, struct mr_touch touch)
{
    uint64_t seats = seat_count(shape->keys_max);
    windows->shape = *shape;
    windows->window_count = (uint32_t)mr_bar_window_count(shape);
    windows->seat_mask = (uint32_t)seats - 1;
    windows->bar_bytes = (uint32_t)bar_bytes(shape->key_bytes);
    windows->head = block;
    windows->windows = (struct mr_bar_window *)(void *)(windows->head + 1);
    windows->seats = (struct mr_bar_seat *)(void *)(windows->windows + windows->window_count);
    windows->bars = (uint8_t *)(windows->seats + windows->window_count * seats);
    windows->touch = touch;
}

static int64_t floor_div(int64_t a, int64_t b) // b above 0
{
    return a / b - (a % b < 0);
}

static int64_t start_of(const struct mr_bar_windows *windows, int64_t event_ns)
{
    return floor_div(event_ns, windows->shape.every_ns) * windows->shape.every_ns;
}

// Whether the watermark has reached this window's end. Modulo 2^64: mr_bar_windows_see has an eye on the time.
static bool is_due(const struct mr_bar_windows *windows, int64_t start_ns)
{
    const struct mr_bar_head *head = windows->head;
    uint64_t watermark_ns = (uint64_t)head->event_ns_max - (uint64_t)windows->shape.lateness_ns;
    return head->has_seen != 0 &&
           start_ns <= (int64_t)(watermark_ns - (uint64_t)windows->shape.every_ns);
}

void mr_bar_windows_see(struct mr_bar_windows *windows, int64_t event_ns)
{
    struct mr_bar_head *head = windows->head;
    if (head->has_seen != 0 && event_ns <= head->event_ns_max) {
        if (MR_UNLIKELY(head->event_ns_max > MR_BAR_TIME_MAX_NS))
            mr_state_damaged("the latest event time", (uint64_t)head->event_ns_max);
        return;
    }
    mr_touch(&windows->touch, head, sizeof *head);
    head->event_ns_max = event_ns;
    head->has_seen = 1;
}

bool mr_bar_windows_is_late(const struct mr_bar_windows *windows, int64_t event_ns)
{
    return is_due(windows, start_of(windows, event_ns));
}

struct mr_bar_window *mr_bar_windows_due(const struct mr_bar_windows *windows, bool all)
{
    struct mr_bar_window *oldest = NULL;
    for (uint32_t i = 0; i < windows->window_count; i++) {
        struct mr_bar_window *window = &windows->windows[i];
        if (window->generation == 0 || (!all && !is_due(windows, window->start_ns)))
            continue;
        if (oldest == NULL || window->start_ns < oldest->start_ns)
            oldest = window;
    }
    return oldest;
}

static inline struct mr_bar *bar_at(const struct mr_bar_windows *windows,
                                    const struct mr_bar_window *window, uint32_t at)
{
    if (MR_UNLIKELY(at >= windows->shape.keys_max))
        mr_state_damaged("the number of a bar", at);
    uint64_t row = (uint64_t)(window - windows->windows) * windows->shape.keys_max + at;
    return (struct mr_bar *)(void *)(windows->bars + row * windows->bar_bytes);
}

// Its start is in reach of arithmetic, too: it was some event's.
uint32_t mr_bar_window_bars(const struct mr_bar_windows *windows,
                            const struct mr_bar_window *window)
{
    uint32_t bars = mr_load_relaxed_u32(&window->bars);
    int64_t start_ns = window->start_ns;
    if (MR_UNLIKELY(bars > windows->shape.keys_max))
        mr_state_damaged("the number of a window's bars", bars);
    if (MR_UNLIKELY(start_ns > MR_BAR_TIME_MAX_NS ||
                    start_ns < -MR_BAR_TIME_MAX_NS - windows->shape.every_ns))
        mr_state_damaged("the start of a window", (uint64_t)start_ns);
    return bars;
}

const struct mr_bar *mr_bar_at(const struct mr_bar_windows *windows,
                               const struct mr_bar_window *window, uint32_t at)
{
    return bar_at(windows, window, at);
}

void mr_bar_window_emitted(struct mr_bar_windows *windows, struct mr_bar_window *window,
                           uint32_t upto)
{
    mr_touch(&windows->touch, window, sizeof *window);
    window->emitted = upto;
    if (upto == window->bars)
        window->generation = 0;
}

// Open windows are neighbours, fewer than window_count apart, so no two share a place.
static struct mr_bar_window *window_of(struct mr_bar_windows *windows, int64_t event_ns)
{
    int64_t number = floor_div(event_ns, windows->shape.every_ns);
    int64_t at = number - floor_div(number, windows->window_count) * windows->window_count;
    struct mr_bar_window *window = &windows->windows[at];
    if (window->generation != 0)
        return window;
    struct mr_bar_head *head = windows->head;
    mr_touch(&windows->touch, head, sizeof *head);
    mr_touch(&windows->touch, window, sizeof *window);
    *window = (struct mr_bar_window){.start_ns = start_of(windows, event_ns),
                                     .generation = ++head->generations};
    return window;
}

static uint32_t hash_of(const uint8_t *key, uint32_t bytes)
{
    uint64_t hash = bytes;
    for (uint32_t at = 0; at < bytes; at += 8) {
        uint64_t word = 0;
        memcpy(&word, key + at, bytes - at < 8 ? bytes - at : 8);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15ULL;
        hash ^= hash >> 32;
    }
    return (uint32_t)hash;
}

static struct mr_bar *new_bar(struct mr_bar_windows *windows, struct mr_bar_window *window,
                              struct mr_bar_seat *seat, uint32_t hash, const void *key)
{
    uint32_t bars = mr_load_relaxed_u32(&window->bars);
    if (bars == windows->shape.keys_max)
        return NULL;
    struct mr_bar *bar = bar_at(windows, window, bars);
    mr_touch(&windows->touch, bar, windows->bar_bytes);
    mr_touch(&windows->touch, seat, sizeof *seat);
    mr_touch(&windows->touch, window, sizeof *window);
    memset(bar, 0, windows->bar_bytes);
    memcpy(bar->key, key, windows->shape.key_bytes);
    *seat = (struct mr_bar_seat){window->generation, hash, bars};
    window->bars = bars + 1;
    return bar;
}

struct mr_bar *mr_bar_find(struct mr_bar_windows *windows, int64_t event_ns, const void *key)
{
    struct mr_bar_window *window = window_of(windows, event_ns);
    uint32_t hash = hash_of(key, windows->shape.key_bytes);
    struct mr_bar_seat *seats =
        windows->seats + (uint64_t)(window - windows->windows) * ((uint64_t)windows->seat_mask + 1);
    uint32_t at = hash & windows->seat_mask, passed = 0;
    for (; seats[at].generation == window->generation; at = (at + 1) & windows->seat_mask) {
        struct mr_bar *bar = bar_at(windows, window, mr_load_relaxed_u32(&seats[at].bar));
        if (MR_UNLIKELY(++passed > windows->seat_mask))
            mr_state_damaged("keys in all places of a window, which are", passed);
        if (seats[at].hash != hash || memcmp(bar->key, key, windows->shape.key_bytes) != 0)
            continue;
        mr_touch(&windows->touch, bar, sizeof *bar);
        return bar;
    }
    return new_bar(windows, window, &seats[at], hash, key);
}
