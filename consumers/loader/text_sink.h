// SPDX-License-Identifier: Apache-2.0
// What the csv and ndjson sinks share: everything but what a line looks like.
//
// Records become lines in a set of buffers, one buffer a file. When a set is long enough, or
// nothing more comes, it is written, while the other set is filled. A set's records are durable
// when all of it was written (handed to the kernel; the files are synced when the run ends).
//
// A loader that dies is started again and cuts each file to the size that was committed with the
// position it goes on at: no line is lost, doubled or cut. That needs a regular file; a pipe or
// standard output may get the lines since the last commit once more.
#ifndef MR_CONSUMERS_LOADER_TEXT_SINK_H
#define MR_CONSUMERS_LOADER_TEXT_SINK_H

#include "consumers/loader/sink.h"
#include "core/formats/record_text.h"

struct mr_text_options {
    const char *path; // "-": standard output
    int existing;     // mr_existing
    const char *fields;
    bool envelope;
};

struct mr_text_format {
    const char *name;
    bool file_per_schema; // lines of several schemas cannot stand in one file
    bool names_schema;    // lines of several schemas say which
    size_t (*header)(const struct mr_record_text *row, char *out, size_t room); // or NULL
    size_t (*line)(const struct mr_record_text *row, const struct mr_record *record, char *out,
                   size_t room);
};

extern const struct mr_option mr_text_option_table[];
int mr_text_declare(const void *options, const struct mr_pipeline *pipeline, struct mr_error *err);
int mr_text_check(const struct mr_text_options *options, const struct mr_pipeline *pipeline,
                  const struct mr_text_format *format, const struct mr_schema_set *schemas,
                  struct mr_error *err);
int mr_text_open(struct mr_sink_run *run, const struct mr_text_format *format,
                 struct mr_error *err);
int mr_text_write(struct mr_sink_run *run, const uint8_t *bytes, size_t length,
                  struct mr_error *err);
int mr_text_poll(struct mr_sink_run *run, bool idle, struct mr_error *err);
int mr_text_finish(struct mr_sink_run *run, struct mr_error *err);
void mr_text_close(struct mr_sink_run *run);

#endif
