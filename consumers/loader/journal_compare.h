// SPDX-License-Identifier: Apache-2.0
// A stream that is made again beside what a journal holds of it.
//
//     struct mr_journal_compare compare;
//     mr_journal_compare_open(&compare, directory, &err);
//     mr_journal_compare(&compare, position, bytes, length, &err)     // whole records, as in the ring
//     mr_journal_compare_close(&compare);
//
// Where they differ the input or the settings are not what they were: the error names the position, the file
// and the byte, what stands there and what was made.
#ifndef MR_CONSUMERS_LOADER_JOURNAL_COMPARE_H
#define MR_CONSUMERS_LOADER_JOURNAL_COMPARE_H

#include "core/journal_file.h"

struct mr_journal_compare {
    char directory[400];
    uint64_t *bases;
    unsigned count;
    char path[512]; // of the segment that is open
    struct mr_journal_file file;
    uint64_t until_pos; // where what it holds of the stream ends
    bool is_open;
    // Records are made again at another time: their ingest times differ, and so do their checksums.
    bool later;
};

int mr_journal_compare_open(struct mr_journal_compare *compare, const char *directory,
                            struct mr_error *err);
// MR_ERR_INPUT where they differ.
int mr_journal_compare(struct mr_journal_compare *compare, uint64_t position, const uint8_t *bytes,
                       uint64_t length, struct mr_error *err);
void mr_journal_compare_close(struct mr_journal_compare *compare);

#endif
