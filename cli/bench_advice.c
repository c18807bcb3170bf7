// SPDX-License-Identifier: Apache-2.0
// Each check looks at one thing and adds at most one piece of advice. They stand in the order of what such a
// thing usually costs (docs/TUNING.md, "The machine"), not of what is measured here: a tail and a throughput do
// not compare.
#include "cli/bench_advice.h"

#include <dirent.h>
#include <mntent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "cli/bench_hiccup.h"
#include "consumers/loader/io.h"
#include "core/clock.h"
#include "core/cores.h"
#include "core/pipeline/pipeline.h"

#define CALLS 20000 // timed, of a system call or clock
#define IDLE_SECONDS 0.3
#define JITTER_NS 10000        // a p99.9 beyond this is worth a word
#define SLOW_CLOCK_NS 100      // a counter takes 15 to 40
#define RING_BYTES (16u << 20) // the default

struct list {
    struct mr_advice *items;
    unsigned count;
};

static struct mr_advice *add(struct list *list)
{
    return list->count < MR_ADVICE_MAX ? &list->items[list->count++] : NULL;
}

static void say(char *out, size_t out_bytes, const char *format, ...) MR_PRINTF(3, 4);
static void say(char *out, size_t out_bytes, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out, out_bytes, format, args);
    va_end(args);
}
#define SAY(field, ...) say(field, sizeof field, __VA_ARGS__)

// The file's first line; "" where it cannot be read.
static const char *line_of(const char *path, char *out, size_t out_bytes)
{
    FILE *file = fopen(path, "re");
    out[0] = 0;
    if (!file)
        return out;
    if (!fgets(out, (int)out_bytes, file))
        out[0] = 0;
    fclose(file);
    out[strcspn(out, "\n")] = 0;
    return out;
}

static double syscall_ns(void)
{
    int64_t start_ns = mr_mono_ns();
    for (unsigned i = 0; i < CALLS; i++)
        syscall(SYS_getppid);
    return (double)(mr_mono_ns() - start_ns) / CALLS;
}

static double clock_ns(void)
{
    struct timespec now;
    int64_t start_ns = mr_mono_ns();
    for (unsigned i = 0; i < CALLS; i++)
        clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(mr_mono_ns() - start_ns) / CALLS;
}

static double switch_ns(void)
{
    int64_t start_ns = mr_mono_ns();
    for (unsigned i = 0; i < CALLS; i++)
        syscall(SYS_sched_yield);
    return (double)(mr_mono_ns() - start_ns) / CALLS;
}

// ---- the checks ----------------------------------------------------------------------------------

static void check_cores(struct list *list)
{
    struct mr_cores cores;
    mr_cores_allowed(&cores);
    unsigned usable = mr_cores_usable(&cores);
    if (usable > MR_ROLE_LOADER)
        return;
    struct mr_advice *advice = add(list);
    SAY(advice->found, "%u core%s for three stages%s", usable, usable == 1 ? "" : "s",
        cores.quota < cores.count ? " (a control group's quota)" : "");
    SAY(advice->costs,
        "stages give a core to each other: a yield is %.0f ns, and what waits for the core waits "
        "for "
        "whoever has it",
        switch_ns());
    SAY(advice->mend, "%s; with two cores: placement: auto in the pipeline file",
        cores.quota < cores.count
            ? "raise the quota: systemctl set-property SERVICE CPUQuota=300%, "
              "docker run --cpus 3"
            : "run on a machine of three cores or more, or widen the affinity: "
              "taskset -c 0-2 millrace ...");
}

static void check_governor(struct list *list)
{
    struct mr_cores cores;
    char path[96], governor[64];
    mr_cores_allowed(&cores);
    for (unsigned i = 0; i < cores.count; i++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor",
                 (unsigned)cores.cpu[i]);
        if (!line_of(path, governor, sizeof governor)[0] || strcmp(governor, "performance") == 0)
            continue;
        struct mr_advice *advice = add(list);
        SAY(advice->found, "frequency governor %s on core %u", governor, (unsigned)cores.cpu[i]);
        SAY(advice->costs,
            "a core that has waited starts slow: every step of a paced feed, up to the "
            "ratio of its lowest to its highest frequency");
        SAY(advice->mend, "cpupower frequency-set -g performance");
        return;
    }
}

