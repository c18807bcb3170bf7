// SPDX-License-Identifier: Apache-2.0
// Where lines come from: bytes out of files (plain or .gz, one after another, or one followed as it
// grows), standard input and TCP connections, each into a buffer of bounded size. What the lines
// mean is not known here.
//
// A channel is one run of bytes with its place: the lines of a file, of standard input, of one
// connection.
//
//     bytes before `begin` are done with | begin .. end: held, not done with | room
//     offset, line: where `begin` stands in the file or connection
//
//     mr_channel_read(channel, &err)     takes in more bytes; MR_READ_END sets channel->final
//     ... look at channel->buffer + begin .. end ...
//     mr_channel_take(channel, bytes)    done with so many
#ifndef MR_PRODUCERS_LINE_INPUT_H
#define MR_PRODUCERS_LINE_INPUT_H

#include <zlib.h>

#include "core/error.h"

#define MR_READ_BYTES 262144UL // at a time

enum mr_read { MR_READ_SOME, MR_READ_NOTHING, MR_READ_END, MR_READ_FAILED };

struct mr_channel {
    const char *name; // for messages: the file's path, "-", "127.0.0.1:4000"; owned
    int fd;
    gzFile gz; // NULL: plain
    char *buffer;
    size_t begin, end, capacity, capacity_max;
    uint64_t offset; // of buffer[begin], in unpacked bytes
    uint64_t line; // physical line that begins at (or, skipping, that holds) buffer[begin], from 1
    uint64_t inode;
    bool final;    // nothing comes behind buffer[end]
    bool torn;     // it ended with an error: what is left is no whole line
    bool live;     // reads only when something is there
    bool followed; // a file that grows: its end is no end
};

int mr_channel_open_file(struct mr_channel **channel, const char *path, size_t capacity_max,
                         struct mr_error *err);
// Takes the descriptor over; it is read only when it is readable.
struct mr_channel *mr_channel_of_descriptor(int fd, const char *name, size_t capacity_max);
// Goes to an offset (of a file), which must be there.
int mr_channel_seek(struct mr_channel *channel, uint64_t offset, struct mr_error *err);
// Reads once. MR_READ_NOTHING: nothing there now (live), or no room (the caller takes first).
enum mr_read mr_channel_read(struct mr_channel *channel, struct mr_error *err);
static inline void mr_channel_take(struct mr_channel *channel, size_t bytes)
{
    channel->begin += bytes;
    channel->offset += bytes;
}
static inline size_t mr_channel_held(const struct mr_channel *channel)
{
    return channel->end - channel->begin;
}
void mr_channel_close(struct mr_channel *channel); // NULL is fine

// ---- files -------------------------------------------------------------------------------------

struct mr_file_list {
    char **paths;
    unsigned count;
};
// Adds what `pattern` stands for: a file, every file of a directory, or a glob pattern, in sorted
// order. MR_ERR_INPUT where nothing is there.
int mr_file_list_add(struct mr_file_list *list, const char *pattern, struct mr_error *err);
void mr_file_list_free(struct mr_file_list *list);

// ---- listening ---------------------------------------------------------------------------------

// "host:port", "[::1]:port" or "port" (on 127.0.0.1). Returns the listening descriptor in *fd and
// the address it really has (port 0 is chosen by the system). MR_ERR_BUSY where the port is taken,
// MR_ERR_CONFIG where the address is none.
int mr_listen(const char *address, int *fd, char *bound, size_t bound_bytes, struct mr_error *err);
// Only checks how it is written.
int mr_listen_check(const char *address, struct mr_error *err);
// The next connection waiting, non-blocking; NULL where there is none.
struct mr_channel *mr_accept(int listener, size_t capacity_max);

#endif
