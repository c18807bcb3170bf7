// SPDX-License-Identifier: Apache-2.0
// Mending a damaged journal (core/journal.h) so that it is whole again and a run can append. Nothing is
// destroyed: what is taken away stands in `.cut` files beside the segments, each a segment file of its
// own that readers of the journal pass over and that opens under its own name.
//
//     struct mr_repair repair;
//     int code = mr_repair_open(&repair, directory, &err);      // takes the journal's locks
//     while (code == MR_OK && (code = mr_repair_plan(&repair, &err)) == MR_OK && repair.count > 0) {
//         ... say what repair.steps would do; stop here, or ...
//         code = mr_repair_do(&repair, &err);
//     }
//     mr_repair_close(&repair);
//
// A plan is a round: what has to be done first. A header or a mark that is damaged is made again where
// that can be done without a doubt, and then the journal is looked at once more, for what stands behind
// it may be sound. Only what is left is cut: the longest valid prefix stays.
//
// A repair that is killed, at any instruction, leaves a journal that it can be repeated on; the end is the
// same. What is to be cut is first saved and synced, then later segments get their other names, the last
// one first, then the bad segment is cut.
#ifndef MR_CONSUMERS_LOADER_JOURNAL_REPAIR_H
#define MR_CONSUMERS_LOADER_JOURNAL_REPAIR_H

#include "consumers/loader/segment_files.h"

enum mr_repair_kind {
    MR_REPAIR_HEADER, // a header block is made again from that of another segment
    MR_REPAIR_MARK,   // a durable mark that does not match is set to where its segment ends
    MR_REPAIR_CUT, // bytes are cut off the end of a segment, its mark is set to where it ends then
    MR_REPAIR_ASIDE, // a whole segment gets another name
};

struct mr_repair_step {
    enum mr_repair_kind kind;
    char path[512];              // of the segment
    char aside[512];             // where what is taken away is afterwards; "" for nothing
    char donor[512];             // MR_REPAIR_HEADER: whose header is taken
    uint64_t from_byte, to_byte; // of the file: what is changed, cut or moved; they may be the same
    uint64_t position; // where the segment ends afterwards; of one that is moved, where it begins
    uint64_t records;  // whole ones that are taken away
};

struct mr_repair {
    struct mr_segment_files files; // the directory and its lock
    // What the journal is now, as read for the plan.
    enum mr_journal_stop state;
    uint64_t records, end_pos;
    struct mr_error problem;
    struct mr_repair_step *steps;
    unsigned count;
    unsigned rounds;
};

// MR_ERR_BUSY where a loader has the journal, MR_ERR_INPUT where there is none.
int mr_repair_open(struct mr_repair *repair, const char *directory, struct mr_error *err);
// count is 0 where the journal is whole. MR_ERR_INPUT where a file cannot be read: mending is for bytes
// that can.
int mr_repair_plan(struct mr_repair *repair, struct mr_error *err);
// Carries the plan out and makes it durable. MR_ERR_OUTPUT.
int mr_repair_do(struct mr_repair *repair, struct mr_error *err);
void mr_repair_close(struct mr_repair *repair);

#endif
