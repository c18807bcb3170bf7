// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/stream_path.h"

#include <stdio.h>
#include <string.h>

static const char *sink_text(const struct mr_pipeline *pipeline, const char *key)
{
    const struct mr_node *node =
        pipeline->sink_node ? mr_config_child(pipeline->sink_node, key) : NULL;
    return node ? node->text : NULL;
}

static bool sink_is_journal(const struct mr_pipeline *pipeline)
{
    const char *type = sink_text(pipeline, "type");
    return type && strcmp(type, "journal") == 0;
}

void mr_dead_letter_directory(const struct mr_pipeline *pipeline, enum mr_ring_index ring,
                              char *out, size_t out_bytes)
{
    const char *last = mr_role_name(mr_ring_writer(ring));
    const char *path = sink_text(pipeline, "path");
    if (pipeline->dead_letter_path) {
        snprintf(out, out_bytes, "%s/%s", pipeline->dead_letter_path, last);
        return;
    }
    if (!path || strcmp(path, "-") == 0)
        path = pipeline->name;
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    snprintf(out, out_bytes, "%.*s.dead/%s", (int)length, path, last);
}

bool mr_pipeline_appends(const struct mr_pipeline *pipeline)
{
    const char *existing = sink_text(pipeline, "existing");
    return existing ? strcmp(existing, "append") == 0 : sink_is_journal(pipeline);
}

bool mr_stream_journal(const struct mr_pipeline *pipeline, enum mr_ring_index ring, char *out,
                       size_t out_bytes)
{
    const char *path = sink_text(pipeline, "path");
    if (mr_ring_is_ingress(ring))
        return false;
    if (ring != MR_RING_EGRESS) {
        mr_dead_letter_directory(pipeline, ring, out, out_bytes);
        return true;
    }
    if (!path || !sink_is_journal(pipeline))
        return false;
    snprintf(out, out_bytes, "%s", path);
    return true;
}

bool mr_stream_is_synced(const struct mr_pipeline *pipeline, enum mr_ring_index ring)
{
    const char *durability = sink_text(pipeline, "durability");
    return ring != MR_RING_EGRESS || !durability || strcmp(durability, "none") != 0;
}

bool mr_stream_appends_to(const struct mr_pipeline *pipeline, enum mr_ring_index ring, char *out,
                          size_t out_bytes)
{
    return mr_pipeline_appends(pipeline) && mr_stream_journal(pipeline, ring, out, out_bytes);
}
