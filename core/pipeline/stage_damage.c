// SPDX-License-Identifier: Apache-2.0
// A peer that is not to be trusted: whoever may map a stage's segments may write anything into them at any
// time. What a stage reads on a record's way it checks there (ringbuf/reader.h). Here is what nothing on that
// way would notice, or too late: the other side would wait for ever, or end before the end.
#include "core/pipeline/stage_private.h"

// Words of this stage's own that it can set right: who looks, or waits for this stage, is misled until they
// are as they should be again.
static void mend_words(struct mr_stage *stage)
{
    struct mr_stage_gauges *gauges = &stage->shared->gauges;
    if (stage->phase != MR_PHASE_OFF) // else it has not entered its page yet
        mr_store_relaxed_u32(&gauges->phase, stage->phase);
    mr_store_relaxed_u32(&gauges->waiting_for, stage->waits.why);
    mr_store_relaxed_u32(&gauges->wait_version, stage->waits.version);
    for (unsigned i = 0; i < stage->reader_count; i++)
        mr_store_relaxed_u32(&stage->readers[i].ring->reader_sleep->asleep, 0);
    for (unsigned i = 0; i < stage->writer_count; i++) {
        const struct mr_ring *ring = stage->writers[i].ring;
        mr_store_relaxed_u32(&ring->writer_sleep->asleep, 0);
        if (stage->described)
            mr_store_relaxed_u32(&ring->news->schemas_ready, 1);
    }
}

static int check_page(const struct mr_stage *stage, struct mr_error *err)
{
    uint32_t ask = mr_load_relaxed_u32(&stage->shared->gauges.drain_asked);
    uint64_t epoch = mr_load_relaxed_u64(&stage->shared->epoch);
    if (ask > MR_STOP_HALT)
        return mr_fail(err, MR_ERR_CORRUPT, "%s: found %u asked for, expected 0 to %d",
                       stage->segment.path, ask, MR_STOP_HALT);
    if (epoch != stage->epoch)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "%s: byte %d: found epoch %llu, expected %llu: another process writes there",
                       stage->segment.path, MR_PAGE_BYTES, (unsigned long long)epoch,
                       (unsigned long long)stage->epoch);
    return MR_OK;
}

static int check_rings(struct mr_stage *stage, struct mr_error *err)
{
    for (unsigned i = 0; i < stage->reader_count; i++) {
        mr_reader_check(&stage->readers[i]);
        if (stage->readers[i].corrupt)
            return mr_reader_explain(&stage->readers[i], err);
    }
    for (unsigned i = 0; i < stage->writer_count; i++) {
        mr_writer_check(&stage->writers[i]);
        if (stage->writers[i].corrupt)
            return mr_writer_explain(&stage->writers[i], err);
    }
    return MR_OK;
}

void mr_stage_look_for_damage(struct mr_stage *stage)
{
    mend_words(stage);
    if (stage->problem.code != MR_OK)
        return;
    if (check_page(stage, &stage->problem) != MR_OK || check_rings(stage, &stage->problem) != MR_OK)
        stage->halted = true;
}
