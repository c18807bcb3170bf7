// SPDX-License-Identifier: Apache-2.0
// What the parts of the lines source share: lines.c (options, opening), lines_files.c (files and
// standard input, marks), lines_tcp.c (connections).
#ifndef MR_PRODUCERS_LINES_PRIVATE_H
#define MR_PRODUCERS_LINES_PRIVATE_H

#include "producers/line_reader.h"

enum { MARK_SKIPPING = 1, MARK_DONE = 2 };
struct mr_lines_mark {
    uint64_t path_hash;   // of the file's path
    uint64_t offset;      // unpacked bytes
    uint64_t line;        // that begins there
    uint64_t header_hash; // 0: none
    uint64_t inode;       // of a followed file
    uint64_t received;    // lines of all channels
    uint32_t flags;
    uint32_t reserved;
};
_Static_assert(sizeof(struct mr_lines_mark) <= MR_STAGE_MARK_BYTES, "mark fits");

struct mr_lines {
    struct mr_line_reader reader;
    struct mr_line_options options;
    struct mr_file_list files;
    unsigned next_file;
    struct mr_line_cursor *cursors; // files, standard input: one; TCP: connections_max
    unsigned open_count;
    int listener, epoll, inotify;
    bool listening; // the listener is in the epoll set
};

bool mr_lines_is_stdin(const struct mr_line_options *options);
// Every file that the node `path` names, in order. The error names the place in the pipeline file.
int mr_lines_list_files(const struct mr_node *path, struct mr_file_list *list,
                        struct mr_error *err);
// run->mark = behind the last whole line taken.
void mr_lines_set_mark(struct mr_source_run *run, const struct mr_lines *lines);

int mr_lines_open_files(struct mr_source_run *run, struct mr_lines *lines, struct mr_error *err);
int mr_lines_open_stdin(struct mr_source_run *run, struct mr_lines *lines, struct mr_error *err);
int mr_lines_open_listener(struct mr_source_run *run, struct mr_lines *lines, struct mr_error *err);
enum mr_poll mr_lines_poll_files(struct mr_source_run *run);
enum mr_poll mr_lines_poll_connections(struct mr_source_run *run);
// Waits for the descriptor (-1: none), at most so long (0: no limit).
enum mr_poll mr_lines_idle(struct mr_source_run *run, int fd, int64_t timeout_ns);

#endif
