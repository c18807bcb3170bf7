// SPDX-License-Identifier: Apache-2.0
// The files of a journal as its writer has them (the format: core/journal.h). One segment is being
// written; the next one may stand preallocated under the name ".next", so that a full disk shows
// before the stream needs the room.
//
// Locks. The directory is locked (flock) while a loader lives: a second run gets MR_ERR_BUSY. Each
// segment is locked on the very descriptor that writes it: the kernel gives that lock free only
// when the writes of a dead loader have drained, so whoever holds it knows that nobody writes
// behind its back. Direct writes have a descriptor of their own, with a lock of another kind (of
// records, of the open file), which does not meet the first and is given free in the same way; who opens
// a segment passes both.
#ifndef MR_CONSUMERS_LOADER_SEGMENT_FILES_H
#define MR_CONSUMERS_LOADER_SEGMENT_FILES_H

#include "core/journal.h"

struct mr_segment_files {
    char directory[400];
    int directory_fd;
    bool direct;            // writes past the page cache are wanted
    bool sync;              // new files and names shall survive a power cut
    uint64_t segment_bytes; // of stream
    const char *name;       // of the ring
    const struct mr_schema_set *schemas;
    int fd;        // the segment that is written; -1: none
    int direct_fd; // the same, past the page cache, for whole pages only; -1: not so
    char path[512];
    uint64_t base_pos;
    uint64_t limit_pos; // where the next segment begins
    uint64_t header_bytes;
    int next_fd; // ".next", preallocated; -1: none
};

// Makes the directory (with its parents) where it is not there, and locks it.
int mr_segment_files_open(struct mr_segment_files *files, const char *directory,
                          struct mr_error *err);
// Removes all segments: durable when it returns.
int mr_segment_files_clear(struct mr_segment_files *files, struct mr_error *err);
// Cuts a segment to tail->end_pos and marks it durable there.
int mr_segment_files_cut(struct mr_segment_files *files, const struct mr_journal_tail *tail,
                         struct mr_error *err);
// Cuts the torn tail off the last segment, and checks that it holds records of the same schemas.
int mr_segment_files_mend(struct mr_segment_files *files, const struct mr_journal_tail *tail,
                          struct mr_error *err);
// Preallocates ".next" if it does not stand yet. Where it, begin or finish fails for want of room
// (mr_error_is_no_room), the same call may be made again, and goes on where it failed.
int mr_segment_files_prepare(struct mr_segment_files *files, struct mr_error *err);
// Begins the segment at base_pos.
int mr_segment_files_begin(struct mr_segment_files *files, uint64_t base_pos, uint64_t previous_end,
                           struct mr_error *err);
// Goes on in the segment that holds `position`, or ends there.
int mr_segment_files_resume(struct mr_segment_files *files, uint64_t position,
                            struct mr_error *err);
// Of a journal that a power cut has left: keeps what stands before end_pos and goes on there, in the segment
// that holds it, preallocated again. What follows goes.
int mr_segment_files_keep(struct mr_segment_files *files, uint64_t end_pos, struct mr_error *err);
// Removes the segments that begin at or behind from_pos.
int mr_segment_files_remove(struct mr_segment_files *files, uint64_t from_pos,
                            struct mr_error *err);
// Cuts the segment to its end, marks it durable there, closes it.
int mr_segment_files_finish(struct mr_segment_files *files, uint64_t end_pos, struct mr_error *err);
// There will be no next segment.
void mr_segment_files_drop_next(struct mr_segment_files *files);
// MR_ERR_OUTPUT where the file that is written has lost its name: what is written would be lost.
int mr_segment_files_look(const struct mr_segment_files *files, struct mr_error *err);
// Closes everything and removes ".next".
void mr_segment_files_close(struct mr_segment_files *files);

#endif
