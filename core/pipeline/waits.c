// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/waits.h"

#include <stdarg.h>
#include <string.h>

#include "core/log.h"

#define NAMEABLE_NS 100000000LL // a wait that is shorter is ordinary work

// ---- one stage ------------------------------------------------------------------------------------

static enum mr_ring_index output_ring(enum mr_role role, unsigned port)
{
    if (mr_role_is_producer(role))
        return port == MR_PORT_MAIN ? mr_ingress_ring(mr_role_source(role))
                                    : mr_dead_producer_ring(mr_role_source(role));
    return port == MR_PORT_MAIN ? MR_RING_EGRESS : MR_RING_DEAD_TRANSFORM;
}

static const char *whom(const struct mr_waits *waits, enum mr_role role, unsigned port)
{
    switch (waits->what) {
    case MR_WAIT_INPUT:
        if (role == MR_ROLE_TRANSFORM && port < MR_PRODUCERS_MAX)
            return mr_role_name(mr_producer_role(port));
        return mr_role_is_producer(role) ? "source" : mr_role_name(role - 1);
    case MR_WAIT_OUTPUT:
        return mr_role_name(mr_ring_reader(waits->ring));
    case MR_WAIT_DEVICE:
        return "device";
    default:
        return "";
    }
}

static int64_t wall_ns(const struct mr_report *report, int64_t mono_ns)
{
    return report->read_wall_ns - (report->read_mono_ns - mono_ns);
}

static int64_t since(const struct mr_report *report, int64_t mono_ns)
{
    return report->read_mono_ns > mono_ns ? report->read_mono_ns - mono_ns : 0;
}

// A run that is over has waited until it ended; a process that is gone, until its last sign of life.
static int64_t existed_ns(const struct mr_report *report, const struct mr_stage_report *stage)
{
    const struct mr_stage_gauges *gauges = &stage->gauges;
    int64_t until_ns = stage->alive            ? report->read_mono_ns
                       : gauges->ended_ns != 0 ? gauges->ended_ns
                                               : gauges->heartbeat_ns;
    return gauges->opened_ns != 0 && until_ns > gauges->opened_ns ? until_ns - gauges->opened_ns
                                                                  : 0;
}

// A wait for input ends unseen when work begins, and is taken note of after that work; but whoever waits
// gives signs of life, and whoever works on a batch does not.
static int64_t lasted_ns(const struct mr_report *report, const struct mr_stage_gauges *gauges)
{
    if (gauges->waiting_for != MR_WAIT_INPUT)
        return since(report, gauges->waiting_since_ns);
    int64_t until_beat_ns = gauges->heartbeat_ns - gauges->waiting_since_ns;
    return until_beat_ns > 0 ? until_beat_ns : 0;
}

// What its page says, where that can be. The last stage has nobody behind it: a chain of waits ends with it.
static enum mr_wait_for waiting_for(const struct mr_stage_report *stage, enum mr_role role)
{
    unsigned what = stage->gauges.waiting_for;
    bool possible = what < MR_WAITS_KINDS && !(role == MR_ROLE_LOADER && what == MR_WAIT_OUTPUT);
    return stage->alive && possible ? (enum mr_wait_for)what : MR_WAIT_NOTHING;
}

void mr_waits_of(const struct mr_report *report, enum mr_role role, struct mr_waits *out)
{
    const struct mr_stage_report *stage = &report->stages[role];
    const struct mr_stage_gauges *gauges = &stage->gauges;
    *out = (struct mr_waits){.whom = ""};
    memcpy(out->total_ns, gauges->waited_ns, sizeof out->total_ns);
    if (stage->alive)
        out->beat_age_ns = since(report, gauges->heartbeat_ns);
    out->what = waiting_for(stage, role);
    if (out->what != MR_WAIT_NOTHING) {
        out->ring = output_ring(role, gauges->waiting_port);
        out->whom = whom(out, role, gauges->waiting_port);
        out->lasted_ns = lasted_ns(report, gauges);
        out->since_wall_ns = wall_ns(report, gauges->waiting_since_ns);
        out->total_ns[out->what] += (uint64_t)out->lasted_ns;
    }
    int64_t whole_ns = existed_ns(report, stage);
    for (unsigned kind = 0; kind < MR_WAITS_KINDS && whole_ns > 0; kind++) {
        double share = (double)out->total_ns[kind] / (double)whole_ns;
        out->share[kind] = share < 1 ? share : 1;
    }
}

