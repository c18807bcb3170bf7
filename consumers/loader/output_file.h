// SPDX-License-Identifier: Apache-2.0
// What sinks need of files beside writing: locks, directories, and whether a name still stands.
#ifndef MR_CONSUMERS_LOADER_OUTPUT_FILE_H
#define MR_CONSUMERS_LOADER_OUTPUT_FILE_H

#include "core/error.h"

// Takes the exclusive flock of an open file. A living holder is waited for 5 s, the writes of a dead one,
// which hold it until they have drained, a minute; the log says which. MR_ERR_BUSY names the holder.
int mr_file_lock(int fd, const char *path, struct mr_error *err);
// The same with a lock of the other kind, for a second descriptor of a file that is locked already: the
// two do not meet. It, too, is given free only when the writes of its descriptor have drained.
int mr_file_lock_direct(int fd, const char *path, struct mr_error *err);
// Takes that lock and gives it back: writes of a dead process's second descriptor have drained.
int mr_file_pass_direct(int fd, const char *path, struct mr_error *err);
// Makes the directory and its parents. MR_ERR_OUTPUT.
int mr_make_directories(const char *path, struct mr_error *err);
// The same for the directory that `path` is to be in.
int mr_make_parents(const char *path, struct mr_error *err);

// MR_ERR_OUTPUT where an open file has lost its name, so that what is written to it would be lost.
int mr_file_check_name(int fd, const char *path, struct mr_error *err);

#endif
