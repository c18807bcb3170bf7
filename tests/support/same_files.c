// SPDX-License-Identifier: Apache-2.0
#include "tests/support/same_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base.h"

struct comparison {
    const char *expected, *found;
    char *difference;
    size_t difference_bytes;
};

static bool differs(const struct comparison *at, const char *format, ...) MR_PRINTF(2, 3);
static bool differs(const struct comparison *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(at->difference, at->difference_bytes, format, args);
    va_end(args);
    return false;
}

struct mapped {
    uint8_t *bytes;
    size_t length;
};

static bool map_file(const struct comparison *at, const char *directory, const char *name,
                     struct mapped *mapped)
{
    char path[512];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && fstat(fd, &status) == 0;
    if (good) {
        mapped->length = (size_t)status.st_size;
        mapped->bytes = mmap(NULL, mapped->length, PROT_READ, MAP_SHARED, fd, 0);
        good = mapped->bytes != MAP_FAILED;
    }
    if (!good)
        differs(at, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return good;
}

static bool same_bytes(const struct comparison *at, const char *name, const struct mapped *whole,
                       const struct mapped *found)
{
    size_t length = mr_min_u64(whole->length, found->length), byte = length;
    if (memcmp(whole->bytes, found->bytes, length) != 0)
        for (byte = 0; whole->bytes[byte] == found->bytes[byte];)
            byte++;
    if (whole->length == found->length && byte == length)
        return true;
    return differs(at, "%s/%s: byte %zu of %zu differs, expected %zu bytes as in %s", at->found,
                   name, byte, found->length, whole->length, at->expected);
}

static bool same_file(const struct comparison *at, const char *name)
{
    struct mapped whole, found;
    if (!map_file(at, at->expected, name, &whole))
        return false;
    bool same = map_file(at, at->found, name, &found);
    if (same) {
        same = same_bytes(at, name, &whole, &found);
        munmap(found.bytes, found.length);
    }
    munmap(whole.bytes, whole.length);
    return same;
}

static void free_names(struct dirent **names, int count)
{
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

static bool same_names(const struct comparison *at, struct dirent **whole, int count,
                       struct dirent **found, int found_count)
{
    if (count < 3 || found_count < 3) // "." and ".."
        return differs(at, "%s: no files", count < 3 ? at->expected : at->found);
    if (found_count != count)
        return differs(at, "%s: found %d files, expected %d as in %s", at->found, found_count,
                       count, at->expected);
    for (int i = 0; i < count; i++)
        if (strcmp(whole[i]->d_name, found[i]->d_name) != 0)
            return differs(at, "%s/%s: expected %s", at->found, found[i]->d_name, whole[i]->d_name);
    return true;
}

bool mr_test_same_files(const char *expected, const char *found, char *difference,
                        size_t difference_bytes)
{
    const struct comparison at = {expected, found, difference, difference_bytes};
    struct dirent **whole_names = NULL, **found_names = NULL;
    int count = scandir(expected, &whole_names, NULL, alphasort);
    int found_count = scandir(found, &found_names, NULL, alphasort);
    bool same = same_names(&at, whole_names, count, found_names, found_count);
    for (int i = 0; i < count && same; i++)
        same = whole_names[i]->d_name[0] == '.' || same_file(&at, whole_names[i]->d_name);
    free_names(whole_names, count);
    free_names(found_names, found_count);
    return same;
}
