// SPDX-License-Identifier: Apache-2.0
// `millrace bench hiccup`: options and what is printed; cli/bench_hiccup.c measures.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/bench_hiccup.h"
#include "cli/bench_raw_rtt.h"
#include "cli/cli.h"
#include "core/formats/json_out.h"
#include "core/pipeline/report.h"

// 0: one core.
static uint64_t raw_rtt_ns(void)
{
    static struct mr_histogram rtt_ns;
    struct mr_error err;
    if (mr_bench_raw_rtt(MR_RAW_RTT_PROBE, &rtt_ns, &err) != MR_OK)
        return 0;
    return mr_histogram_percentile(&rtt_ns, 50);
}

static void show(const struct mr_hiccup_profile *profile, double seconds, const char *machine)
{
    char core[32];
    printf("%s\n\nan idle loop on each core for %g s: how late it was for a call due each "
           "microsecond\n",
           machine, seconds);
    mr_bench_show_distribution_heading("ns");
    for (unsigned i = 0; i < profile->count; i++) {
        snprintf(core, sizeof core, "core %d", profile->cores[i]);
        mr_bench_show_distribution(core, &profile->late_ns[i]);
    }
    for (unsigned i = 0; i < profile->count; i++)
        printf("  core %d stood still for more than 10 us %.1f times a second\n", profile->cores[i],
               (double)profile->gaps[i] / seconds);
    printf("  bare cache line there and back, p50: %" PRIu64 " ns\n", raw_rtt_ns());
}

static void show_json(const struct mr_hiccup_profile *profile, double seconds, const char *machine)
{
    struct mr_json json;
    mr_json_init(&json, 0);
    mr_json_open(&json, NULL, '{');
    mr_json_text(&json, "bench", "hiccup");
    mr_json_text(&json, "machine", machine);
    mr_json_real(&json, "seconds", seconds);
    mr_json_u64(&json, "raw_rtt_ns", raw_rtt_ns());
    mr_json_open(&json, "cores", '[');
    for (unsigned i = 0; i < profile->count; i++) {
        const struct mr_histogram *late_ns = &profile->late_ns[i];
        mr_json_open(&json, NULL, '{');
        mr_json_i64(&json, "core", profile->cores[i]);
        mr_json_u64(&json, "n", late_ns->count);
        for (unsigned p = 0; p < MR_REPORT_PERCENTILES; p++)
            mr_json_u64(&json, mr_report_percentile_names[p],
                        mr_histogram_percentile(late_ns, mr_report_percentiles[p]));
        mr_json_u64(&json, "max", late_ns->max_ns);
        mr_json_real(&json, "gaps_per_second", (double)profile->gaps[i] / seconds);
        mr_json_close(&json);
    }
    mr_json_close(&json);
    mr_json_close(&json);
    fputs(mr_json_finish(&json), stdout);
    mr_json_free(&json);
}

static int save(const struct mr_hiccup_profile *profile, const char *directory,
                struct mr_error *err)
{
    char path[600];
    if (mkdir(directory, 0777) < 0 && errno != EEXIST)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create the directory", directory);
    for (unsigned i = 0; i < profile->count; i++) {
        snprintf(path, sizeof path, "%s/hiccup-core-%d.hgrm", directory, profile->cores[i]);
        int code = mr_bench_save_hgrm(&profile->late_ns[i], path, err);
        if (code != MR_OK)
            return code;
    }
    return MR_OK;
}

int mr_bench_hiccup_main(int argc, char **argv)
{
    struct mr_hiccup_profile profile;
    struct mr_arg_list words;
    struct mr_error err;
    double seconds = 5;
    const char *hgrm = NULL;
    bool json = false;
    char machine[512];
    int code;
    const struct mr_arg table[] = {{"seconds", "S", "how long (default 5)", MR_ARG_REAL, &seconds},
                                   {"hgrm", "DIRECTORY",
                                    "write each core's distribution there as an .hgrm file",
                                    MR_ARG_TEXT, &hgrm},
                                   {"json", NULL, "print one JSON object", MR_ARG_SWITCH, &json},
                                   {0}};
    const struct mr_usage usage = {
        .command = "bench hiccup",
        .words = "",
        .about = "What this machine does to a loop that does nothing, on each core: a tail that is "
                 "no longer than this one is the machine's, not the program's.",
        .args = table};
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    if (!(seconds > 0 && seconds <= 3600))
        code = mr_fail(&err, MR_ERR_USAGE, "--seconds: found %g, expected up to 3600", seconds);
    else
        code = mr_bench_hiccup(seconds, &profile, &err);
    if (code != MR_OK)
        return mr_cli_fail("bench hiccup", &err);
    mr_bench_machine(machine, sizeof machine);
    if (json)
        show_json(&profile, seconds, machine);
    else
        show(&profile, seconds, machine);
    if (hgrm && (code = save(&profile, hgrm, &err)) != MR_OK)
        mr_cli_fail("bench hiccup", &err);
    mr_hiccup_free(&profile);
    return code;
}
