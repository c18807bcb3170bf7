// SPDX-License-Identifier: Apache-2.0
// Reading a journal: record by record, from segment to segment, and a verdict on the place where it
// stops.
#include "core/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/disk.h"
#include "core/journal_file.h"

struct mr_journal_files {
    char **paths;
    unsigned count;
    unsigned index; // of the one that is open
    struct mr_journal_file file;
};

// ---- opening
static int list_paths(struct mr_journal_files *files, const char *path, struct mr_error *err)
{
    struct mr_disk_status status;
    uint64_t *bases = NULL;
    unsigned count = 0;
    if (mr_disk->status(path, &status) != 0)
        return mr_fail_errno(err, MR_ERR_INPUT, "%s", path);
    bool one_file = !status.directory;
    if (!one_file) {
        int code = mr_journal_list(path, &bases, &count, err);
        if (code != MR_OK)
            return code;
    }
    files->count = one_file ? 1 : count;
    files->paths = calloc(files->count + 1, sizeof *files->paths);
    bool kept = files->paths != NULL;
    for (unsigned i = 0; kept && i < files->count; i++) {
        char name[512];
        mr_journal_segment_path(path, one_file ? 0 : bases[i], name, sizeof name);
        files->paths[i] = strdup(one_file ? path : name);
        kept = files->paths[i] != NULL;
    }
    free(bases);
    if (!kept)
        return mr_fail(err, MR_ERR_MEMORY, "%s: out of memory", path);
    if (files->count == 0)
        return mr_fail(err, MR_ERR_INPUT, "%s: found no segment file, expected *%s", path,
                       MR_JOURNAL_SUFFIX);
    return MR_OK;
}

static int open_first(struct mr_journal *journal, struct mr_error *err)
{
    struct mr_journal_files *files = journal->files;
    int code = mr_journal_file_open(&files->file, files->paths[0], &journal->schemas, err);
    if (code != MR_OK)
        return code;
    snprintf(journal->name, sizeof journal->name, "%.*s", MR_NAME_BYTES - 1,
             files->file.header.name);
    journal->position = files->file.header.base_pos;
    return MR_OK;
}

int mr_journal_open(struct mr_journal *journal, const char *path, struct mr_error *err)
{
    *journal = (struct mr_journal){0};
    journal->files = calloc(1, sizeof *journal->files);
    if (!journal->files)
        return mr_fail(err, MR_ERR_MEMORY, "%s: out of memory", path);
    journal->files->file.fd = -1;
    int code = list_paths(journal->files, path, err);
    if (code == MR_OK)
        code = open_first(journal, err);
    if (code != MR_OK)
        mr_journal_close(journal);
    return code;
}

void mr_journal_close(struct mr_journal *journal)
{
    struct mr_journal_files *files = journal->files;
    if (files) {
        mr_journal_file_close(&files->file);
        for (unsigned i = 0; files->paths && i < files->count; i++)
            free(files->paths[i]);
        free(files->paths);
        free(files);
    }
    mr_schema_set_clear(&journal->schemas);
    journal->files = NULL;
}

// ---- from segment to segment
static void stop_at(struct mr_journal *journal, enum mr_journal_stop stop, const char *found)
{
    const struct mr_journal_file *file = &journal->files->file;
    journal->stop = stop;
    uint64_t offset = file->header.header_bytes + journal->position - file->header.base_pos;
    mr_fail(&journal->problem, MR_ERR_CORRUPT, "%s: byte %" PRIu64 " (position %" PRIu64 "): %s",
            file->path, offset, journal->position, found);
}

