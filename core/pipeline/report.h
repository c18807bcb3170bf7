// SPDX-License-Identifier: Apache-2.0
// The status of a run: what its stage pages and rings say, put together, checked, and
// printed as JSON, as text or (core/pipeline/metrics.h) as Prometheus metrics. Reading it takes
// nothing from the run: everything is mapped read-only.
//
//     struct mr_report *report = mr_report_new();
//     if (mr_report_read(report, pipeline, &err) == MR_OK)
//         mr_report_text(report, stdout);
//     mr_report_free(report);
//
// Latencies. ingress: from the producer's publish to the transform's release. egress: from the
// transform's publish to the loader's release. From the feed's first holding: to_egress until the record
// was published in the egress ring, where a live reader sees it; to_loader until the loader's first look
// at it; hand_over until the kernel had taken the write from the loader; end_to_end until the sink made it
// durable or handed it over.
//
// The balance holds where at every stage
//     in = out + filtered + duplicate + late + rejected + dropped + in_flight
// with in_flight only at the loader (accepted by its sink, not durable yet), where between two
// stages
//     upstream emitted = downstream in + records still in the ring
// (nothing is in a ring that has finished), and where every rejected record has its dead letter.
#ifndef MR_CORE_PIPELINE_REPORT_H
#define MR_CORE_PIPELINE_REPORT_H

#include <stdio.h>

#include "core/formats/json_out.h"
#include "core/pipeline/stage.h"
#include "core/pipeline/stall.h"

struct mr_stage_report {
    bool present;          // it has a page
    bool alive;            // its process is there and has not ended
    uint64_t restarts;     // processes that took over from one that was gone
    struct mr_stall stall; // alive, and without a sign of life
    struct mr_stage_gauges gauges;
    struct mr_stage_slot slot;
    uint64_t in_flight;
    unsigned plugin_count, in_schema_count, out_schema_count;
    char plugin_name[MR_STAGE_PLUGIN_COUNTS][48];
    char in_schema_name[MR_SCHEMAS_MAX][MR_NAME_BYTES];
    char out_schema_name[MR_SCHEMAS_MAX][MR_NAME_BYTES];
};

struct mr_ring_report {
    bool present, finished;
    uint64_t capacity, start_pos, write_pos, read_pos;
    uint64_t dropped;
    uint64_t used_bytes_max; // as its writer has seen it, at heartbeats and whenever it was full
    uint64_t in_flight;      // records written and not taken by the stage after it
};

enum mr_report_hop {
    MR_HOP_INGRESS,
    MR_HOP_EGRESS,
    MR_HOP_TO_EGRESS,
    MR_HOP_TO_LOADER,
    MR_HOP_HAND_OVER,
    MR_HOP_END_TO_END,
    MR_REPORT_HOPS
};

struct mr_report {
    char name[MR_NAME_BYTES];
    char directory[256];
    struct mr_stage_report stages[MR_ROLE_COUNT];
    struct mr_ring_report rings[MR_RING_COUNT];
    struct mr_histogram hops[MR_REPORT_HOPS];
    int64_t read_mono_ns, read_wall_ns; // when
    bool balance;
    char imbalance[200]; // the first identity that does not hold, with its numbers; "" where all do
    double seconds;      // from the first record to the end, or to now
    double records_per_second;
    bool final;         // the run has ended, and these were added by whoever ran it:
    int exit_code;      // mr_code
    char problem[1000]; // "" where all went well
};

struct mr_report *mr_report_new(void); // never NULL: aborts without memory
void mr_report_free(struct mr_report *report);
// Only name and directory of the pipeline are used. MR_ERR_SHM where it has no segments.
int mr_report_read(struct mr_report *report, const struct mr_pipeline *pipeline,
                   struct mr_error *err);
// Its parts, for who has the segments mapped already: blank, what is there of stages and rings, conclude.
// `locked`: the stage's process is there.
void mr_report_blank(struct mr_report *report, const struct mr_pipeline *pipeline);
void mr_report_take_stage(struct mr_report *report, enum mr_role role,
                          const struct mr_stage_layout *page, bool locked);
void mr_report_take_ring(struct mr_report *report, enum mr_ring_index index,
                         const struct mr_ring *ring);
void mr_report_conclude(struct mr_report *report);
// "starting", "running", "draining", "done", "failed", "stopped" (unfinished, and no process
// there).
const char *mr_report_phase(const struct mr_report *report);
bool mr_report_is_alive(const struct mr_report *report);
// The trio and its four rings are shown in any case, those of further sources where they are there.
bool mr_report_has_role(const struct mr_report *report, enum mr_role role);
bool mr_report_has_ring(const struct mr_report *report, enum mr_ring_index ring);
// Those, as the records go: producers, transform, loader; -1 is before the first and behind the last.
int mr_report_next_role(const struct mr_report *report, int role);
int mr_report_next_ring(const struct mr_report *report, int ring);
// NOLINTBEGIN(bugprone-macro-parentheses): a name that is declared
#define MR_EACH_ROLE(report, role)                                                                 \
    for (int role = mr_report_next_role(report, -1); role >= 0;                                    \
         role = mr_report_next_role(report, role))
#define MR_EACH_RING(report, ring)                                                                 \
    for (int ring = mr_report_next_ring(report, -1); ring >= 0;                                    \
         ring = mr_report_next_ring(report, ring))
// NOLINTEND(bugprone-macro-parentheses)
// Of all producers together.
uint64_t mr_report_produced(const struct mr_report *report, enum mr_count count);
const char *mr_phase_name(unsigned phase);   // mr_stage_phase
const char *mr_wait_name(unsigned wait_for); // mr_wait_for
const char *mr_io_backend_name(unsigned io_backend);
const char *mr_report_hop_name(unsigned hop);
const struct mr_histogram *mr_report_hop(const struct mr_report *report, unsigned hop);
// The percentiles that are shown everywhere, and how they are written.
#define MR_REPORT_PERCENTILES 5
extern const double mr_report_percentiles[MR_REPORT_PERCENTILES];
extern const char *const mr_report_percentile_names[MR_REPORT_PERCENTILES]; // "p50", "p99.9", ...

// The whole object; open and close of the document included.
void mr_report_json(const struct mr_report *report, struct mr_json *json);
// Aligned: counts, balance, schemas, latencies, results.
void mr_report_text(const struct mr_report *report, FILE *out);
// Writes <directory>/<hop>.hgrm for each hop: the whole distribution in HdrHistogram's percentile text,
// values in microseconds. Makes the directory where it is missing.
int mr_report_hgrm(const struct mr_report *report, const char *directory, struct mr_error *err);
// "12,932" and "4.1 us", into out; for text of one's own.
const char *mr_report_count_text(uint64_t count, char *out, size_t out_bytes);
const char *mr_report_duration_text(double ns, char *out, size_t out_bytes);

#endif
