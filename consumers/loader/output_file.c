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

static int make_up_to(const char *path, size_t length, struct mr_error *err)
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
        int code = make_one(part, err);
        if (code != MR_OK)
            return code;
    }
    return MR_OK;
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
    char part[512];
    int code = sync_one(path[0] == '/' ? "/" : ".", err);
    for (size_t i = 1; code == MR_OK && path[i] && i < sizeof part; i++) {
        if (path[i] != '/' || path[i + 1] == '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        code = sync_one(part, err);
    }
    return code;
}

int mr_make_directories(const char *path, struct mr_error *err)
{
    return make_up_to(path, strlen(path), err);
}

int mr_make_parents(const char *path, struct mr_error *err)
{
    const char *slash = strrchr(path, '/');
    return !slash || slash == path ? MR_OK : make_up_to(path, (size_t)(slash - path), err);
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