// Goes to the next segment, whose header must say that it follows here. False: it does not.
static bool next_segment(struct mr_journal *journal)
{
    struct mr_journal_files *files = journal->files;
    struct mr_schema_set schemas = {0};
    const char *path = files->paths[files->index + 1];
    struct mr_journal_file next;
    if (mr_journal_file_open(&next, path, &schemas, &journal->problem) != MR_OK) {
        journal->stop = MR_JOURNAL_DAMAGED;
        return false;
    }
    bool fits = next.header.previous_end == journal->position;
    if (!fits)
        mr_fail(&journal->problem, MR_ERR_CORRUPT,
                "%s: found a segment that follows position %" PRIu64
                ", expected one that follows %" PRIu64 ", where %s ends",
                path, next.header.previous_end, journal->position, files->file.path);
    else if (!mr_schema_set_same(&schemas, &journal->schemas)) {
        fits = false;
        mr_fail(&journal->problem, MR_ERR_CORRUPT,
                "%s: found other schemas in the header, expected those of %s", path,
                files->file.path);
    }
    mr_schema_set_clear(&schemas);
    if (!fits) {
        mr_journal_file_close(&next);
        journal->stop = MR_JOURNAL_DAMAGED;
        return false;
    }
    mr_journal_file_close(&files->file);
    files->file = next;
    files->index++;
    journal->position = next.header.base_pos;
    return true;
}

// ---- the verdict
// Whether a valid record begins anywhere behind the bad place. A hash may run over as many bytes
// as a length claims, so the search has a budget; where it runs out the answer is yes, the
// careful one.
static bool valid_follows(struct mr_journal *journal)
{
    struct mr_journal_file *file = &journal->files->file;
    uint64_t end = mr_journal_file_end(file);
    uint64_t budget = 64 * (end - journal->position) + (16u << 20);
    uint64_t position = journal->position, left;
    while ((position += 8) < end) {
        if (mr_journal_file_skip_zeroes(file, position, &position, NULL) != MR_OK)
            return true;
        const uint8_t *bytes = mr_journal_file_look(file, position, 8, &left, NULL);
        uint32_t length;
        if (!bytes)
            return true;
        if (left < 8)
            return false;
        memcpy(&length, bytes, sizeof length);
        if (length < 8 || mr_record_stride(length) > left)
            continue;
        if (length > budget)
            return true;
        budget -= length;
        bytes = mr_journal_file_look(file, position, mr_record_stride(length), &left, NULL);
        if (!bytes)
            return true;
        if (mr_journal_examine(bytes, left, position, &journal->schemas, &length, NULL) <=
            MR_JOURNAL_PADDING)
            return true;
    }
    return false;
}

static void stop_bad(struct mr_journal *journal, const char *found)
{
    const struct mr_journal_files *files = journal->files;
    const struct mr_journal_file *file = &files->file;
    char text[320];
    if (files->index + 1 < files->count) {
        snprintf(text, sizeof text, "%s; segments follow", found);
        stop_at(journal, MR_JOURNAL_DAMAGED, text);
    } else if (file->marked) {
        bool durable = journal->position < file->durable_pos;
        snprintf(text, sizeof text, "%s; everything before position %" PRIu64 " was durable", found,
                 file->durable_pos);
        stop_at(journal, durable ? MR_JOURNAL_DAMAGED : MR_JOURNAL_TORN, text);
    } else if (valid_follows(journal)) {
        snprintf(text, sizeof text, "%s; valid records follow", found);
        stop_at(journal, MR_JOURNAL_DAMAGED, text);
    } else {
        stop_at(journal, MR_JOURNAL_TORN, found);
    }
}

// A length of 0 is the clean end only where nothing but zeroes follows and nothing durable is
// missing.
static void stop_zero(struct mr_journal *journal)
{
    const struct mr_journal_files *files = journal->files;
    struct mr_journal_file *file = &journal->files->file;
    uint64_t data_at;
    bool last = files->index + 1 == files->count;
    bool whole = !file->marked || journal->position >= file->durable_pos;
    if (mr_journal_file_skip_zeroes(file, journal->position, &data_at, &journal->problem) != MR_OK)
        journal->stop = MR_JOURNAL_DAMAGED;
    else if (last && whole && data_at == mr_journal_file_end(file))
        journal->stop = MR_JOURNAL_END;
    else
        stop_bad(journal, "found a length of 0, expected a record");
}

// The segment's bytes are used up. True: another one is open.
static bool segment_ended(struct mr_journal *journal)
{
    const struct mr_journal_files *files = journal->files;
    if (files->file.marked && journal->position < files->file.durable_pos) {
        stop_bad(journal, "found the end of the file, expected a record");
        return false;
    }
    if (files->index + 1 < files->count)
        return next_segment(journal);
    journal->stop = MR_JOURNAL_END;
    return false;
}

