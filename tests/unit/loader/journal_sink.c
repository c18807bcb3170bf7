// SPDX-License-Identifier: Apache-2.0
// The journal sink, fed from a ring as the loader does it, on every backend and on a faulty one.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/emulated.h"
#include "tests/support/faulty_io.h"
#include "tests/support/journal_bytes.h"
#include "tests/support/journal_feed.h"

#define LAP FEED_LAP

static char *directory;
static bool direct; // what is fed is written past the page cache

static void set_up(void)
{
    directory = mr_test_directory();
    faulty_io = (struct faulty_io){0};
    direct = false;
}
static void tear_down(void)
{
    mr_test_remove_directory(directory);
}
TestSuite(journal_sink, .init = set_up, .fini = tear_down);

static void prepare(struct feed *feed, const char *name, const struct mr_io_backend *backend,
                    uint64_t start_pos)
{
    feed_prepare(feed, directory, name, backend, start_pos);
    feed->options.direct = direct;
}

static void write_journal(const char *name, const struct mr_io_backend *backend, int durability,
                          unsigned count, unsigned batch)
{
    struct feed feed;
    struct mr_error err;
    prepare(&feed, name, backend, 0);
    feed.options.durability = durability;
    cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
    cr_assert_eq(feed_records(&feed, count, batch, &err), MR_OK, "%s", err.text);
    feed_finish(&feed);
}

static unsigned count_journal(const char *name, enum mr_journal_stop stop)
{
    return feed_count(directory, name, stop);
}

// Same names, same bytes.
static void check_same(const char *a, const char *b)
{
    feed_check_same(directory, a, b);
}

static const struct mr_io_backend *best(void)
{
    return NULL; // io_uring where it can be had
}

// Whether files can be written past the page cache: else the test was skipped.
static bool write_directly(void)
{
    if (mr_test_emulated())
        cr_skip("an emulator hides what the kernel says of direct writes (statx)");
    direct = !mr_test_emulated();
    return direct;
}

// However it was cut, written, completed and synced: the same segments, byte for byte.
Test(journal_sink, same_input_same_bytes)
{
    const unsigned count = 1000; // some 13 laps, 7 segments
    write_journal("one", best(), MR_DURABILITY_BATCH, count, 10);
    cr_assert_eq(count_journal("one", MR_JOURNAL_END), count);
    write_journal("pwrite", &mr_io_pwrite, MR_DURABILITY_BATCH, count, 3);
    check_same("one", "pwrite");
    write_journal("none", best(), MR_DURABILITY_NONE, count, 1000);
    check_same("one", "none");
    write_journal("record", &mr_io_pwrite, MR_DURABILITY_RECORD, count, 1);
    check_same("one", "record");
    faulty_io = (struct faulty_io){.write_bytes_max = 333, .interrupt_each = 5, .backwards = true};
    write_journal("short", &faulty_io_backend, MR_DURABILITY_BATCH, count, 17);
    check_same("one", "short");
    faulty_io = (struct faulty_io){.backwards = true, .events_max = 1};
    write_journal("late", &faulty_io_backend, MR_DURABILITY_BATCH, count, 2);
    check_same("one", "late");
}

// Past the page cache: whole pages so, what is left of one at either end through it, the same bytes.
Test(journal_sink, direct_writes_leave_the_same_bytes)
{
    const unsigned count = 1000;
    write_journal("one", best(), MR_DURABILITY_BATCH, count, 10);
    if (!write_directly())
        return;
    static const unsigned batches[] = {1, 7, 1000};
    for (unsigned i = 0; i < MR_COUNT_OF(batches); i++) {
        char name[32];
        snprintf(name, sizeof name, "direct-%u", batches[i]);
        write_journal(name, i % 2 ? &mr_io_pwrite : best(), (int)i, count, batches[i]);
        check_same("one", name);
    }
    // Devices write whole sectors, also when they write short.
    faulty_io = (struct faulty_io){.write_bytes_max = 8192, .interrupt_each = 5, .backwards = true};
    write_journal("short", &faulty_io_backend, MR_DURABILITY_BATCH, count, 300);
    check_same("one", "short");
}

Test(journal_sink, direct_is_refused_where_it_cannot_be)
{
    struct feed feed;
    struct mr_error err;
    char disk[480];
    snprintf(disk, sizeof disk, "%s/one", directory);
    if (mkdir(disk, 0700) != 0 || mount("ramfs", disk, "ramfs", 0, NULL) != 0)
        cr_skip("a file system that cannot write directly takes root: %s", strerror(errno));
    direct = true;
    prepare(&feed, "one", best(), 0);
    int code = feed_open(&feed, &err);
    umount2(disk, MNT_DETACH);
    cr_assert_eq(code, MR_ERR_OUTPUT);
    cr_assert_not_null(strstr(err.text, ".mrj"), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "sink.direct"), "%s", err.text);
}