const char *mr_waits_for_text(const struct mr_waits *waits, enum mr_role role, char *out,
                              size_t out_bytes)
{
    switch (waits->what) {
    case MR_WAIT_INPUT:
        snprintf(out, out_bytes, mr_role_is_producer(role) ? "its source" : "records of the %s",
                 waits->whom);
        break;
    case MR_WAIT_OUTPUT:
        snprintf(out, out_bytes, "room in the %s ring", mr_ring_index_name(waits->ring));
        break;
    case MR_WAIT_DEVICE:
        snprintf(out, out_bytes, "its device");
        break;
    default:
        snprintf(out, out_bytes, "nothing");
    }
    return out;
}

// ---- the device -----------------------------------------------------------------------------------

void mr_waits_device(const struct mr_report *report, struct mr_device_waits *out)
{
    static const char *const calls[] = {"none", "write", "sync", "reserve", "change"};
    const struct mr_stage_report *loader = &report->stages[MR_ROLE_LOADER];
    const struct mr_device_gauges *device = &loader->gauges.device;
    *out = (struct mr_device_waits){.call = calls[MR_CALL_NONE]};
    if (!loader->alive)
        return;
    if (device->refused_errno != 0) {
        out->no_room = true;
        out->no_room_ns = since(report, device->refused_since_ns);
        out->no_room_since_wall_ns = wall_ns(report, device->refused_since_ns);
    }
    if (device->syncing_since_ns != 0)
        out->syncing_ns = since(report, device->syncing_since_ns);
    if (device->call != MR_CALL_NONE) {
        out->call = device->call < MR_COUNT_OF(calls) ? calls[device->call] : "damaged";
        out->call_ns = since(report, loader->gauges.heartbeat_ns);
    }
}

// ---- the chain ------------------------------------------------------------------------------------

struct chain {
    const struct mr_report *report;
    char *text;
    size_t room, used;
};

static void say(struct chain *chain, const char *format, ...) MR_PRINTF(2, 3);
static void say(struct chain *chain, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(chain->text + chain->used, chain->room - chain->used, format, args);
    va_end(args);
    if (wrote > 0)
        chain->used = mr_min_u64(chain->used + (size_t)wrote, chain->room - 1);
}

static void say_wait(struct chain *chain, enum mr_role role, const struct mr_waits *waits)
{
    char lasted[32], what[64];
    say(chain, "%sthe %s waits %s for %s", chain->used ? ": " : "", mr_role_name(role),
        mr_report_duration_text((double)waits->lasted_ns, lasted, sizeof lasted),
        mr_waits_for_text(waits, role, what, sizeof what));
}

static void say_stall(struct chain *chain, enum mr_role role)
{
    const struct mr_stage_report *stage = &chain->report->stages[role];
    char lasted[32];
    say(chain, "%sthe %s (pid %u) has shown no sign of life for %s: %s", chain->used ? ": " : "",
        mr_role_name(role), stage->gauges.pid,
        mr_report_duration_text((double)since(chain->report, stage->stall.since_ns), lasted,
                                sizeof lasted),
        mr_stall_text(stage->stall.cause));
}

// What the loader's device is at, the gravest first.
static void say_device(struct chain *chain)
{
    const struct mr_device_gauges *gauges = &chain->report->stages[MR_ROLE_LOADER].gauges.device;
    struct mr_device_waits device;
    char lasted[32];
    mr_waits_device(chain->report, &device);
    if (device.no_room)
        say(chain, ": no room for %s: %s",
            mr_report_duration_text((double)device.no_room_ns, lasted, sizeof lasted),
            gauges->refused_what);
    else if (device.call_ns > NAMEABLE_NS)
        say(chain, ": a %s has not returned for %s", device.call,
            mr_report_duration_text((double)device.call_ns, lasted, sizeof lasted));
    else if (device.syncing_ns > NAMEABLE_NS)
        say(chain, ": a sync has been running for %s",
            mr_report_duration_text((double)device.syncing_ns, lasted, sizeof lasted));
}

