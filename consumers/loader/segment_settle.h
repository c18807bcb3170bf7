// SPDX-License-Identifier: Apache-2.0
// What an earlier writer left becomes durable, before anything is built upon it.
//
// What can be read of a journal is what the page cache shows, and that may be nowhere else: the writer died
// before its sync, or never synced at all (durability none), or its sync failed. After a failed sync the
// cache shows bytes as written that the disk does not have, and another sync returns 0 and changes nothing:
// so the bytes are written once more. Only then may a mark say that they are durable, in a run that never
// syncs what it writes, too.
#ifndef MR_CONSUMERS_LOADER_SEGMENT_SETTLE_H
#define MR_CONSUMERS_LOADER_SEGMENT_SETTLE_H

#include "consumers/loader/segment_files.h"

// Syncs every segment, and the directory for their names. `made_again`: what they hold is to be compared
// with a stream that is made again, so zeroes behind the beginning of the next segment are cut off.
int mr_segment_settle_all(const struct mr_segment_files *files, bool made_again,
                          struct mr_error *err);
// Writes what stands in the open segment from durable_pos to end_pos to its place once more. The caller
// syncs.
int mr_segment_settle_bytes(const struct mr_segment_files *files, uint64_t durable_pos,
                            uint64_t end_pos, struct mr_error *err);

#endif