Test(journal_sink, nothing_but_segments_is_left)
{
    char next[512];
    write_journal("one", best(), MR_DURABILITY_BATCH, 500, 10);
    snprintf(next, sizeof next, "%s/one/.next", directory);
    cr_assert_neq(access(next, F_OK), 0);
}

static int open_existing(struct feed *feed, int existing, uint64_t start_pos, struct mr_error *err)
{
    prepare(feed, "one", best(), start_pos);
    feed->options.existing = existing;
    return feed_open(feed, err);
}

Test(journal_sink, append_replace_refuse)
{
    struct feed feed;
    struct mr_error err;
    uint64_t end;
    char path[480];
    snprintf(path, sizeof path, "%s/one", directory);
    write_journal("one", best(), MR_DURABILITY_BATCH, 100, 10);
    cr_assert_eq(open_existing(&feed, MR_EXISTING_REFUSE, 0, &err), MR_ERR_OUTPUT);
    cr_assert_not_null(strstr(err.text, "refuse"), "%s", err.text);
    cr_assert_eq(count_journal("one", MR_JOURNAL_END), 100, "untouched");
    cr_assert_eq(open_existing(&feed, MR_EXISTING_APPEND, 0, &err), MR_ERR_OUTPUT,
                 "a stream that begins before the journal's end");
    cr_assert_eq(mr_journal_end(path, &end, &err), MR_OK);
    cr_assert_eq(open_existing(&feed, MR_EXISTING_APPEND, mr_align_up(end, LAP), &err), MR_OK, "%s",
                 err.text);
    feed.next_id = 100;
    cr_assert_eq(feed_records(&feed, 50, 5, &err), MR_OK);
    feed_finish(&feed);
    cr_assert_eq(count_journal("one", MR_JOURNAL_END), 150);
    cr_assert_eq(open_existing(&feed, MR_EXISTING_REPLACE, 0, &err), MR_OK, "%s", err.text);
    cr_assert_eq(feed_records(&feed, 7, 5, &err), MR_OK);
    feed_finish(&feed);
    cr_assert_eq(count_journal("one", MR_JOURNAL_END), 7);
}

// A run that ends without a record leaves a segment that the next one takes over.
Test(journal_sink, append_after_an_empty_run)
{
    struct feed feed;
    struct mr_error err;
    write_journal("one", best(), MR_DURABILITY_BATCH, 100, 10);
    for (int i = 0; i < 3; i++) {
        uint64_t end;
        char path[480];
        snprintf(path, sizeof path, "%s/one", directory);
        cr_assert_eq(mr_journal_end(path, &end, &err), MR_OK);
        cr_assert_eq(open_existing(&feed, MR_EXISTING_APPEND, mr_align_up(end, LAP), &err), MR_OK,
                     "%s", err.text);
        feed_finish(&feed);
        cr_assert_eq(count_journal("one", MR_JOURNAL_END), 100);
    }
}

static void last_segment(const char *name, char *out, size_t out_bytes)
{
    char path[480];
    uint64_t *bases;
    unsigned count;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    cr_assert_eq(mr_journal_list(path, &bases, &count, NULL), MR_OK);
    mr_journal_segment_path(path, bases[count - 1], out, out_bytes);
    free(bases);
}

// A loader that died: what it wrote beyond the last commit is written again, at the same place.
static void resume_at_any_position(void)
{
    const unsigned count = 300;
    write_journal("whole", best(), MR_DURABILITY_BATCH, count, 10);
    for (unsigned died_after = 1; died_after < count; died_after += 23) {
        struct feed feed;
        struct mr_error err;
        uint64_t committed = 0;
        prepare(&feed, "one", best(), 0);
        feed.options.existing = MR_EXISTING_REPLACE;
        cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
        cr_assert_eq(feed_records(&feed, died_after, 10, &err), MR_OK);
        committed = feed.released;
        // Some more is written, and never becomes part of a commit; then the process is gone.
        for (unsigned i = 0; i < 4; i++)
            feed_put(&feed, feed.next_id * 37 % 1500);
        mr_publish(&feed.ring.writer, 1);
        feed_turn(&feed, &err);
        mr_io_close(&feed.io);
        mr_sink_journal.close(&feed.run);
        // The next process: the ring still has what was not released.
        cr_assert_eq(mr_io_open(&feed.io, best(), 64, &err), MR_OK);
        feed.run.self = NULL;
        feed.run.resumed = true;
        feed.run.start_pos = feed.run.accepted_pos = feed.run.durable_pos = feed.released;
        cr_assert_geq(feed.released, committed);
        cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
        cr_assert_eq(feed_records(&feed, count - feed.next_id, 10, &err), MR_OK);
        feed_finish(&feed);
        check_same("whole", "one");
    }
}

