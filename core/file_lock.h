// SPDX-License-Identifier: Apache-2.0
// The fence between a dead writer and the next one. Writes of a killed process may still reach its files a
// while after it is gone; the locks of the descriptors that they go through (core/disk.h) are given free
// only behind the last of them. So whoever holds a file's locks knows that nobody writes behind its back,
// and whoever has held them for a moment has seen the last of those writes.
#ifndef MR_CORE_FILE_LOCK_H
#define MR_CORE_FILE_LOCK_H

#include "core/error.h"

// Takes the exclusive flock of an open file. A living holder is waited for 5 s, the writes of a dead one,
// which hold it until they have drained, a minute; the log says which. MR_ERR_BUSY names the holder.
int mr_file_lock(int fd, const char *path, struct mr_error *err);
// The same with a lock of the other kind, for a second descriptor of a file that is locked already: the
// two do not meet. It, too, is given free only when the writes of its descriptor have drained.
int mr_file_lock_direct(int fd, const char *path, struct mr_error *err);
// Takes that lock and gives it back: writes of a dead process's second descriptor have drained.
int mr_file_pass_direct(int fd, const char *path, struct mr_error *err);
// Takes both kinds of lock of the file of that name and gives them back: what stands in it then is what
// stays. MR_ERR_BUSY where a writer lives. A file that cannot be written here is passed over.
int mr_file_pass(const char *path, struct mr_error *err);

#endif
