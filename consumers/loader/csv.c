// SPDX-License-Identifier: Apache-2.0
// Sink: CSV. One schema, one file; with several schemas each has a file of its own, because a
// header line speaks for all lines below it: "{schema}" in the path is its place, else out.csv
// becomes out.trade.csv. Such files are made when the first record of their schema comes.
#include "consumers/loader/text_sink.h"

static const struct mr_text_format format = {
    .name = "csv",
    .file_per_schema = true,
    .names_schema = false,
    .header = mr_record_csv_header,
    .line = mr_record_csv,
};

static int csv_check(const void *options, const struct mr_pipeline *pipeline,
                     const struct mr_schema_set *schemas, struct mr_error *err)
{
    return mr_text_check(options, pipeline, &format, schemas, err);
}

static int csv_open(struct mr_sink_run *run, struct mr_error *err)
{
    return mr_text_open(run, &format, err);
}

extern const struct mr_sink mr_sink_csv;
const struct mr_sink mr_sink_csv = {
    .name = "csv",
    .about = "comma-separated text with a header line (RFC 4180), one file a schema",
    .options = mr_text_option_table,
    .options_bytes = sizeof(struct mr_text_options),
    .declare = mr_text_declare,
    .check = csv_check,
    .open = csv_open,
    .write = mr_text_write,
    .poll = mr_text_poll,
    .finish = mr_text_finish,
    .close = mr_text_close,
};