static void check_clock(struct list *list)
{
    char source[64];
    double each_ns = clock_ns();
    line_of("/sys/devices/system/clocksource/clocksource0/current_clocksource", source,
            sizeof source);
    if (mr_tick_is_cpu_counter && each_ns < SLOW_CLOCK_NS)
        return;
    struct mr_advice *advice = add(list);
    SAY(advice->found, "clock source %s%s", source,
        mr_tick_is_cpu_counter ? "" : "; the CPU's counter is not used");
    SAY(advice->costs, "%.0f ns a look at the clock (a counter: 15 to 40), several a batch",
        each_ns);
    SAY(advice->mend,
        "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource, "
        "where it is among available_clocksource; kernel option tsc=reliable");
}

static void check_jitter(struct list *list)
{
    struct mr_hiccup_profile profile;
    struct mr_error err;
    char isolated[64];
    unsigned worst = 0;
    if (mr_bench_hiccup(IDLE_SECONDS, &profile, &err) != MR_OK)
        return;
    for (unsigned i = 1; i < profile.count; i++)
        if (mr_histogram_percentile(&profile.late_ns[i], 99.9) >
            mr_histogram_percentile(&profile.late_ns[worst], 99.9))
            worst = i;
    uint64_t late_ns = mr_histogram_percentile(&profile.late_ns[worst], 99.9);
    line_of("/sys/devices/system/cpu/isolated", isolated, sizeof isolated);
    struct mr_advice *advice = late_ns > JITTER_NS ? add(list) : NULL;
    if (advice) {
        SAY(advice->found, "%s; an idle loop on core %d is held up",
            isolated[0] ? "some cores are isolated" : "no core is isolated", profile.cores[worst]);
        SAY(advice->costs, "p99.9 %.0f us, longest %.1f ms: this is in every tail",
            (double)late_ns / 1e3, (double)profile.late_ns[worst].max_ns / 1e6);
        SAY(advice->mend, "keep others off: systemctl set-property --runtime system.slice "
                          "AllowedCPUs=0; for good: "
                          "kernel options isolcpus=2-4 nohz_full=2-4 rcu_nocbs=2-4 and placement: "
                          "[2, 3, 4]. In a "
                          "virtual machine: dedicated cores, from the host");
    }
    mr_hiccup_free(&profile);
}

// MADV_COLLAPSE for shared memory: core/pipeline/memory.h makes huge pages with it.
static bool kernel_collapses(void)
{
    struct utsname system;
    unsigned major = 0, minor = 0;
    return uname(&system) == 0 && sscanf(system.release, "%u.%u", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 1));
}

// The huge= of the mount that the directory is on; "" where it has none.
static void huge_option_of(const char *directory, char *out, size_t out_bytes)
{
    struct stat here, there;
    FILE *table = stat(directory, &here) == 0 ? setmntent("/proc/self/mounts", "re") : NULL;
    out[0] = 0;
    for (struct mntent *mount; table && (mount = getmntent(table)) != NULL;) {
        const char *option = hasmntopt(mount, "huge");
        if (option && stat(mount->mnt_dir, &there) == 0 && there.st_dev == here.st_dev)
            snprintf(out, out_bytes, "%.*s", (int)strcspn(option, ","), option);
    }
    if (table)
        endmntent(table);
}

