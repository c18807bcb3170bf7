// SPDX-License-Identifier: Apache-2.0
// What the files that read journals (core/journal*.c) share: the segments of one that is open, and
// the verdict on the place where its reader stops.
#ifndef MR_CORE_JOURNAL_PRIVATE_H
#define MR_CORE_JOURNAL_PRIVATE_H

#include "core/journal_file.h"

struct mr_journal_files {
    char **paths;
    unsigned count;
    unsigned index; // of the one that is open
    struct mr_journal_file file;
    // The first durable mark that did not match; its kind is MR_JOURNAL_SOUND where all did.
    struct mr_journal_fault mark_fault;
    struct mr_error mark_problem;
};

// The longest record that is looked at whole: the bytes at journal->position, first the length, then
// as many as it says. NULL: read error.
const uint8_t *mr_journal_look(struct mr_journal *journal, uint64_t *left);

// Each sets stop, problem and fault, and returns false: reading is over.
bool mr_journal_stop_unread(struct mr_journal *journal);
bool mr_journal_stop_end(struct mr_journal *journal);
bool mr_journal_stop_zero(struct mr_journal *journal);
bool mr_journal_stop_bad(struct mr_journal *journal, enum mr_journal_fault_kind kind,
                         const char *found);
// At the border to segment `index`; the problem is written already.
bool mr_journal_stop_segment(struct mr_journal *journal, unsigned index,
                             enum mr_journal_fault_kind kind, uint64_t byte);

// Makes an open file the one that is read; remembers its mark if that does not match.
void mr_journal_take_file(struct mr_journal *journal, const struct mr_journal_file *file,
                          unsigned index);

#endif
