// SPDX-License-Identifier: Apache-2.0
// The sinks there are. A new one is one file and one line here.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/loader/io.h"
#include "consumers/loader/journal_sink.h"

extern const struct mr_sink mr_sink_csv, mr_sink_ndjson;

const struct mr_sink *const mr_sinks[] = {
    &mr_sink_journal,
    &mr_sink_csv,
    &mr_sink_ndjson,
    NULL,
};

const struct mr_sink *mr_sink_find(const char *name)
{
    for (const struct mr_sink *const *sink = mr_sinks; *sink; sink++)
        if (strcmp((*sink)->name, name) == 0)
            return *sink;
    return NULL;
}

static int fail_unknown(const struct mr_node *type, const char *name, struct mr_error *err)
{
    char names[256] = "";
    size_t used = 0;
    for (const struct mr_sink *const *sink = mr_sinks; *sink; sink++) {
        int wrote =
            snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", (*sink)->name);
        used = mr_min_u64(used + (size_t)wrote, sizeof names - 1);
    }
    return mr_config_fail(type, err, "found \"%s\", expected one of the sinks %s", name, names);
}

static int check_io(const struct mr_pipeline *pipeline, struct mr_error *err)
{
    const struct mr_io_backend *backend;
    const struct mr_node *io = mr_config_child(pipeline->sink_node, "io");
    struct mr_error why;
    if (mr_io_choose(io ? io->text : NULL, &backend, &why) == MR_OK)
        return MR_OK;
    return io ? mr_config_fail(io, err, "%s", why.text)
              : mr_fail(err, MR_ERR_CONFIG, "%s", why.text);
}

static int bind_options(const struct mr_pipeline *pipeline, const struct mr_sink *sink,
                        void **options, struct mr_error *err)
{
    *options = calloc(1, sink->options_bytes + 1);
    if (!*options)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for the options of sink %s", sink->name);
    int code = mr_config_bind(pipeline->sink_node, "type,io", sink->options, *options,
                              sink->options_bytes, err);
    if (code == MR_OK && sink->declare)
        code = sink->declare(*options, pipeline, err);
    if (code == MR_OK)
        code = check_io(pipeline, err);
    if (code != MR_OK) {
        free(*options);
        *options = NULL;
    }
    return code;
}

int mr_sink_bind(const struct mr_pipeline *pipeline, const struct mr_sink **sink, void **options,
                 struct mr_error *err)
{
    const char *name;
    const struct mr_node *type = mr_config_child(pipeline->sink_node, "type");
    *options = NULL;
    if (!type)
        return mr_config_fail(pipeline->sink_node, err,
                              "type is missing, expected the name of a sink");
    int code = mr_config_text(type, &name, err);
    if (code != MR_OK)
        return code;
    *sink = mr_sink_find(name);
    return *sink ? bind_options(pipeline, *sink, options, err) : fail_unknown(type, name, err);
}