// A mount's huge= is what counts for files on it. Of shmem_enabled, which is for memory without a mount of
// one's own, only two words go beyond that: `force` for all, and `deny`, also to who asks.
static void check_huge_pages(struct list *list)
{
    char mode[128], option[64];
    const char *shm = getenv("MILLRACE_SHM");
    shm = shm && *shm ? shm : "/dev/shm";
    line_of("/sys/kernel/mm/transparent_hugepage/shmem_enabled", mode, sizeof mode);
    huge_option_of(shm, option, sizeof option);
    bool denied = strstr(mode, "[deny]") != NULL, advised = strcmp(option, "huge=advise") == 0;
    bool given = strcmp(option, "huge=always") == 0 || strcmp(option, "huge=within_size") == 0;
    if (!mode[0] || strstr(mode, "[force]") || (given && !denied))
        return;
    struct mr_advice *advice = add(list);
    SAY(advice->found, "rings and state are in small pages, unless the pipeline file asks for huge "
                       "ones");
    SAY(advice->costs, "address translation: in huge pages rings flat out are 1.18 x as fast, an "
                       "ITCH session with its book goes from 4.5 to 5.6 M messages/s");
    if (denied)
        SAY(advice->mend, "echo never > /sys/kernel/mm/transparent_hugepage/shmem_enabled (it is "
                          "deny); then huge_pages: advise in the pipeline file");
    else if (kernel_collapses() || advised)
        SAY(advice->mend, "huge_pages: advise in the pipeline file");
    else
        SAY(advice->mend,
            "mount -o remount,huge=advise %.100s (from Linux 6.1 on there is no need for it); then "
            "huge_pages: advise in the pipeline file",
            shm);
}

static void check_io_uring(struct list *list)
{
    struct mr_error err;
    void *device;
    if (mr_io_uring.open(&device, 8, &err) == MR_OK) {
        mr_io_uring.close(device);
        return;
    }
    struct mr_advice *advice = add(list);
    SAY(advice->found, "io_uring is refused: %.150s", err.text);
    SAY(advice->costs,
        "the loader writes with pwrite and waits for each: nothing is read or counted "
        "meanwhile");
    SAY(advice->mend, "sysctl kernel.io_uring_disabled=0; in a container: --security-opt "
                      "seccomp=PROFILE with io_uring_setup, _enter and _register");
}

static void check_locked_memory(struct list *list)
{
    struct rlimit limit;
    if (geteuid() == 0 || getrlimit(RLIMIT_MEMLOCK, &limit) < 0 ||
        limit.rlim_cur >= (rlim_t)2 * RING_BYTES)
        return;
    struct mr_advice *advice = add(list);
    SAY(advice->found, "RLIMIT_MEMLOCK is %llu KiB", (unsigned long long)limit.rlim_cur >> 10);
    SAY(advice->costs,
        "rings of %u MiB cannot be locked or registered: a page that was swapped out is "
        "milliseconds",
        RING_BYTES >> 20);
    SAY(advice->mend, "ulimit -l unlimited (limits.conf: memlock); systemd: LimitMEMLOCK=infinity");
}

static unsigned count_mitigations(void)
{
    const char *root = "/sys/devices/system/cpu/vulnerabilities";
    char path[400], line[256];
    unsigned count = 0;
    DIR *directory = opendir(root);
    for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", root, entry->d_name);
        if (entry->d_name[0] != '.')
            count += strncmp(line_of(path, line, sizeof line), "Mitigation:", 11) == 0;
    }
    if (directory)
        closedir(directory);
    return count;
}

static void check_mitigations(struct list *list)
{
    unsigned active = count_mitigations();
    if (active == 0)
        return;
    struct mr_advice *advice = add(list);
    SAY(advice->found, "mitigations of %u CPU flaws are active", active);
    SAY(advice->costs, "%.0f ns a system call, two or three a write; none a record", syscall_ns());
    SAY(advice->mend, "kernel option mitigations=off, only where nothing untrusted ever runs");
}

unsigned mr_bench_advise(struct mr_advice out[MR_ADVICE_MAX])
{
    struct list list = {.items = out};
    check_cores(&list);
    check_jitter(&list);
    check_governor(&list);
    check_clock(&list);
    check_huge_pages(&list);
    check_io_uring(&list);
    check_locked_memory(&list);
    check_mitigations(&list);
    return list.count;
}