Test(journal_sink, resume)
{
    resume_at_any_position();
}

Test(journal_sink, resume_direct)
{
    if (write_directly())
        resume_at_any_position();
}

// After a failed sync there is no other, nothing more is called durable, and the error says where.
Test(journal_sink, a_failed_sync_is_the_last)
{
    struct feed feed;
    struct mr_error err;
    faulty_io.fail_sync_after = 3;
    prepare(&feed, "one", &faulty_io_backend, 0);
    cr_assert_eq(feed_open(&feed, &err), MR_OK);
    cr_assert_eq(feed_records(&feed, 500, 10, &err), MR_ERR_OUTPUT);
    cr_assert_not_null(strstr(err.text, ".mrj: cannot sync"), "%s", err.text);
    uint64_t durable = feed.run.durable_pos;
    for (int i = 0; i < 20; i++)
        cr_assert_eq(feed_turn(&feed, &err), MR_ERR_OUTPUT);
    cr_assert_eq(feed.run.durable_pos, durable);
    cr_assert_eq(faulty_io.failed_syncs, 1);
    cr_assert_eq(faulty_io.syncs_after_failure, 0);
    feed_drop(&feed);
    // What was durable is there, and the journal can be gone on with.
    cr_assert_geq(count_journal("one", MR_JOURNAL_END), 10);
}

Test(journal_sink, a_failed_write_is_said)
{
    struct feed feed;
    struct mr_error err;
    faulty_io.fail_write_after = 20;
    faulty_io.fail_write_errno = ENODEV;
    prepare(&feed, "one", &faulty_io_backend, 0);
    cr_assert_eq(feed_open(&feed, &err), MR_OK);
    cr_assert_eq(feed_records(&feed, 500, 10, &err), MR_ERR_OUTPUT);
    cr_assert_not_null(strstr(err.text, "No such device"), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "at byte"), "%s", err.text);
    feed_drop(&feed);
}

Test(journal_sink, a_directory_that_vanishes)
{
    struct feed feed;
    struct mr_error err;
    char file[512];
    prepare(&feed, "one", best(), 0);
    cr_assert_eq(feed_open(&feed, &err), MR_OK);
    cr_assert_eq(feed_records(&feed, 10, 10, &err), MR_OK);
    last_segment("one", file, sizeof file);
    cr_assert_eq(unlink(file), 0);
    cr_assert_eq(rmdir(feed.path), 0);
    usleep(110000); // it is looked for ten times a second
    cr_assert_eq(feed_records(&feed, 10, 10, &err), MR_ERR_OUTPUT);
    cr_assert_not_null(strstr(err.text, file), "%s", err.text);
    feed_drop(&feed);
}

Test(journal_sink, a_torn_tail_is_cut_and_damage_refused)
{
    struct feed feed;
    struct mr_error err;
    struct mr_journal_tail tail;
    char file[512], path[480];
    size_t length;
    snprintf(path, sizeof path, "%s/one", directory);
    write_journal("one", best(), MR_DURABILITY_NONE, 20, 10);
    cr_assert_eq(mr_journal_find_tail(path, &tail, &err), MR_OK);
    snprintf(file, sizeof file, "%s", tail.path);
    uint8_t *bytes = mr_test_read_file(file, &length);
    // As if the loader had died: no mark, and the last record cut.
    memset(bytes + tail.header_bytes - sizeof(struct mr_journal_mark), 0,
           sizeof(struct mr_journal_mark));
    mr_test_write_file(file, bytes, length - 5);
    uint64_t start = mr_align_up(tail.end_pos, LAP);
    cr_assert_eq(open_existing(&feed, MR_EXISTING_APPEND, start, &err), MR_OK, "%s", err.text);
    feed.next_id = 19;
    cr_assert_eq(feed_records(&feed, 5, 5, &err), MR_OK);
    feed_finish(&feed);
    cr_assert_eq(count_journal("one", MR_JOURNAL_END), 24);
    // Damage below the end is refused, and nothing is changed.
    last_segment("one", file, sizeof file);
    free(bytes);
    bytes = mr_test_read_file(file, &length);
    bytes[tail.header_bytes + 50] ^= 1;
    mr_test_write_file(file, bytes, length);
    cr_assert_eq(open_existing(&feed, MR_EXISTING_APPEND, start + LAP, &err), MR_ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, file), "%s", err.text);
    free(bytes);
}

