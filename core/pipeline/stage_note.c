// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/stage_note.h"

#include <string.h>

#include "core/pipeline/stream_path.h"

bool mr_notes_are_wanted(const struct mr_pipeline *pipeline)
{
    char journal[MR_STREAM_PATH_BYTES];
    return mr_pipeline_sources(pipeline) == 1 &&
           mr_stream_journal(pipeline, MR_RING_EGRESS, journal, sizeof journal) &&
           mr_stream_is_synced(pipeline, MR_RING_EGRESS);
}

// An odd number says that the note is being written; one left by a dead process is made even by the next.
void mr_note_leave(struct mr_stage *stage, const struct mr_stage_note *note)
{
    struct mr_stage_note *shared = &stage->shared->note;
    uint64_t number = mr_load_relaxed_u64(&shared->number) | 1;
    mr_store_relaxed_u64(&shared->number, number);
    // Pairs with the acquire fence in mr_note_take.
    mr_fence_release();
    memcpy((uint8_t *)shared + sizeof number, (const uint8_t *)note + sizeof number,
           sizeof *note - sizeof number);
    // Pairs with the acquire load in mr_note_take.
    mr_store_release_u64(&shared->number, number + 1);
}

bool mr_note_take(const struct mr_stage_layout *page, uint64_t *seen, struct mr_stage_note *out)
{
    // Pairs with the release store in mr_note_leave.
    uint64_t number = mr_load_acquire_u64(&page->note.number);
    if (number == *seen || number % 2)
        return false;
    memcpy(out, &page->note, sizeof *out);
    mr_fence_acquire();
    if (mr_load_relaxed_u64(&page->note.number) != number)
        return false;
    *seen = number;
    return true;
}
