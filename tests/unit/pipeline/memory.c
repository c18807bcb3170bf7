// SPDX-License-Identifier: Apache-2.0
// How shared memory is held: each option leaves the bytes as they were, and says what it cannot do.
#include "core/pipeline/memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/scratch.h"

#define BYTES (4u << 20)

static struct scratch scratch;
static struct mr_segment segment;
static struct mr_pipeline pipeline;
static struct mr_error err;

static void open_fixture(void)
{
    char path[128];
    scratch_open(&scratch);
    scratch_path(&scratch, "one.ring", path, sizeof path);
    cr_assert_eq(mr_segment_create(&segment, path, "one", MR_SEGMENT_RING, BYTES, NULL, NULL, &err),
                 MR_OK, "%s", err.text);
    memset((uint8_t *)segment.base + MR_PAGE_BYTES, 7, 100);
    pipeline.root = NULL;
}
static void close_fixture(void)
{
    mr_segment_detach(&segment);
    scratch_close(&scratch);
}
TestSuite(memory, .init = open_fixture, .fini = close_fixture);

static void expect_untouched(void)
{
    const uint8_t *bytes = (const uint8_t *)segment.base + MR_PAGE_BYTES;
    for (unsigned i = 0; i < 200; i++)
        cr_assert_eq(bytes[i], i < 100 ? 7 : 0);
}

// VmLck of this process, in kB.
static long locked_kb(void)
{
    char line[128];
    long kb = -1;
    FILE *status = fopen("/proc/self/status", "re");
    while (status && kb < 0 && fgets(line, sizeof line, status))
        sscanf(line, "VmLck: %ld", &kb);
    if (status)
        fclose(status);
    return kb;
}

Test(memory, a_large_segment_begins_on_a_huge_page)
{
    cr_expect_eq((uintptr_t)segment.base % MR_HUGE_PAGE_BYTES, 0);
}

Test(memory, nothing_is_done_unasked)
{
    cr_expect_eq(mr_memory_prepare(&pipeline, &segment, &err), MR_OK);
    cr_expect_eq(locked_kb(), 0);
    expect_untouched();
}

Test(memory, huge_pages_are_asked_for_and_done_without)
{
    pipeline.memory.huge_pages = MR_HUGE_PAGES_ADVISE;
    cr_expect_eq(mr_memory_prepare(&pipeline, &segment, &err), MR_OK);
    expect_untouched();
}

Test(memory, prefault_maps_every_page)
{
    unsigned char resident[BYTES / MR_PAGE_BYTES];
    pipeline.memory.prefault = true;
    cr_expect_eq(mr_memory_prepare(&pipeline, &segment, &err), MR_OK);
    cr_assert_eq(mincore(segment.base, BYTES, resident), 0);
    for (unsigned i = 0; i < BYTES / MR_PAGE_BYTES; i++)
        cr_assert(resident[i] & 1, "page %u", i);
    expect_untouched();
}

// The address sanitizer makes mlock do nothing, for its own memory's sake.
static void skip_without_mlock(void)
{
#ifdef __SANITIZE_ADDRESS__
    cr_skip_test("the address sanitizer makes mlock do nothing");
#endif
}

Test(memory, what_may_not_be_locked_is_refused)
{
    skip_without_mlock();
    struct rlimit limit = {.rlim_cur = 1u << 20, .rlim_max = 1u << 20};
    struct mr_node root = {.kind = MR_NODE_MAP}, node = {0};
    struct mr_node *children[] = {&node};
    root.children = children;
    root.child_count = 1;
    node.file = "run.yaml";
    node.line = 4;
    node.key = (char *)"lock_memory";
    node.path = (char *)"lock_memory";
    pipeline.root = &root;
    pipeline.memory.lock = true;
    cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    if (geteuid() == 0)
        cr_assert_eq(seteuid(65534), 0); // root may lock whatever the limit says
    cr_expect_eq(mr_memory_prepare(&pipeline, &segment, &err), MR_ERR_CONFIG);
    char *text = strstr(err.text, "run.yaml:4: lock_memory: cannot lock 4194304 bytes of ");
    cr_expect_eq(text, err.text, "%s", err.text);
    cr_expect_not_null(strstr(err.text, "may lock 1048576 bytes in all; raise RLIMIT_MEMLOCK"));
    if (geteuid() != getuid())
        cr_assert_eq(seteuid(getuid()), 0);
}

Test(memory, what_may_be_locked_is)
{
    struct rlimit limit;
    skip_without_mlock();
    cr_assert_eq(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    if (geteuid() != 0 && limit.rlim_cur < 2 * BYTES)
        cr_skip_test("this process may lock %llu bytes", (unsigned long long)limit.rlim_cur);
    pipeline.memory.lock = true;
    cr_expect_eq(mr_memory_prepare(&pipeline, &segment, &err), MR_OK, "%s", err.text);
    cr_expect_geq(locked_kb(), BYTES / 1024);
    expect_untouched();
}
