// SPDX-License-Identifier: Apache-2.0
// Sink: NDJSON. All schemas go to one file; where there are several, each object begins with
// "schema".
#include "consumers/loader/text_sink.h"

static const struct mr_text_format format = {
    .name = "ndjson",
    .file_per_schema = false,
    .names_schema = true,
    .line = mr_record_ndjson,
};

static int ndjson_check(const void *options, const struct mr_pipeline *pipeline,
                        const struct mr_schema_set *schemas, struct mr_error *err)
{
    return mr_text_check(options, pipeline, &format, schemas, err);
}

static int ndjson_open(struct mr_sink_run *run, struct mr_error *err)
{
    return mr_text_open(run, &format, err);
}

extern const struct mr_sink mr_sink_ndjson;
const struct mr_sink mr_sink_ndjson = {
    .name = "ndjson",
    .about = "one JSON object a line (RFC 8259); with several schemas each says which",
    .options = mr_text_option_table,
    .options_bytes = sizeof(struct mr_text_options),
    .declare = mr_text_declare,
    .check = ndjson_check,
    .open = ndjson_open,
    .write = mr_text_write,
    .poll = mr_text_poll,
    .finish = mr_text_finish,
    .close = mr_text_close,
};