// ---- reading
// The bytes at journal->position: first the length, then as many as it says. NULL: read error.
static const uint8_t *look(struct mr_journal *journal, uint64_t *left)
{
    struct mr_journal_file *file = &journal->files->file;
    const uint8_t *bytes =
        mr_journal_file_look(file, journal->position, 8, left, &journal->problem);
    uint32_t length;
    if (!bytes || *left < 8)
        return bytes;
    memcpy(&length, bytes, sizeof length);
    if (mr_record_stride(length) > *left)
        return bytes;
    return mr_journal_file_look(file, journal->position, mr_max_u64(mr_record_stride(length), 8),
                                left, &journal->problem);
}

const struct mr_record *mr_journal_next(struct mr_journal *journal)
{
    for (;;) {
        uint64_t left;
        uint32_t length = 0;
        char problem[160];
        const uint8_t *bytes = look(journal, &left);
        if (!bytes) {
            journal->stop = MR_JOURNAL_DAMAGED;
            return NULL;
        }
        if (left == 0) {
            if (!segment_ended(journal))
                return NULL;
            continue;
        }
        switch (mr_journal_examine(bytes, left, journal->position, &journal->schemas, &length,
                                   problem)) {
        case MR_JOURNAL_RECORD:
            journal->record_position = journal->position;
            journal->position += mr_record_stride(length);
            return (const struct mr_record *)(const void *)bytes;
        case MR_JOURNAL_PADDING:
            journal->position += mr_record_stride(length);
            continue;
        case MR_JOURNAL_ZERO:
            stop_zero(journal);
            return NULL;
        case MR_JOURNAL_BAD:
            stop_bad(journal, problem);
            return NULL;
        }
    }
}

// ---- seeking
// Opens segment `index` at its base.
static int go_to_segment(struct mr_journal *journal, unsigned index, struct mr_error *err)
{
    struct mr_journal_files *files = journal->files;
    struct mr_journal_file file;
    int code = mr_journal_file_open(&file, files->paths[index], NULL, err);
    if (code != MR_OK)
        return code;
    mr_journal_file_close(&files->file);
    files->file = file;
    files->index = index;
    journal->position = file.header.base_pos;
    return MR_OK;
}

// The last segment that begins at or before the position; names are positions, so only its name is
// read.
static unsigned segment_of(const struct mr_journal *journal, uint64_t position)
{
    const struct mr_journal_files *files = journal->files;
    unsigned index = files->count - 1;
    if (files->count == 1)
        return 0;
    while (index > 0) {
        const char *slash = strrchr(files->paths[index], '/');
        if (strtoull(slash ? slash + 1 : files->paths[index], NULL, 10) <= position)
            break;
        index--;
    }
    return index;
}

int mr_journal_seek(struct mr_journal *journal, uint64_t position, struct mr_error *err)
{
    int code = go_to_segment(journal, segment_of(journal, position), err);
    if (code != MR_OK)
        return code;
    journal->stop = MR_JOURNAL_END;
    uint64_t base = journal->position, left;
    uint32_t length;
    if (position > base && position % 8 == 0 &&
        position < mr_journal_file_end(&journal->files->file)) {
        journal->position = position;
        const uint8_t *bytes = look(journal, &left);
        if (bytes && mr_journal_examine(bytes, left, position, &journal->schemas, &length, NULL) <=
                         MR_JOURNAL_PADDING)
            return MR_OK;
    }
    journal->position = base;
    while (journal->position < position) {
        if (!mr_journal_next(journal))
            return MR_OK; // beyond the end: the next call says so again
        if (journal->record_position >= position)
            journal->position = journal->record_position;
    }
    return MR_OK;
}

unsigned mr_journal_segment_count(const struct mr_journal *journal)
{
    return journal->files->count;
}

void mr_journal_segment_now(const struct mr_journal *journal, struct mr_journal_segment *out)
{
    const struct mr_journal_file *file = &journal->files->file;
    *out = (struct mr_journal_segment){
        .path = journal->files->paths[journal->files->index],
        .base_pos = file->header.base_pos,
        .previous_end = file->header.previous_end,
        .header_bytes = file->header.header_bytes,
        .file_bytes = file->file_bytes,
        .marked = file->marked,
        .durable_pos = file->durable_pos,
    };
}
