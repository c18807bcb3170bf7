// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/containment.h"

#include "core/pipeline/rundir.h"
#include "core/pipeline/stage_private.h"

// How far behind the sources a stage stands.
static unsigned depth_of(enum mr_role role)
{
    return mr_role_is_producer(role) ? MR_ROLE_PRODUCER : role;
}

static bool may_write(const struct mr_child *writer)
{
    return writer->state == MR_CHILD_RUNNING || writer->state == MR_CHILD_WAITING;
}

// ---- after a failure ----------------------------------------------------------------------------

struct ring_state {
    bool read;      // its reader has taken everything that was published
    bool closed;    // and nothing will follow
    bool described; // its reader knows what stands in it
};

// A ring that is not there holds nothing, and nobody waits for it.
static struct ring_state look_at_ring(const struct mr_pipeline *pipeline, enum mr_ring_index index)
{
    char path[MR_RUNDIR_PATH_BYTES];
    struct mr_ring ring;
    mr_pipeline_ring_path(pipeline, index, path, sizeof path);
    if (mr_ring_attach(&ring, path, MR_ATTACH_READ_ONLY, NULL) != MR_OK)
        return (struct ring_state){.read = true, .described = true};
    // The reader's cursor last: it stands for what it had taken when the writer stood there.
    uint64_t write_pos = mr_load_acquire_u64(&ring.writer_line->write_pos);
    struct ring_state state = {.closed = mr_load_acquire_u32(&ring.news->closed) == 1,
                               .described = mr_load_acquire_u32(&ring.news->schemas_ready) == 1};
    uint64_t read_pos = mr_load_acquire_u64(&ring.reader_line->read_pos);
    state.read = (int64_t)(write_pos - read_pos) <= 0;
    mr_ring_detach(&ring);
    // The transform waits for a producer's own word, too.
    if (mr_ring_is_ingress(index))
        state.closed &= mr_stage_end_of(pipeline, mr_ring_writer(index)) != MR_END_NOT;
    return state;
}

// What a stage reads nothing of any ring before.
static bool is_awaited(enum mr_ring_index index)
{
    return mr_ring_is_ingress(index) || index == MR_RING_EGRESS;
}

// Whether a stage waits for what cannot come: it has read all its rings, nobody is left to write into them, and not all
// of them were closed, so that it does not end. In a merge by time it waits as soon as that holds for one of them; and
// always where one is not described.
static bool waits_in_vain(const struct mr_pipeline *pipeline, const struct mr_child *children,
                          enum mr_role role)
{
    bool merges = role == MR_ROLE_TRANSFORM && mr_pipeline_merges(pipeline);
    bool all_dry = true, all_closed = true;
    for (unsigned i = 0; i < MR_RING_COUNT; i++) {
        if (mr_ring_reader(i) != role || !mr_pipeline_has_ring(pipeline, i))
            continue;
        // Whether its writer is gone before the look: what it wrote last is seen.
        bool may_come = may_write(&children[mr_ring_writer(i)]);
        struct ring_state ring = look_at_ring(pipeline, i);
        bool ends = may_come || ring.closed;
        if (!ends && ((merges && ring.read) || (is_awaited(i) && !ring.described)))
            return true;
        all_dry &= !may_come && ring.read;
        all_closed &= ring.closed;
    }
    return all_dry && !all_closed;
}

// A loader behind a transform that has ended is told to drain, which ends it whatever is open.
static bool ends_otherwise(const struct mr_child *children, enum mr_role role)
{
    return role == MR_ROLE_LOADER && children[MR_ROLE_TRANSFORM].state == MR_CHILD_ENDED;
}

