// SPDX-License-Identifier: Apache-2.0
// The pipeline file as the stages see it: names, sizes, policies, and the nodes that plugins bind
// their own options from. Every stage loads the same file, with the same --set overrides, for
// itself.
//
//     name: itch                    # the run's directory below the shared-memory root; without it
//                                   # the file's own name
//     source: {type: itch_file, ...}   # or a list of up to four: a producer and a ring for each
//     merge: arrival                # arrival | time: how the records of several sources become one stream:
//                                   # consumers/transform/merge.h
//     schemas: [...]                # declared schemas, for sources that fill such
//     transform: [ {filter: ...}, {set: {...}}, ... ]
//     sink: {type: journal, ...}
//     dead_letter: {path: ..., size: 4MiB, full: block}   # where rejected records go; their rings
//     ring: {size: 16MiB, full: block}          # both rings; ingress:/egress: override one
//     ingress: {size: ..., full: ...}
//     egress: {size: ..., full: ...}
//     wait: auto                    # spin | yield | park | auto, or [producer's, transform's, loader's]
//     placement: none               # none | auto | [producer's, transform's, loader's core]
//     huge_pages: off               # off | advise; of the shared memory: core/pipeline/memory.h
//     prefault: false
//     lock_memory: false
//     realtime: 0                   # priority 1 to 99; 0: none: core/pipeline/realtime.h
//     batch: 16KiB                  # most bytes a stage takes in before it commits
//     harden: false                 # take away what stages do not need: core/pipeline/harden.h
//     share: {group: traders}       # whose members may look at the run, and no more; default: nobody
//     metrics: {port: 9464, address: 127.0.0.1}
//     supervise: {restart: on_failure}   # what `run` does about a stage that died: core/pipeline/restart.h
//     shm: /dev/shm                 # root of the run directories; without it $MILLRACE_SHM if set
//
// Keys of a declared schema: core/pipeline/declared.h. Any other key is an error.
#ifndef MR_CORE_PIPELINE_PIPELINE_H
#define MR_CORE_PIPELINE_PIPELINE_H

#include "core/config.h"
#include "core/schema.h"
#include "ringbuf/ring.h"
#include "ringbuf/wait.h"

// The trio, and behind it the producers of further sources, which few runs have. Whether a run has a role, or a
// ring, mr_pipeline_has_role and mr_pipeline_has_ring say.
#define MR_PRODUCERS_MAX 4
enum mr_role {
    MR_ROLE_PRODUCER,
    MR_ROLE_TRANSFORM,
    MR_ROLE_LOADER,
    MR_ROLE_PRODUCER_2,
    MR_ROLE_PRODUCER_3,
    MR_ROLE_PRODUCER_4,
    MR_ROLE_COUNT
};
// The rings. The dead rings carry rejected records, whole and with their reason, to the loader, which keeps
// a dead-letter journal for each.
enum mr_ring_index {
    MR_RING_INGRESS,        // producer  -> transform
    MR_RING_EGRESS,         // transform -> loader
    MR_RING_DEAD_PRODUCER,  // producer  -> loader
    MR_RING_DEAD_TRANSFORM, // transform -> loader
    MR_RING_INGRESS_2,      // producer-2 -> transform
    MR_RING_INGRESS_3,
    MR_RING_INGRESS_4,
    MR_RING_DEAD_PRODUCER_2, // producer-2 -> loader
    MR_RING_DEAD_PRODUCER_3,
    MR_RING_DEAD_PRODUCER_4,
    MR_RING_COUNT
};

#define MR_TRIO (MR_ROLE_LOADER + 1) // the first roles, which every run has

// By number of the source, from 0.
static inline enum mr_role mr_producer_role(unsigned source)
{
    return source == 0 ? MR_ROLE_PRODUCER : (enum mr_role)(MR_ROLE_PRODUCER_2 + source - 1);
}
static inline enum mr_ring_index mr_ingress_ring(unsigned source)
{
    return source == 0 ? MR_RING_INGRESS : (enum mr_ring_index)(MR_RING_INGRESS_2 + source - 1);
}
static inline enum mr_ring_index mr_dead_producer_ring(unsigned source)
{
    return source == 0 ? MR_RING_DEAD_PRODUCER
                       : (enum mr_ring_index)(MR_RING_DEAD_PRODUCER_2 + source - 1);
}
static inline bool mr_role_is_producer(enum mr_role role)
{
    return role == MR_ROLE_PRODUCER || role >= MR_ROLE_PRODUCER_2;
}
// Of a producer.
static inline unsigned mr_role_source(enum mr_role role)
{
    return role == MR_ROLE_PRODUCER ? 0 : role - MR_ROLE_PRODUCER_2 + 1;
}
static inline bool mr_ring_is_ingress(enum mr_ring_index ring)
{
    return ring == MR_RING_INGRESS || (ring >= MR_RING_INGRESS_2 && ring <= MR_RING_INGRESS_4);
}
static inline bool mr_ring_is_dead_producer(enum mr_ring_index ring)
{
    return ring == MR_RING_DEAD_PRODUCER || ring >= MR_RING_DEAD_PRODUCER_2;
}
// Who writes to a ring, and who reads it.
enum mr_role mr_ring_writer(enum mr_ring_index ring);
enum mr_role mr_ring_reader(enum mr_ring_index ring);

