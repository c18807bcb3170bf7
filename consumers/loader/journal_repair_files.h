// SPDX-License-Identifier: Apache-2.0
// What a repair (journal_repair.h) reads of single files and does to them.
#ifndef MR_CONSUMERS_LOADER_JOURNAL_REPAIR_FILES_H
#define MR_CONSUMERS_LOADER_JOURNAL_REPAIR_FILES_H

#include "consumers/loader/journal_repair.h"

// "<path>.cut", or with a number where that is taken; 512 bytes.
int mr_repair_free_name(const char *path, char *out, struct mr_error *err);
// The same for the bytes that a step will save, which may have been saved already, by a repair that was
// killed: then that name. No name that another step of the plan has.
int mr_repair_cut_name(const struct mr_repair *repair, struct mr_repair_step *step,
                       const char *path, struct mr_error *err);
// Behind the last byte of the file, at or after `from`, that is not zero; up to the next multiple of 8, where
// the file goes so far.
int mr_repair_data_end(const char *path, uint64_t from, uint64_t *out, struct mr_error *err);
// Whether the donor's header, with this segment's positions, would stand before a valid stream. Fills in
// which bytes it replaces. An error where that cannot be known.
int mr_repair_header_fits(struct mr_repair_step *step, bool *fits, struct mr_error *err);

// Saves what a step will take away, and syncs it. Done twice it is done once.
int mr_repair_save(struct mr_repair *repair, const struct mr_repair_step *step,
                   struct mr_error *err);
// Does it, and syncs it.
int mr_repair_change(struct mr_repair *repair, const struct mr_repair_step *step,
                     struct mr_error *err);

#endif
