// SPDX-License-Identifier: Apache-2.0
// The linker's --wrap: a call of malloc() comes to __wrap_malloc(), and __real_malloc() is the library's.
#include "tests/support/failing_alloc.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MAX 4096 // allocations that are followed at a time

struct failing_alloc failing_alloc;

static bool in_use;
static uintptr_t kept[KEPT_MAX]; // their addresses, in no order

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
char *__real_strdup(const char *text);
void __real_free(void *memory);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);

void failing_alloc_use(unsigned at)
{
    failing_alloc = (struct failing_alloc){.at = at};
    in_use = true;
}

void failing_alloc_leave(void)
{
    in_use = false;
}

static bool fails(void)
{
    if (!in_use)
        return false;
    unsigned count = ++failing_alloc.count;
    bool now = failing_alloc.at != 0 &&
               (count == failing_alloc.at || (failing_alloc.forever && count > failing_alloc.at));
    if (now) {
        failing_alloc.failed = true;
        errno = ENOMEM;
    }
    return now;
}

static void *follow(void *memory)
{
    if (!in_use || !memory)
        return memory;
    if (failing_alloc.kept == KEPT_MAX)
        abort();
    kept[failing_alloc.kept++] = (uintptr_t)memory;
    return memory;
}

static void unfollow(uintptr_t address)
{
    for (unsigned i = failing_alloc.kept; i-- > 0;)
        if (kept[i] == address) {
            kept[i] = kept[--failing_alloc.kept];
            return;
        }
}

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : follow(__real_malloc(bytes));
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : follow(__real_calloc(count, bytes));
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    uintptr_t before = (uintptr_t)memory;
    void *grown = fails() ? NULL : __real_realloc(memory, bytes);
    if (grown)
        unfollow(before);
    return follow(grown);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return fails() ? NULL : follow(__real_aligned_alloc(alignment, bytes));
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : follow(__real_strdup(text));
}

void __wrap_free(void *memory)
{
    unfollow((uintptr_t)memory);
    __real_free(memory);
}