// Which core each stage runs on: core/pipeline/placement.h.
enum mr_placement_kind { MR_PLACEMENT_NONE, MR_PLACEMENT_AUTO, MR_PLACEMENT_LIST };
struct mr_placement {
    enum mr_placement_kind kind;
    int core[MR_ROLE_COUNT];    // MR_PLACEMENT_LIST
    const struct mr_node *node; // for what is wrong with it; NULL: not given
    unsigned source_count;      // producers; 0 is 1
};

// How shared memory is held: core/pipeline/memory.h.
enum mr_huge_pages { MR_HUGE_PAGES_OFF, MR_HUGE_PAGES_ADVISE };
struct mr_memory {
    enum mr_huge_pages huge_pages;
    bool prefault, lock;
};

// What is done about a stage that is gone: core/pipeline/restart.h.
#define MR_RESTART_LIMIT_MAX 100
enum mr_restart { MR_RESTART_NEVER, MR_RESTART_ON_FAILURE };
struct mr_supervise {
    int restart; // mr_restart
    int64_t backoff_ns, backoff_max_ns;
    int64_t limit; // restarts of one stage ...
    int64_t within_ns;
};

struct mr_pipeline {
    struct mr_node *root; // owned; option strings point into it
    const char *file;
    char name[MR_NAME_BYTES];
    char directory[256];         // of the segments: <shm>/millrace-<uid>/<name>
    struct mr_node *source_node; // a mapping with `type`: a producer's own, else the first
    struct mr_node *source_nodes[MR_PRODUCERS_MAX];
    bool merges_by_time;
    unsigned source_count;          // mr_pipeline_sources says it, also where no file was read: 0
    struct mr_node *transform_node; // a list, or NULL: everything passes
    struct mr_node *sink_node;      // a mapping with `type`
    struct mr_schema_set declared;  // the file's `schemas`
    struct mr_node
        *schemas_node; // their nodes, for what sources add to a field (`from`, `missing`, ...)
    struct mr_ring_options rings[MR_RING_COUNT];
    enum mr_wait_strategy wait[MR_ROLE_COUNT];
    struct mr_placement placement;
    struct mr_memory memory;
    int realtime; // priority; 0: none
    bool harden;
    uint32_t share_gid; // whose members may look at the run; 0: nobody else
    uint64_t batch_bytes_max;
    const char *dead_letter_path; // a directory; NULL: <sink path>.dead
    int metrics_port;             // 0: none
    const char *metrics_address;  // numeric
    struct mr_supervise supervise;
};

#define MR_METRICS_ADDRESS_DEFAULT "127.0.0.1"

int mr_pipeline_load(struct mr_pipeline *pipeline, const char *path, const char *const *sets,
                     unsigned set_count, struct mr_error *err);
// The same of a text; errors call it `file_name`, which is copied.
int mr_pipeline_parse(struct mr_pipeline *pipeline, const char *text, const char *file_name,
                      struct mr_error *err);
void mr_pipeline_free(struct mr_pipeline *pipeline);
// As the producer of one of its sources sees it: source_node is that one. It owns nothing.
struct mr_pipeline mr_pipeline_of_source(const struct mr_pipeline *pipeline, unsigned source);

extern const char *const mr_wait_strategy_names[]; // by mr_wait_strategy; NULL-ended
// How many sources, and so producers, it has: 1 at least.
static inline unsigned mr_pipeline_sources(const struct mr_pipeline *pipeline)
{
    return pipeline->source_count > 1 ? pipeline->source_count : 1;
}
// Several, by event time: only then does it matter.
static inline bool mr_pipeline_merges(const struct mr_pipeline *pipeline)
{
    return pipeline->merges_by_time && mr_pipeline_sources(pipeline) > 1;
}
bool mr_pipeline_has_role(const struct mr_pipeline *pipeline, enum mr_role role);
bool mr_pipeline_has_ring(const struct mr_pipeline *pipeline, enum mr_ring_index ring);
const char *mr_role_name(enum mr_role role); // "producer", ..., "producer-2"
const char *
mr_ring_index_name(enum mr_ring_index ring); // "ingress", "egress", "dead-producer", ...
void mr_pipeline_ring_path(const struct mr_pipeline *pipeline, enum mr_ring_index ring, char *out,
                           size_t out_bytes);
void mr_pipeline_stage_path(const struct mr_pipeline *pipeline, enum mr_role role, char *out,
                            size_t out_bytes);

#endif
