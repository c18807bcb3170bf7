// SPDX-License-Identifier: Apache-2.0
// What sinks need of files beside writing: directories, and whether a name still stands.
#ifndef MR_CONSUMERS_LOADER_OUTPUT_FILE_H
#define MR_CONSUMERS_LOADER_OUTPUT_FILE_H

#include "core/file_lock.h"

// Makes the directory and its parents. MR_ERR_OUTPUT.
int mr_make_directories(const char *path, struct mr_error *err);
// Makes their names safe against a power cut: syncs every directory above `path`, also those that stood
// there, as an earlier run may have made them and not come that far. What may not be read is passed over.
int mr_sync_directories_above(const char *path, struct mr_error *err);
// The same as mr_make_directories for the directory that `path` is to be in.
int mr_make_parents(const char *path, struct mr_error *err);

// MR_ERR_OUTPUT where an open file has lost its name, so that what is written to it would be lost.
int mr_file_check_name(int fd, const char *path, struct mr_error *err);

#endif
