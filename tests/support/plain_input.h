// SPDX-License-Identifier: Apache-2.0
// For a fuzzer that includes what opens the file of a source (producers/line_input.c, producers/itch_file.c) behind
// this header: the file of tests/support/fuzzed_source.h is read where it stands in memory. To write, open, look at,
// read and close a file takes the kernel as long as most inputs take their reader. One that is packed is written and
// opened all the same: zlib reads it.
//
//     #include "tests/support/plain_input.h"
//     #include "producers/line_input.c"
#ifndef MR_TESTS_SUPPORT_PLAIN_INPUT_H
#define MR_TESTS_SUPPORT_PLAIN_INPUT_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "tests/support/fuzzed_source.h"

#define PLAIN_FD (1 << 20) // more than there are

static struct {
    const uint8_t *bytes;
    size_t size, at;
    bool open;
    struct gzFile_s as_gz;
} plain;

static inline int input_open(const char *path, int flags)
{
    plain.bytes = fuzzed_source_bytes(&plain.size);
    if (plain.open) // the last one was not closed
        abort();
    if (plain.size >= 2 && plain.bytes[0] == 0x1f && plain.bytes[1] == 0x8b) {
        fuzzed_source_write();
        return open(path, flags);
    }
    plain.open = true;
    plain.at = 0;
    return PLAIN_FD;
}

static inline void must_be_open(void)
{
    if (!plain.open)
        abort();
}

static inline int input_close(int fd)
{
    if (fd != PLAIN_FD)
        return close(fd);
    must_be_open();
    plain.open = false;
    return 0;
}

static inline int input_status(int fd, struct stat *out)
{
    if (fd != PLAIN_FD)
        return fstat(fd, out);
    *out = (struct stat){.st_mode = S_IFREG, .st_size = (off_t)plain.size};
    return 0;
}

static inline ssize_t plain_read(void *out, size_t bytes, size_t at)
{
    must_be_open();
    size_t there = at < plain.size ? mr_min_u64(bytes, plain.size - at) : 0;
    if (there > 0)
        memcpy(out, plain.bytes + at, there);
    return (ssize_t)there;
}

static inline ssize_t input_read_at(int fd, void *out, size_t bytes, off_t at)
{
    return fd == PLAIN_FD ? plain_read(out, bytes, (size_t)at) : pread(fd, out, bytes, at);
}

static inline ssize_t input_read(int fd, void *out, size_t bytes)
{
    if (fd != PLAIN_FD)
        return read(fd, out, bytes);
    ssize_t got = plain_read(out, bytes, plain.at);
    plain.at += (size_t)got;
    return got;
}

// ---- what zlib gives as it is

static inline gzFile input_gzdopen(int fd, const char *mode)
{
    return fd == PLAIN_FD ? &plain.as_gz : gzdopen(fd, mode);
}

// zlib maps and unmaps more of it.
static inline int input_gzbuffer(gzFile file, unsigned bytes)
{
    return file == &plain.as_gz ? 0 : gzbuffer(file, bytes / 32);
}

static inline int input_gzread(gzFile file, void *out, unsigned bytes)
{
    return file == &plain.as_gz ? (int)input_read(PLAIN_FD, out, bytes) : gzread(file, out, bytes);
}

static inline const char *input_gzerror(gzFile file, int *code)
{
    if (file != &plain.as_gz)
        return gzerror(file, code);
    *code = Z_OK;
    return "";
}

static inline int input_gzclose(gzFile file)
{
    return file == &plain.as_gz ? input_close(PLAIN_FD) : gzclose(file);
}

#define open(path, flags) input_open(path, flags)
#define close(fd) input_close(fd)
#define fstat(fd, out) input_status(fd, out)
#define pread(fd, out, bytes, at) input_read_at(fd, out, bytes, at)
#define read(fd, out, bytes) input_read(fd, out, bytes)
#define gzdopen(fd, mode) input_gzdopen(fd, mode)
#define gzbuffer(file, bytes) input_gzbuffer(file, bytes)
#define gzread(file, out, bytes) input_gzread(file, out, bytes)
#define gzerror(file, code) input_gzerror(file, code)
#define gzclose(file) input_gzclose(file)

#endif
