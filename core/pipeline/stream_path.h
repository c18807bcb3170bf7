// SPDX-License-Identifier: Apache-2.0
// Where a ring's stream ends up on disk, as far as others than its sink need to know it: whoever
// makes a ring gives it the position at which the journal behind it goes on.
#ifndef MR_CORE_PIPELINE_STREAM_PATH_H
#define MR_CORE_PIPELINE_STREAM_PATH_H

#include "core/pipeline/pipeline.h"

#define MR_STREAM_PATH_BYTES 400

// The dead-letter journal of a dead ring: <dead_letter.path>/producer or /transform. Without
// dead_letter.path it is <sink path>.dead/..., or <pipeline name>.dead/... for a sink that has no
// path or writes to standard output.
void mr_dead_letter_directory(const struct mr_pipeline *pipeline, enum mr_ring_index ring,
                              char *out, size_t out_bytes);
// Whether a new run goes on with what earlier runs wrote: sink.existing; where that is not given,
// journals do and other sinks do not. Dead letters are treated as the sink's own output is.
bool mr_pipeline_appends(const struct mr_pipeline *pipeline);
// The journal that this ring's stream goes to, whatever it may hold. False: it goes to none.
bool mr_stream_journal(const struct mr_pipeline *pipeline, enum mr_ring_index ring, char *out,
                       size_t out_bytes);
// Whether that journal is synced as it is written, so that what it calls durable outlives a power cut.
bool mr_stream_is_synced(const struct mr_pipeline *pipeline, enum mr_ring_index ring);
// The journal that a new stream of this ring would be appended to. False: it begins at position 0.
bool mr_stream_appends_to(const struct mr_pipeline *pipeline, enum mr_ring_index ring, char *out,
                          size_t out_bytes);

#endif
