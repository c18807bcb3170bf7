// SPDX-License-Identifier: Apache-2.0
// Which segments there are, and where the last one ends.
#include "core/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/disk.h"
#include "core/file_lock.h"
#include "core/journal_file.h"

static int ascending(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static int add_base(uint64_t **list, unsigned *count, uint64_t base, struct mr_error *err)
{
    if (mr_is_power_of_two(*count + 1)) { // 0, 1, 3, 7 ... are full
        uint64_t *grown = realloc(*list, 2 * ((size_t)*count + 1) * sizeof **list);
        if (!grown)
            return mr_fail(err, MR_ERR_MEMORY, "journal: out of memory");
        *list = grown;
    }
    (*list)[(*count)++] = base;
    return MR_OK;
}

struct bases {
    uint64_t *list;
    unsigned count;
    struct mr_error *err;
};

static int add_name(void *self, const char *name)
{
    struct bases *found = self;
    uint64_t base;
    return mr_journal_segment_base(name, &base)
               ? add_base(&found->list, &found->count, base, found->err)
               : 0;
}

int mr_journal_list(const char *directory, uint64_t **out, unsigned *count, struct mr_error *err)
{
    struct bases found = {.err = err};
    *out = NULL;
    *count = 0;
    int code = mr_disk->list(directory, add_name, &found);
    if (code != MR_OK) {
        free(found.list);
        return code < 0 ? mr_fail_errno(err, MR_ERR_INPUT, "%s", directory) : code;
    }
    if (found.count > 1)
        qsort(found.list, found.count, sizeof *found.list, ascending);
    *out = found.list;
    *count = found.count;
    return MR_OK;
}

// Bytes from the stop to the last one that is not zero.
static int torn_bytes(const char *path, uint64_t end_pos, uint64_t *out, struct mr_error *err)
{
    struct mr_journal_file file;
    uint64_t position = end_pos;
    int code = mr_journal_file_open(&file, path, NULL, err);
    *out = 0;
    while (code == MR_OK && position < mr_journal_file_end(&file)) {
        code = mr_journal_file_skip_zeroes(&file, position, &position, err);
        if (code == MR_OK && position < mr_journal_file_end(&file)) {
            position += 8;
            *out = position - end_pos;
        }
    }
    mr_journal_file_close(&file);
    return code;
}

// What was not known to be durable is looked at on the disk, not in memory, which may know it better than
// the disk after an error. So where that cannot be done there is no end to be told; of a header that does not
// check whoever reads it tells.
static int forget_unsynced(const char *path, struct mr_error *err)
{
    struct mr_journal_file file;
    if (!mr_disk->forget)
        return MR_OK;
    int code = mr_journal_file_open(&file, path, NULL, err);
    if (code != MR_OK)
        return code == MR_ERR_CORRUPT ? MR_OK : code;
    uint64_t base_pos = file.header.base_pos;
    uint64_t durable_pos = mr_max_u64(file.marked ? file.durable_pos : 0, base_pos);
    mr_disk->forget(file.fd, file.header.header_bytes + durable_pos - base_pos);
    mr_journal_file_close(&file);
    return MR_OK;
}

// Reads the last segment to its end, when the writes of a dead loader have come to theirs. Its header is
// whole: a segment gets its name after that.
static int measure(struct mr_journal_tail *tail, struct mr_error *err)
{
    struct mr_journal journal;
    struct mr_journal_segment segment;
    int code = mr_file_pass(tail->path, err);
    if (code == MR_OK)
        code = forget_unsynced(tail->path, err);
    if (code == MR_OK)
        code = mr_journal_open(&journal, tail->path, err);
    if (code != MR_OK)
        return code;
    mr_journal_segment_now(&journal, &segment);
    tail->base_pos = segment.base_pos;
    tail->durable_pos = segment.durable_pos;
    tail->previous_end = segment.previous_end;
    tail->header_bytes = segment.header_bytes;
    while (mr_journal_next(&journal))
        continue;
    tail->end_pos = journal.position;
    if (journal.stop == MR_JOURNAL_DAMAGED) {
        code = journal.problem.code;
        if (err)
            *err = journal.problem;
    } else if (journal.stop == MR_JOURNAL_TORN) {
        code = torn_bytes(tail->path, tail->end_pos, &tail->torn_bytes, err);
    }
    mr_journal_close(&journal);
    return code;
}

int mr_journal_find_tail(const char *directory, struct mr_journal_tail *out, struct mr_error *err)
{
    uint64_t *bases;
    unsigned count;
    struct mr_disk_status status;
    *out = (struct mr_journal_tail){0};
    if (mr_disk->status(directory, &status) != 0 && errno == ENOENT)
        return MR_OK;
    int code = mr_journal_list(directory, &bases, &count, err);
    if (code != MR_OK || count == 0)
        return code;
    mr_journal_segment_path(directory, bases[count - 1], out->path, sizeof out->path);
    free(bases);
    code = measure(out, err);
    if (code == MR_ERR_CORRUPT && err) { // the sentence goes on
        size_t used = strlen(err->text);
        snprintf(err->text + used, sizeof err->text - used, "; `millrace verify %s` says more",
                 directory);
    }
    return code;
}

int mr_journal_end(const char *directory, uint64_t *end_pos, struct mr_error *err)
{
    struct mr_journal_tail tail;
    int code = mr_journal_find_tail(directory, &tail, err);
    *end_pos = tail.end_pos;
    return code;
}
