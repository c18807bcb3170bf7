// SPDX-License-Identifier: Apache-2.0
// Notes: how a checkpoint of the whole pipeline comes about without anyone waiting for anyone.
//
// Now and then the producer leaves in its page a copy of the slot that it has just committed. The transform
// takes it up, ends a batch exactly where the producer had ended its own, and leaves both slots in its page.
// The loader waits until everything before that place is durable; then the three of them describe one moment
// in which nothing stands in the rings, and that is what the session keeps (core/pipeline/session.h).
// Who has taken up a note keeps it until it has got there, whatever newer one comes meanwhile. Only where
// no operator has state, which would be part of the moment.
#ifndef MR_CORE_PIPELINE_STAGE_NOTE_H
#define MR_CORE_PIPELINE_STAGE_NOTE_H

#include "core/pipeline/stage.h"

#define MR_NOTE_INTERVAL_NS 20000000LL

// In use where the sink has a session and is synced, and one source feeds it.
bool mr_notes_are_wanted(const struct mr_pipeline *pipeline);
// Leaves the note in the stage's own page.
void mr_note_leave(struct mr_stage *stage, const struct mr_stage_note *note);
// A note that was left since `*seen`, whole. False: none.
bool mr_note_take(const struct mr_stage_layout *page, uint64_t *seen, struct mr_stage_note *out);

#endif
