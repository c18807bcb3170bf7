// SPDX-License-Identifier: Apache-2.0
#include "consumers/loader/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/disk.h"

static int make_one(const char *path, struct mr_error *err)
{
    struct mr_disk_status status;
    if (mr_disk->make_directory(path) == 0)
        return MR_OK;
    if (errno != EEXIST)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot make the directory", path);
    if (mr_disk->status(path, &status) == 0 && !status.directory)
        return mr_fail(err, MR_ERR_OUTPUT, "%s: found a file, expected a directory", path);
    return MR_OK;
}

// Every directory that the first `length` bytes of the path name, from the outermost in.
static int each_directory(const char *path, size_t length,
                          int (*act)(const char *part, struct mr_error *err), struct mr_error *err)
{
    char part[512];
    if (length >= sizeof part)
        return mr_fail(err, MR_ERR_OUTPUT, "%s: found a path of %zu bytes, expected under %zu",
                       path, length, sizeof part);
    for (size_t i = 1; i <= length; i++) {
        if (i < length && path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        int code = act(part, err);
        if (code != MR_OK)
            return code;
    }
    return MR_OK;
}

// Of what stands before the path's last name; 0: it names none.
static size_t parents_length(const char *path)
{
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/')
        length--;
    while (length > 0 && path[length - 1] != '/')
        length--;
    return length > 0 ? length - 1 : 0;
}

static int sync_one(const char *path, struct mr_error *err)
{
    int fd = mr_disk->open(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0 && errno == EACCES)
        return MR_OK;
    int code = MR_OK;
    if (fd < 0 || (mr_disk->sync_directory(fd) != 0 && errno != EINVAL && errno != EROFS))
        code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot sync the directory", path);
    if (fd >= 0)
        mr_disk->close(fd);
    return code;
}

int mr_sync_directories_above(const char *path, struct mr_error *err)
{
    int code = sync_one(path[0] == '/' ? "/" : ".", err);
    return code == MR_OK ? each_directory(path, parents_length(path), sync_one, err) : code;
}

int mr_make_directories(const char *path, struct mr_error *err)
{
    return each_directory(path, strlen(path), make_one, err);
}

int mr_make_parents(const char *path, struct mr_error *err)
{
    return each_directory(path, parents_length(path), make_one, err);
}

int mr_file_check_name(int fd, const char *path, struct mr_error *err)
{
    struct mr_disk_status held, named;
    if (mr_disk->status_of(fd, &held) == 0 && mr_disk->status(path, &named) == 0 &&
        held.inode == named.inode && held.device == named.device)
        return MR_OK;
    return mr_fail(err, MR_ERR_OUTPUT, "%s: was removed or replaced while it was being written",
                   path);
}
