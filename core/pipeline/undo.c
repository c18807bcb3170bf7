// SPDX-License-Identifier: Apache-2.0
// The state segment: the operators' state and the undo log that takes back what was not committed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/pipeline/memory.h"
#include "core/pipeline/stage_private.h"

// An undo log that belongs to the epoch that was never committed is applied backwards: newest
// first, so that of several old values of one place the oldest is the one that stays.
static int roll_back(struct mr_stage *stage, struct mr_error *err)
{
    struct mr_undo_log *undo = stage->undo;
    if (undo->epoch != stage->epoch + 1)
        return MR_OK;
    uint64_t used = undo->used;
    while (used > 0) {
        struct mr_undo_trailer trailer;
        if (used > MR_UNDO_BYTES || used < sizeof trailer)
            return mr_fail(err, MR_ERR_CORRUPT,
                           "%s: undo log: found %llu bytes used, expected at most %u",
                           stage->state_segment.path, (unsigned long long)used, MR_UNDO_BYTES);
        memcpy(&trailer, undo->entries + used - sizeof trailer, sizeof trailer);
        uint64_t entry_bytes = mr_align_up(trailer.bytes, 8) + sizeof trailer;
        if (entry_bytes > used || (uint64_t)trailer.offset + trailer.bytes > stage->state_bytes)
            return mr_fail(err, MR_ERR_CORRUPT, "%s: undo log at %llu: found offset %u, %u bytes",
                           stage->state_segment.path, (unsigned long long)used, trailer.offset,
                           trailer.bytes);
        used -= entry_bytes;
        memcpy(stage->state + trailer.offset, undo->entries + used, trailer.bytes);
        // Entries are applied again if this process dies here: that does no harm.
        undo->used = used;
    }
    return MR_OK;
}

int mr_stage_reserve_state(struct mr_stage *stage, uint64_t state_bytes, struct mr_error *err)
{
    char path[352];
    uint64_t undo_bytes = mr_align_up(sizeof(struct mr_undo_log) + MR_UNDO_BYTES, MR_PAGE_BYTES);
    size_t bytes = MR_PAGE_BYTES + undo_bytes + mr_align_up(state_bytes, MR_PAGE_BYTES);
    int code;
    if (state_bytes == 0)
        return MR_OK;
    if (state_bytes > UINT32_MAX)
        return mr_fail(err, MR_ERR_CONFIG,
                       "the operators want %llu bytes of state, at most 4 GiB can be",
                       (unsigned long long)state_bytes);
    snprintf(path, sizeof path, "%s.state", stage->segment.path);
    if (access(path, F_OK) < 0) {
        code = mr_segment_create(&stage->state_segment, path, mr_role_name(stage->role),
                                 MR_SEGMENT_STATE, bytes, NULL, NULL, err);
    } else {
        code = mr_segment_attach(&stage->state_segment, path, MR_SEGMENT_STATE,
                                 MR_ATTACH_READ_WRITE, err);
        if (code == MR_OK && stage->state_segment.bytes != bytes)
            code = mr_fail(
                err, MR_ERR_SHM,
                "%s: found %zu bytes, expected %zu: left by another pipeline file; give it up "
                "with `millrace clean %s`",
                path, stage->state_segment.bytes, bytes, stage->pipeline->name);
    }
    if (code != MR_OK)
        return code;
    if ((code = mr_memory_prepare(stage->pipeline, &stage->state_segment, err)) != MR_OK)
        return code;
    stage->undo = (void *)((uint8_t *)stage->state_segment.base + MR_PAGE_BYTES);
    stage->state = (uint8_t *)stage->undo + undo_bytes;
    stage->shared->state_bytes = stage->state_bytes = state_bytes;
    return roll_back(stage, err);
}

// Emptied first: a log that bears the coming epoch holds only entries of it.
static void begin_epoch(struct mr_stage *stage, uint64_t epoch)
{
    mr_store_release_u64(&stage->undo->used, 0);
    mr_store_release_u64(&stage->undo->epoch, epoch);
    stage->undo_used = 0;
    stage->undo_epoch = epoch;
}

void mr_stage_touch_slow(struct mr_stage *stage, void *at, uint32_t bytes)
{
    struct mr_undo_log *undo = stage->undo;
    struct mr_undo_trailer trailer = {(uint32_t)((uint8_t *)at - stage->state), bytes};
    if (stage->undo_epoch != stage->epoch + 1)
        begin_epoch(stage, stage->epoch + 1);
    uint8_t *entry = undo->entries + stage->undo_used;
    uint64_t end = stage->undo_used + mr_align_up(bytes, 8) + sizeof trailer;
    // Going on would make a crash unrecoverable, and nothing was committed of this batch.
    if (end > MR_UNDO_BYTES)
        mr_damaged("%s: one record modifies more state than the undo log holds (%u bytes)",
                   stage->state_segment.path, MR_UNDO_BYTES);
    memcpy(entry, at, bytes);
    memcpy(undo->entries + end - sizeof trailer, &trailer, sizeof trailer);
    stage->undo_used = end;
    // As in mr_stage_touch.
    mr_store_release_u64(&undo->used, end);
    mr_fence_release();
}
