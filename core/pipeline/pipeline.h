// SPDX-License-Identifier: Apache-2.0
// The pipeline file as the stages see it: names, sizes, policies, and the nodes that plugins bind
// their own options from. Every stage loads the same file, with the same --set overrides, for
// itself.
//
//     name: itch                    # the run's directory below the shared-memory root; without it
//                                   # the file's own name
//     source: {type: itch_file, ...}
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

enum mr_role { MR_ROLE_PRODUCER, MR_ROLE_TRANSFORM, MR_ROLE_LOADER, MR_ROLE_COUNT };
// The rings of a trio. The two dead rings carry rejected records, whole and with their reason, to
// the loader, which keeps a dead-letter journal for each.
enum mr_ring_index {
    MR_RING_INGRESS,        // producer  -> transform
    MR_RING_EGRESS,         // transform -> loader
    MR_RING_DEAD_PRODUCER,  // producer  -> loader
    MR_RING_DEAD_TRANSFORM, // transform -> loader
    MR_RING_COUNT
};

// Which core each stage runs on: core/pipeline/placement.h.
enum mr_placement_kind { MR_PLACEMENT_NONE, MR_PLACEMENT_AUTO, MR_PLACEMENT_LIST };
struct mr_placement {
    enum mr_placement_kind kind;
    int core[MR_ROLE_COUNT];    // MR_PLACEMENT_LIST
    const struct mr_node *node; // for what is wrong with it; NULL: not given
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
    char directory[256];            // of the segments: <shm>/millrace-<uid>/<name>
    struct mr_node *source_node;    // a mapping with `type`
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

extern const char *const mr_wait_strategy_names[]; // by mr_wait_strategy; NULL-ended
const char *mr_role_name(enum mr_role role);       // "producer", ...
const char *
mr_ring_index_name(enum mr_ring_index ring); // "ingress", "egress", "dead-producer", ...
void mr_pipeline_ring_path(const struct mr_pipeline *pipeline, enum mr_ring_index ring, char *out,
                           size_t out_bytes);
void mr_pipeline_stage_path(const struct mr_pipeline *pipeline, enum mr_role role, char *out,
                            size_t out_bytes);

#endif