static bool is_pressed(const struct mr_waits *waits)
{
    return (waits->what == MR_WAIT_OUTPUT || waits->what == MR_WAIT_DEVICE) &&
           waits->lasted_ns >= NAMEABLE_NS;
}

// Its process is gone, though it is not through.
static bool is_missing(const struct mr_report *report, enum mr_role role)
{
    const struct mr_stage_report *stage = &report->stages[role];
    return !stage->alive && stage->gauges.phase != MR_PHASE_DONE;
}

// From this stage to the end of what it waits for.
static enum mr_chain follow(struct chain *chain, enum mr_role role)
{
    for (;;) {
        const struct mr_stage_report *stage = &chain->report->stages[role];
        struct mr_waits waits;
        mr_waits_of(chain->report, role, &waits);
        if (stage->stall.since_ns != 0) {
            say_stall(chain, role);
            if (role == MR_ROLE_LOADER && stage->stall.cause == MR_STALL_DEVICE)
                say_device(chain);
            return MR_CHAIN_STALLED;
        }
        if (chain->used > 0 && is_missing(chain->report, role)) {
            say(chain, ": the %s is not running", mr_role_name(role));
            return MR_CHAIN_BROKEN;
        }
        if (waits.what == MR_WAIT_INPUT && waits.lasted_ns >= NAMEABLE_NS) { // of another source
            say_wait(chain, role, &waits);
            return MR_CHAIN_PRESSED;
        }
        if (!is_pressed(&waits)) {
            say(chain, ": the %s is at work", mr_role_name(role));
            return MR_CHAIN_PRESSED;
        }
        say_wait(chain, role, &waits);
        if (waits.what == MR_WAIT_DEVICE) {
            say_device(chain);
            return MR_CHAIN_PRESSED;
        }
        role = mr_ring_reader(waits.ring); // always further behind: this ends
    }
}

// Nobody is in another's way: all wait for the source.
static enum mr_chain look_idle(struct chain *chain)
{
    struct mr_waits waits;
    MR_EACH_ROLE (chain->report, role) {
        mr_waits_of(chain->report, role, &waits);
        if (role > MR_ROLE_LOADER && chain->report->stages[role].gauges.phase == MR_PHASE_DONE)
            continue;
        if (waits.what != MR_WAIT_INPUT || waits.lasted_ns < NAMEABLE_NS)
            return MR_CHAIN_NONE;
    }
    mr_waits_of(chain->report, MR_ROLE_PRODUCER, &waits);
    say_wait(chain, MR_ROLE_PRODUCER, &waits);
    return MR_CHAIN_IDLE;
}

enum mr_chain mr_waits_chain(const struct mr_report *report, char *out, size_t out_bytes)
{
    struct chain chain = {.report = report, .text = out, .room = out_bytes};
    out[0] = '\0';
    // The one furthest in front: its chain leads past the others.
    MR_EACH_ROLE (report, role) {
        struct mr_waits waits;
        mr_waits_of(report, role, &waits);
        if (report->stages[role].stall.since_ns != 0 || is_pressed(&waits))
            return follow(&chain, role);
    }
    return look_idle(&chain);
}

void mr_waits_warn_draining(const struct mr_pipeline *pipeline)
{
    char text[MR_WAITS_TEXT_BYTES];
    struct mr_report *report = mr_report_new();
    if (mr_report_read(report, pipeline, NULL) == MR_OK &&
        mr_waits_chain(report, text, sizeof text) > MR_CHAIN_IDLE)
        mr_warn("draining waits: %s; a second signal halts at once, and the next run goes on from "
                "there",
                text);
    mr_report_free(report);
}

const char *mr_chain_name(enum mr_chain chain)
{
    static const char *const names[] = {"none", "idle", "pressed", "stalled", "broken"};
    return (unsigned)chain < MR_COUNT_OF(names) ? names[chain] : "unknown";
}
