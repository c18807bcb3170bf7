// SPDX-License-Identifier: Apache-2.0
#include "consumers/loader/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "consumers/loader/device.h"
#include "consumers/loader/output_file.h"

#define SCHEMA_PLACE "{schema}"

void mr_text_file_name(struct mr_text_file *file, const char *path, const char *schema)
{
    const char *place = strstr(path, SCHEMA_PLACE);
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(path, '.');
    size_t before = strlen(path), after = before; // the path up to the name, and from behind it
    const char *joint = schema ? "." : "";
    file->fd = -1;
    if (schema && place) {
        before = (size_t)(place - path);
        after = before + strlen(SCHEMA_PLACE);
        joint = "";
    } else if (schema && dot && dot > path && (!slash || dot > slash + 1)) {
        before = after = (size_t)(dot - path);
    }
    snprintf(file->path, sizeof file->path, "%.*s%s%.31s%.100s", (int)mr_min_u64(before, 360), path,
             joint, schema ? schema : "", path + after);
}

// Opens for writing without changing anything, and locks.
static int open_locked(struct mr_text_file *file, int flags, struct mr_error *err)
{
    struct stat status;
    file->size = 0;
    if (strcmp(file->path, "-") == 0) {
        file->fd = STDOUT_FILENO;
        file->stream = true;
        return MR_OK;
    }
    int code = mr_make_parents(file->path, err);
    if (code != MR_OK)
        return code;
    file->fd = open(file->path, O_RDWR | O_CLOEXEC | flags, 0666);
    if (file->fd < 0 && errno == EACCES) // a device or pipe that cannot be read
        file->fd = open(file->path, O_WRONLY | O_CLOEXEC | flags, 0666);
    if (file->fd < 0 || fstat(file->fd, &status) != 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot open", file->path);
    file->stream = !S_ISREG(status.st_mode);
    file->size = file->stream ? 0 : (uint64_t)status.st_size;
    return file->stream ? MR_OK : mr_file_lock(file->fd, file->path, err);
}

void mr_text_file_close(struct mr_text_file *file)
{
    if (file->fd > STDERR_FILENO)
        close(file->fd);
    file->fd = -1;
}

static int cut(struct mr_text_file *file, uint64_t size, struct mr_error *err)
{
    if (ftruncate(file->fd, (off_t)size) != 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot cut to %" PRIu64 " bytes", file->path,
                             size);
    file->size = size;
    return MR_OK;
}

// Lines of one header must not follow another's, nor a line that has no end.
static int check_appendable(const struct mr_text_file *file, const char *header,
                            size_t header_bytes, struct mr_error *err)
{
    char last = '\n';
    char *found = malloc(header_bytes + 1);
    bool same = found && pread(file->fd, found, header_bytes, 0) == (ssize_t)header_bytes &&
                memcmp(found, header, header_bytes) == 0;
    free(found);
    if (!same)
        return mr_fail(err, MR_ERR_OUTPUT, "%s: cannot append: expected it to begin with \"%.*s\"",
                       file->path, (int)(header_bytes ? header_bytes - 1 : 0), header);
    if (pread(file->fd, &last, 1, (off_t)file->size - 1) != 1 || last != '\n')
        return mr_fail(err, MR_ERR_OUTPUT,
                       "%s: cannot append: found no newline at its end, byte %" PRIu64, file->path,
                       file->size - 1);
    return MR_OK;
}

int mr_text_file_begin(struct mr_text_file *file, enum mr_existing existing, const char *header,
                       size_t header_bytes, bool *wants_header, struct mr_error *err)
{
    int code = open_locked(file, O_CREAT, err);
    // An empty one counts as none: a loader that was killed at its start may have left it.
    if (code == MR_OK && existing == MR_EXISTING_REFUSE && file->size > 0)
        return mr_fail(err, MR_ERR_OUTPUT,
                       "%s: found a file of %" PRIu64 " bytes, expected none (sink.existing is "
                       "refuse)",
                       file->path, file->size);
    if (code == MR_OK && !file->stream && existing == MR_EXISTING_REPLACE)
        code = cut(file, 0, err);
    if (code == MR_OK && file->size > 0)
        code = check_appendable(file, header, header_bytes, err);
    *wants_header = file->size == 0;
    if (code != MR_OK)
        mr_text_file_close(file);
    return code;
}

int mr_text_file_resume(struct mr_text_file *file, uint64_t size, struct mr_error *err)
{
    int code = open_locked(file, 0, err);
    if (code == MR_ERR_OUTPUT)
        return mr_error_within(err,
                               "the run that is resumed has written %" PRIu64
                               " bytes there (`millrace clean` gives that run up)",
                               size);
    if (code != MR_OK || file->stream)
        return code;
    if (file->size < size)
        return mr_fail(err, MR_ERR_OUTPUT,
                       "%s: found %" PRIu64 " bytes, expected at least the %" PRIu64
                       " that this run has written",
                       file->path, file->size, size);
    return cut(file, size, err);
}

int mr_text_file_finish(struct mr_text_file *file, struct mr_error *err)
{
    if (file->fd < 0 || file->stream)
        return MR_OK;
    int code = mr_file_check_name(file->fd, file->path, err);
    if (code != MR_OK)
        return code;
    uint32_t outer = mr_device_call_begins(MR_CALL_SYNC);
    int result = fdatasync(file->fd);
    mr_device_call_ends(outer);
    if (result == 0)
        return MR_OK;
    mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot sync", file->path);
    err->os_errno = 0; // for whatever reason: another one would report success
    return MR_ERR_OUTPUT;
}
