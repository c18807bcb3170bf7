// SPDX-License-Identifier: Apache-2.0
// Errors as values. A function that can fail returns an `int`: MR_OK or one of the codes below, and
// takes a `struct mr_error *` as its last argument, into which it writes one sentence that names
// the place (file and line, byte offset, key), what was found and what was expected. The caller
// owns the struct; it may be NULL where nobody will read the text.
//
// The codes are also the exit codes of the command, so that a script can tell them apart.
//
//     struct mr_error err;
//     if (mr_ring_attach(&ring, path, MR_ATTACH_READ_ONLY, &err) != MR_OK)
//         fprintf(stderr, "%s\n", err.text);
#ifndef MR_CORE_ERROR_H
#define MR_CORE_ERROR_H

#include "core/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mr_code {
    MR_OK = 0,
    MR_ERR_INTERNAL = 1, // a defect in this program
    MR_ERR_USAGE = 2,    // the command line
    MR_ERR_CONFIG = 3,   // the pipeline file
    MR_ERR_INPUT = 4,    // a source: missing, unreadable, cut short, not of the format it should be
    MR_ERR_OUTPUT = 5,   // a sink: not writable, full, vanished, an I/O error
    MR_ERR_SHM = 6,      // shared memory: full, not writable, of another layout
    MR_ERR_BUSY = 7,     // held by another run: the pipeline's lock, a journal's lock, a port
    MR_ERR_CORRUPT = 8,  // bytes that were ours and are damaged: a journal, a ring
    MR_ERR_STAGE = 9,    // a stage died or had to be killed
    MR_ERR_BALANCE = 10, // the counts do not add up
    MR_ERR_MEMORY = 11,  // out of memory
    MR_ERR_LIMIT = 12,   // a declared limit was reached (e.g. orders_max of the order book)
};

struct mr_error {
    int code;
    int os_errno; // of the system call that failed; 0 where none did, or where it must not be tried again
    char text[1000];
};

// Sets code and text, and returns code: `return mr_fail(err, MR_ERR_INPUT, "%s: ...", path);`
int mr_fail(struct mr_error *err, int code, const char *format, ...) MR_PRINTF(3, 4);
// The same with ": <strerror(errno)>" added.
int mr_fail_errno(struct mr_error *err, int code, const char *format, ...) MR_PRINTF(3, 4);
// Puts "<context>: " before what err already says, and returns its code.
int mr_error_within(struct mr_error *err, const char *format, ...) MR_PRINTF(2, 3);
#ifdef __clang_analyzer__
// The static analyzer does not look into other files: here it sees that what is returned is `code`,
// so that it follows no path on which a failure is MR_OK.
static inline int mr_code_returned(int returned, int code)
{
    (void)returned;
    return code;
}
#define mr_fail(err, code, ...) mr_code_returned(mr_fail(err, code, __VA_ARGS__), code)
#define mr_fail_errno(err, code, ...) mr_code_returned(mr_fail_errno(err, code, __VA_ARGS__), code)
#endif
// The file system was full, or the user's share of it: the same may be tried again when there is room.
bool mr_error_is_no_room(const struct mr_error *err);
bool mr_errno_is_no_room(int os_errno);
// "input", "balance", ... for logs and JSON.
const char *mr_code_name(int code);
// Whether the same thing tried once more may succeed: what was in its way (a full or failing device, another
// holder of a lock, memory) may be gone by then. A configuration, an input or a journal stays as it is.
bool mr_code_may_pass(int code);

#ifdef __cplusplus
}
#endif
#endif
