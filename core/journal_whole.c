// SPDX-License-Identifier: Apache-2.0
// Where a journal ends of which nothing is known to be durable.
#include "core/journal.h"

#include <errno.h>
#include <stdlib.h>

#include "core/disk.h"
#include "core/file_lock.h"

// Reads one segment, if it follows `*follows` (or is the first: NULL), to the end of what is valid in it;
// *walked says whether it does. What cannot be read may be valid: that is an error.
static int walk(const char *directory, uint64_t base, const uint64_t *follows, uint64_t *end_pos,
                bool *walked, struct mr_error *err)
{
    char path[512];
    struct mr_journal journal;
    struct mr_journal_segment segment;
    mr_journal_segment_path(directory, base, path, sizeof path);
    int code = mr_journal_open(&journal, path, err);
    *walked = false;
    if (code != MR_OK)
        return code == MR_ERR_CORRUPT ? MR_OK : code;
    mr_journal_segment_now(&journal, &segment);
    *walked = !follows || segment.previous_end == *follows;
    while (*walked && mr_journal_next(&journal))
        continue;
    if (*walked)
        *end_pos = journal.position;
    if (journal.fault.kind == MR_JOURNAL_FAULT_READ) {
        code = journal.problem.code;
        if (err)
            *err = journal.problem;
    }
    mr_journal_close(&journal);
    return code;
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
    char last[512];
    mr_journal_segment_path(directory, bases[count - 1], last, sizeof last);
    code = mr_file_pass(last, err);
    if (code != MR_OK) {
        free(bases);
        return code;
    }
    while (index + 1 < count && bases[index + 1] <= from_pos)
        index++;
    if (bases[0] > from_pos) { // the one that held from_pos is lost, and with it what follows
        free(bases);
        return MR_OK;
    }
    bool walked;
    // One that begins there and does not check is as good as none: the one before it is the last.
    while ((code = walk(directory, bases[index], NULL, end_pos, &walked, err)) == MR_OK &&
           !walked && index > 0)
        index--;
    while (code == MR_OK && walked && ++index < count) {
        uint64_t follows = *end_pos;
        code = walk(directory, bases[index], &follows, end_pos, &walked, err);
    }
    free(bases);
    return code;
}
