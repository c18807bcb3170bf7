// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "core/atomic.h"
#include "core/clock.h"
#include "core/log.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 // Linux 5.14
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 // Linux 6.1
#endif

#define COLLAPSE_TRIES 50
#define COLLAPSE_RETRY_NS 2000000

// The kernel gives up where a page is held by somebody else just then: the process at the other end of the
// ring, which does the same.
static bool collapse(const struct mr_segment *segment)
{
    for (int tries = 0; madvise(segment->base, segment->bytes, MADV_COLLAPSE) < 0; tries++) {
        if (errno != EAGAIN || tries == COLLAPSE_TRIES)
            return false;
        mr_sleep_until_mono_ns(mr_mono_ns() + COLLAPSE_RETRY_NS);
    }
    return true;
}

// Collapsing does what the advice alone does only where the mount says huge=advise, which it seldom does. Only
// `deny` in /sys/kernel/mm/transparent_hugepage/shmem_enabled forbids it.
static void use_huge_pages(const struct mr_segment *segment)
{
    if (segment->bytes < MR_HUGE_PAGE_BYTES)
        return;
    madvise(segment->base, segment->bytes, MADV_HUGEPAGE);
    if (!collapse(segment))
        mr_warn("huge_pages: %s: small pages are used: %s", segment->path, strerror(errno));
}

static void map_all(const struct mr_segment *segment)
{
    madvise(segment->base, segment->bytes, MADV_POPULATE_WRITE);
    // A look at each page does it, too, where the kernel is older, or an emulator only nods.
    for (size_t at = 0; at < segment->bytes; at += MR_PAGE_BYTES)
        (void)mr_load_relaxed_u32((const uint32_t *)(const void *)((uint8_t *)segment->base + at));
}

static int fail_lock(const struct mr_pipeline *pipeline, const struct mr_segment *segment,
                     struct mr_error *err)
{
    struct rlimit limit = {0};
    int saved_errno = errno;
    getrlimit(RLIMIT_MEMLOCK, &limit);
    return mr_config_fail(mr_config_child(pipeline->root, "lock_memory"), err,
                          "cannot lock %zu bytes of %s (%s): this process may lock %llu bytes in "
                          "all; raise RLIMIT_MEMLOCK (`ulimit -l`, LimitMEMLOCK= of a unit) or "
                          "give it CAP_IPC_LOCK",
                          segment->bytes, segment->path, strerror(saved_errno),
                          (unsigned long long)limit.rlim_cur);
}

int mr_memory_prepare(const struct mr_pipeline *pipeline, const struct mr_segment *segment,
                      struct mr_error *err)
{
    const struct mr_memory *memory = &pipeline->memory;
    if (memory->huge_pages == MR_HUGE_PAGES_ADVISE)
        use_huge_pages(segment);
    if (memory->prefault)
        map_all(segment);
    if (memory->lock && mlock(segment->base, segment->bytes) < 0)
        return fail_lock(pipeline, segment, err);
    return MR_OK;
}
