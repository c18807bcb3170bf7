// SPDX-License-Identifier: Apache-2.0
#include "consumers/loader/device.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "core/clock.h"
#include "core/log.h"

static struct mr_device_gauges unseen;
struct mr_device_gauges *mr_device_gauges = &unseen;
static unsigned refusals_held;

void mr_device_show(struct mr_device_gauges *gauges)
{
    mr_device_gauges = gauges ? gauges : &unseen;
    *mr_device_gauges = (struct mr_device_gauges){0};
    refusals_held = 0;
}

// The mount point of a device's file system, and its type, from the kernel's list.
static bool find_mount(dev_t device, char *point, char *type)
{
    char line[1024];
    unsigned high, low;
    bool found = false;
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    if (!mounts)
        return false;
    while (!found && fgets(line, sizeof line, mounts)) {
        const char *behind = strstr(line, " - ");
        found = sscanf(line, "%*s %*s %u:%u %*s %127s", &high, &low, point) == 3 &&
                makedev(high, low) == device && behind && sscanf(behind, " - %31s", type) == 1;
    }
    fclose(mounts);
    return found;
}

// "; /mnt/data (ext4) has 0 of 33554432 bytes free"
static void describe_file_system(int fd, char *out, size_t out_bytes)
{
    char point[128], type[32];
    struct stat status;
    struct statvfs space;
    out[0] = '\0';
    if (fd < 0 || fstat(fd, &status) != 0 || fstatvfs(fd, &space) != 0 ||
        !find_mount(status.st_dev, point, type))
        return;
    snprintf(out, out_bytes, "; %s (%s) has %llu of %llu bytes free", point, type,
             (unsigned long long)space.f_bavail * space.f_frsize,
             (unsigned long long)space.f_blocks * space.f_frsize);
}

void mr_device_refuse(struct mr_refusal *refusal, const struct mr_error *err, int fd)
{
    struct mr_device_gauges *gauges = mr_device_gauges;
    char where[256];
    if (refusal->held)
        return;
    refusal->held = true;
    gauges->refusals++;
    if (refusals_held++ > 0)
        return; // the first one's sentence stands
    describe_file_system(fd, where, sizeof where);
    int room = (int)(sizeof gauges->refused_what - strlen(where)) - 1;
    snprintf(gauges->refused_what, sizeof gauges->refused_what, "%.*s%s", room, err->text, where);
    gauges->refused_since_ns = mr_mono_ns();
    // Pairs with the acquire load in copy_page (core/pipeline/report.c): who sees it sees the sentence.
    mr_store_release_u32(&gauges->refused_errno, (uint32_t)err->os_errno);
    mr_warn("waiting for room: %s", gauges->refused_what);
}

void mr_device_accept(struct mr_refusal *refusal)
{
    struct mr_device_gauges *gauges = mr_device_gauges;
    if (!refusal->held)
        return;
    refusal->held = false;
    if (--refusals_held > 0)
        return;
    mr_store_release_u32(&gauges->refused_errno, 0);
    mr_info("room again after %.1f s: going on",
            (double)(mr_mono_ns() - gauges->refused_since_ns) / 1e9);
}

bool mr_device_is_refused(void)
{
    return refusals_held > 0;
}
