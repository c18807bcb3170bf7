// SPDX-License-Identifier: Apache-2.0
// Where a journal ends of which nothing is known to be durable.
#include "core/journal.h"

#include <errno.h>
#include <stdlib.h>

#include "core/disk.h"

// Reads one segment, if it follows `*position` (or is the first: NULL), to the end of what is valid in it.
static bool walk(const char *directory, uint64_t base, const uint64_t *follows, uint64_t *end_pos)
{
    char path[512];
    struct mr_journal journal;
    struct mr_journal_segment segment;
    mr_journal_segment_path(directory, base, path, sizeof path);
    if (mr_journal_open(&journal, path, NULL) != MR_OK)
        return false;
    mr_journal_segment_now(&journal, &segment);
    bool fits = segment.base_pos == base && (!follows || segment.previous_end == *follows);
    while (fits && mr_journal_next(&journal))
        continue;
    if (fits)
        *end_pos = journal.position;
    mr_journal_close(&journal);
    return fits;
}

int mr_journal_whole_end(const char *directory, uint64_t from_pos, uint64_t *end_pos,
                         struct mr_error *err)
{
    uint64_t *bases;
    unsigned count, index = 0;
    *end_pos = 0;
    struct mr_disk_status status;
    if (mr_disk->status(directory, &status) != 0 && errno == ENOENT)
        return MR_OK;
    int code = mr_journal_list(directory, &bases, &count, err);
    if (code != MR_OK || count == 0)
        return code;
    while (index + 1 < count && bases[index + 1] <= from_pos)
        index++;
    // One that begins there and does not read is as good as none: the one before it is the last.
    while (!walk(directory, bases[index], NULL, end_pos) && index > 0)
        index--;
    for (index++; index < count; index++) {
        uint64_t follows = *end_pos;
        if (!walk(directory, bases[index], &follows, end_pos))
            break;
    }
    free(bases);
    return MR_OK;
}