static void contain(const struct mr_pipeline *pipeline, struct mr_child *children,
                    enum mr_role failed)
{
    uint32_t beside = mr_pipeline_merges(pipeline) ? MR_STOP_HALT : MR_STOP_DRAIN;
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++) {
        if (depth_of(role) < depth_of(failed))
            mr_child_tell(&children[role], MR_STOP_HALT);
        else if (depth_of(role) == depth_of(failed) && role != failed)
            mr_child_tell(&children[role], beside);
        else if (depth_of(role) > depth_of(failed) && may_write(&children[role]) &&
                 !ends_otherwise(children, role) && waits_in_vain(pipeline, children, role))
            mr_child_tell(&children[role], MR_STOP_HALT);
    }
}

void mr_contain_failures(const struct mr_pipeline *pipeline, struct mr_child *children)
{
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        if (children[role].state == MR_CHILD_FAILED)
            contain(pipeline, children, role);
}

// ---- what was ended -----------------------------------------------------------------------------

static int check_rings(const struct mr_pipeline *pipeline, enum mr_role writer,
                       struct mr_error *err)
{
    char path[MR_RUNDIR_PATH_BYTES];
    struct mr_ring ring;
    for (unsigned i = 0; i < MR_RING_COUNT; i++) {
        mr_pipeline_ring_path(pipeline, i, path, sizeof path);
        if (mr_ring_writer(i) != writer || !mr_pipeline_has_ring(pipeline, i) ||
            mr_ring_attach(&ring, path, MR_ATTACH_READ_ONLY, NULL) != MR_OK)
            continue;
        uint32_t closed = mr_load_acquire_u32(&ring.news->closed);
        mr_ring_detach(&ring);
        if (closed != 1)
            return mr_fail(err, MR_ERR_CORRUPT,
                           "%s: found closed %u, expected 1: the %s has ended; another process "
                           "writes into the ring",
                           path, closed, mr_role_name(writer));
    }
    return MR_OK;
}

static int check_end(const struct mr_pipeline *pipeline, enum mr_role role, struct mr_error *err)
{
    struct mr_segment segment;
    struct mr_stage_layout *page;
    int code = MR_OK;
    if (!mr_role_is_producer(role) ||
        mr_stage_attach_page(pipeline, role, MR_ATTACH_READ_ONLY, &segment, &page, NULL) != MR_OK)
        return MR_OK;
    uint32_t end = mr_load_acquire_u32(&page->end);
    if (end != MR_END_WHOLE && end != MR_END_STOPPED)
        code = mr_fail(err, MR_ERR_CORRUPT,
                       "%s: found end %u, expected %d or %d: the %s has ended; another process "
                       "writes there",
                       segment.path, end, MR_END_WHOLE, MR_END_STOPPED, mr_role_name(role));
    mr_segment_detach(&segment);
    return code;
}

static int check(const struct mr_pipeline *pipeline, enum mr_role role, struct mr_error *err)
{
    int code = check_end(pipeline, role, err);
    return code == MR_OK ? check_rings(pipeline, role, err) : code;
}

// Somebody has started it once more beside the run: it takes its end back, finds it again and leaves it. It has the
// lock before the one, and until after the other.
static bool lives(const struct mr_pipeline *pipeline, enum mr_role role)
{
    struct mr_segment segment;
    struct mr_stage_layout *page;
    if (mr_stage_attach_page(pipeline, role, MR_ATTACH_READ_ONLY, &segment, &page, NULL) != MR_OK)
        return false;
    bool locked = mr_segment_is_locked(&segment);
    mr_segment_detach(&segment);
    return locked;
}

int mr_containment_check_ends(const struct mr_pipeline *pipeline, const struct mr_child *children,
                              struct mr_error *err)
{
    int code = MR_OK;
    for (unsigned role = 0; role < MR_ROLE_COUNT && code == MR_OK; role++) {
        if (children[role].state != MR_CHILD_ENDED || !mr_pipeline_has_role(pipeline, role) ||
            check(pipeline, role, err) == MR_OK || lives(pipeline, role))
            continue;
        code = check(pipeline, role, err); // it may have been there and gone
    }
    return code;
}