Test(journal_sink, other_schemas_are_not_appended)
{
    struct feed feed;
    struct mr_error err;
    write_journal("one", best(), MR_DURABILITY_BATCH, 20, 10);
    prepare(&feed, "one", best(), LAP);
    mr_schema_set_clear(&feed.schemas);
    struct mr_schema *schema = mr_schema_new("other", MR_SCHEMA_ID_DECLARED);
    cr_assert_eq(mr_schema_add(schema, "id", "u32", false, NULL), MR_OK);
    mr_schema_seal(schema);
    cr_assert_eq(mr_schema_set_add(&feed.schemas, schema, NULL), MR_OK);
    cr_assert_eq(feed_open(&feed, &err), MR_ERR_OUTPUT);
    cr_assert_not_null(strstr(err.text, "other schemas"), "%s", err.text);
}

Test(journal_sink, two_loaders_at_once)
{
    struct feed first, second;
    struct mr_error err;
    prepare(&first, "one", best(), 0);
    cr_assert_eq(feed_open(&first, &err), MR_OK);
    prepare(&second, "one", best(), 0);
    cr_assert_eq(feed_open(&second, &err), MR_ERR_BUSY);
    char holder[32];
    snprintf(holder, sizeof holder, "process %d", getpid());
    cr_assert_not_null(strstr(err.text, holder), "%s", err.text);
    feed_finish(&first);
}

// A disk that has no room for the next segment makes the stream wait; with room again it goes on.
Test(journal_sink, full_disk_is_back_pressure)
{
    struct feed feed;
    struct mr_error err;
    char disk[480], filler[512];
    snprintf(disk, sizeof disk, "%s/one", directory);
    if (mkdir(disk, 0700) != 0 || mount("tmpfs", disk, "tmpfs", 0, "size=600k") != 0)
        cr_skip("a file system of its own takes root: %s", strerror(errno));
    snprintf(filler, sizeof filler, "%s/filler", disk);
    static uint8_t zeroes[200 * 1024];
    mr_test_write_file(filler, zeroes, sizeof zeroes);
    prepare(&feed, "one", best(), 0);
    cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
    uint64_t stuck = 0;
    for (unsigned turn = 0; turn < 3000 && stuck < 1000; turn++) {
        uint64_t before = feed.run.accepted_pos;
        while (feed.next_id < 400 && feed_put(&feed, 1000))
            continue;
        mr_publish(&feed.ring.writer, 1);
        cr_assert_eq(feed_turn(&feed, &err), MR_OK, "%s", err.text);
        stuck = feed.run.accepted_pos == before ? stuck + 1 : 0;
    }
    cr_assert_eq(stuck, 1000, "it did not wait");
    cr_assert_eq(feed.run.durable_pos % (2 * LAP), 0, "it waits at a segment's end");
    cr_assert_eq(unlink(filler), 0);
    usleep(110000);
    uint64_t waited_at = feed.run.accepted_pos;
    // The disk answers when it does: turns are counted in milliseconds, five thousand at most.
    for (unsigned turn = 0; turn < 5000 && feed.run.durable_pos <= waited_at; turn++) {
        cr_assert_eq(feed_turn(&feed, &err), MR_OK, "%s", err.text);
        usleep(1000);
    }
    cr_assert_gt(feed.run.durable_pos, waited_at);
    feed_finish(&feed);
    cr_assert_gt(count_journal("one", MR_JOURNAL_END), 200);
    umount2(disk, MNT_DETACH);
}

Test(journal_sink, a_first_segment_without_room_is_an_error)
{
    struct feed feed;
    struct mr_error err;
    char disk[480];
    snprintf(disk, sizeof disk, "%s/one", directory);
    if (mkdir(disk, 0700) != 0 || mount("tmpfs", disk, "tmpfs", 0, "size=100k") != 0)
        cr_skip("a file system of its own takes root: %s", strerror(errno));
    prepare(&feed, "one", best(), 0);
    cr_assert_eq(feed_open(&feed, &err), MR_ERR_OUTPUT);
    cr_assert_not_null(strstr(err.text, "segment_size"), "%s", err.text);
    umount2(disk, MNT_DETACH);
}
