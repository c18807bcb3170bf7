// SPDX-License-Identifier: Apache-2.0
// Counts what a process asks of the allocator, and writes it down when the process ends:
//
//     COUNT_ALLOCATIONS=DIR LD_PRELOAD=.../count_allocations.so PROGRAM ...
//
// leaves DIR/<pid> with one line, "<calls> <second word of its command line>". The calls go on to glibc's own
// entry points, which it exports for this.
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static uint64_t calls;

static void count(void)
{
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

void *malloc(size_t bytes)
{
    count();
    return __libc_malloc(bytes);
}

void *calloc(size_t items, size_t bytes)
{
    count();
    return __libc_calloc(items, bytes);
}

void *realloc(void *block, size_t bytes)
{
    count();
    return __libc_realloc(block, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    count();
    return __libc_memalign(alignment, bytes);
}

void *memalign(size_t alignment, size_t bytes);
void *memalign(size_t alignment, size_t bytes)
{
    count();
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    count();
    *out = __libc_memalign(alignment, bytes);
    return *out ? 0 : ENOMEM;
}

static const char *second_word(char *line, size_t line_bytes)
{
    FILE *file = fopen("/proc/self/cmdline", "re");
    size_t got = file ? fread(line, 1, line_bytes - 1, file) : 0;
    if (file)
        fclose(file);
    line[got] = 0;
    size_t first = strlen(line);
    return first + 1 < got ? line + first + 1 : "-";
}

__attribute__((destructor)) static void write_down(void)
{
    uint64_t counted = __atomic_load_n(&calls, __ATOMIC_RELAXED);
    const char *directory = getenv("COUNT_ALLOCATIONS");
    char path[512], line[512];
    if (!directory)
        return;
    snprintf(path, sizeof path, "%s/%d", directory, (int)getpid());
    FILE *out = fopen(path, "we");
    if (!out)
        return;
    fprintf(out, "%llu %s\n", (unsigned long long)counted, second_word(line, sizeof line));
    fclose(out);
}
