// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/bench.h"
#include "core/clock.h"
#include "core/pipeline/report.h"
#include "ringbuf/wait.h"

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double mr_bench_median(double *values, unsigned count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void first_line_with(const char *path, const char *key, char *out, size_t out_bytes)
{
    char line[512];
    FILE *file = fopen(path, "re");
    snprintf(out, out_bytes, "unknown");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0) {
            const char *value = strchr(line, ':');
            value = value ? value + 2 : line;
            snprintf(out, out_bytes, "%.*s", (int)strcspn(value, "\n"), value);
            break;
        }
    if (file)
        fclose(file);
}

void mr_bench_machine(char *out, size_t out_bytes)
{
    char cpu[128], clock[64];
    struct utsname system;
    first_line_with("/proc/cpuinfo", "model name", cpu, sizeof cpu);
    first_line_with("/sys/devices/system/clocksource/clocksource0/current_clocksource", "", clock,
                    sizeof clock);
    uname(&system);
    snprintf(out, out_bytes, "%s, %u cores allowed, Linux %s, clock source %s, ticks %s", cpu,
             mr_allowed_cores(), system.release, clock,
             mr_tick_is_cpu_counter ? "from the CPU counter" : "from clock_gettime");
}

void mr_bench_show_rounds(const char *what, double *values, unsigned count, const char *unit)
{
    double median = mr_bench_median(values, count);
    printf("  %-28s %12.2f %12.2f %12.2f  %s\n", what, values[0], median, values[count - 1], unit);
}

void mr_bench_show_distribution_heading(const char *what)
{
    printf("  %-28s", what);
    for (unsigned i = 0; i < MR_REPORT_PERCENTILES; i++)
        printf(" %9s", mr_report_percentile_names[i]);
    printf(" %9s  count\n", "max");
}

void mr_bench_show_distribution(const char *what, const struct mr_histogram *histogram)
{
    printf("  %-28s", what);
    for (unsigned i = 0; i < MR_REPORT_PERCENTILES; i++)
        printf(" %9" PRIu64, mr_histogram_percentile(histogram, mr_report_percentiles[i]));
    printf(" %9" PRIu64 "  %" PRIu64 "\n", histogram->max_ns, histogram->count);
}

int mr_bench_save_hgrm(const struct mr_histogram *histogram, const char *path, struct mr_error *err)
{
    FILE *out = fopen(path, "we");
    if (!out)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create", path);
    int code = mr_histogram_write_hgrm(histogram, out, 1000.0);
    if (fclose(out) != 0 || code != MR_OK)
        return mr_fail(err, MR_ERR_OUTPUT, "%s: cannot be written", path);
    return MR_OK;
}
