// SPDX-License-Identifier: Apache-2.0
// One output file of a text sink: opened as `existing` says, or taken up again at the size that was
// committed.
#ifndef MR_CONSUMERS_LOADER_TEXT_FILE_H
#define MR_CONSUMERS_LOADER_TEXT_FILE_H

#include "consumers/loader/sink.h"

struct mr_text_file {
    char path[512];
    int fd;        // -1: not open
    bool stream;   // no regular file: bytes go where they go
    uint64_t size; // of a regular file, as far as it was written
};

// "<path>", or for one of several: "{schema}" in it replaced, else ".<schema>" before the suffix.
void mr_text_file_name(struct mr_text_file *file, const char *path, const char *schema);
// A new run. `header` (may be empty) is what an appended file must begin with; *wants_header: it is
// new or empty.
int mr_text_file_begin(struct mr_text_file *file, enum mr_existing existing, const char *header,
                       size_t header_bytes, bool *wants_header, struct mr_error *err);
// The same run, from a process that died: `size` was committed.
int mr_text_file_resume(struct mr_text_file *file, uint64_t size, struct mr_error *err);
int mr_text_file_finish(struct mr_text_file *file, struct mr_error *err);
void mr_text_file_close(struct mr_text_file *file);

#endif
