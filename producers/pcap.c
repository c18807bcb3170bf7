// SPDX-License-Identifier: Apache-2.0
// Source `pcap`: ITCH 5.0 in MoldUDP64 in UDP, out of a capture file (pcap or pcapng, micro- or
// nanoseconds).
//
// sequence = MoldUDP64 sequence; ingest time = capture time; event time = the message's own time.
//
// Session and sequence are checked message by message:
//   - a gap makes one `gap` record (counted as taken in and out, so that the balance holds), and
//   the next
//     record has MR_FLAG_GAP_BEFORE
//   - a message seen before is counted as duplicate; one that fills a gap reported already, as late
//   - heartbeats and ends of session say what should have come: they show gaps too
// Packets that are no MoldUDP64, or of another group or port, are counted and passed over.
//
// A capture that is cut: what is whole is delivered, then MR_ERR_INPUT names the offset.
//
// Resuming: the mark is the number of packets, and of messages in the packet at hand. The capture
// is walked up to it in silence, which rebuilds symbols and sequence state.
#include <arpa/inet.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/formats/moldudp64.h"
#include "core/formats/packet.h"
#include "core/log.h"
#include "producers/itch_feed.h"
#include "producers/pace.h"
#include "producers/session_date.h"

#define TIME_END_SECONDS 7258118400 // the year 2200 begins
#define SESSIONS_MAX 64

struct options {
    const char *path;
    const char *pace;
    const char *date;
    const char *timezone;
    const char *group;
    int64_t port;
};

static const struct mr_option option_table[] = {
    {"path", MR_OPTION_STRING, offsetof(struct options, path), MR_OPTION_REQUIRED,
     "the capture, pcap or pcapng", NULL},
    {"pace", MR_OPTION_STRING, offsetof(struct options, pace), "asap",
     "asap, realtime, or a factor of it such as 10x, by capture time", NULL},
    {"date", MR_OPTION_STRING, offsetof(struct options, date), NULL,
     "day of the session, YYYY-MM-DD; without it, the day of capture", NULL},
    {"timezone", MR_OPTION_STRING, offsetof(struct options, timezone), "America/New_York",
     "zone whose midnight the messages count from", NULL},
    {"group", MR_OPTION_STRING, offsetof(struct options, group), NULL,
     "only packets to this address, e.g. 233.54.12.111", NULL},
    {"port", MR_OPTION_INT, offsetof(struct options, port), "0",
     "only packets to this UDP port; 0: any", NULL},
    {0}};

enum {
    COUNTER_PACKETS,
    COUNTER_OTHER_PACKETS,
    COUNTER_FRAGMENTS,
    COUNTER_CUT_PACKETS,
    COUNTER_HEARTBEATS,
    COUNTER_END_OF_SESSION,
    COUNTER_SESSIONS,
    COUNTER_GAPS,
    COUNTER_GAP_MESSAGES,
    COUNTER_DUPLICATES,
    COUNTER_LATE,
};
static const char *const counter_names[] = {
    "packets",  "other_packets", "fragments",    "cut_packets", "heartbeats", "end_of_session",
    "sessions", "gaps",          "gap_messages", "duplicates",  "late",       NULL};

struct mark {
    uint64_t packets;  // wholly done
    uint64_t messages; // done of the packet after them
};
_Static_assert(sizeof(struct mark) <= MR_STAGE_MARK_BYTES, "mark");

struct session {
    struct mr_mold_tracker tracker;
    bool gap_before; // the next record follows a gap
};

struct capture {
    struct mr_itch_feed feed;
    struct mr_pace pace;
    struct mark mark;
    pcap_t *input;
    enum mr_link link;
    uint8_t group[16];
    uint8_t group_version; // 0: any, 4, 6
    bool silent;           // finding one's place again: nothing is emitted or counted
    bool has_midnight;
    int64_t day_ends_ns; // of the midnight derived from capture times
    // the packet at hand
    bool has_frame; // read, not opened yet
    bool in_packet; // opened, and has messages left
    const u_char *frame;
    size_t captured_bytes, original_bytes;
    int64_t capture_time_ns;
    struct mr_mold_packet packet;
    struct session *session;
    // sessions, in order of appearance; the oldest makes room
    unsigned session_count, session_next;
    struct session sessions[SESSIONS_MAX];
};

static void count(struct mr_source_run *run, unsigned counter, uint64_t add)
{
    const struct capture *capture = run->self;
    if (!capture->silent)
        mr_source_count(run, counter, add);
}

// ---- sessions and gaps

static struct session *find_session(struct capture *capture, const uint8_t *name)
{
    for (unsigned i = 0; i < capture->session_count; i++)
        if (memcmp(capture->sessions[i].tracker.session, name, MR_MOLD_SESSION_BYTES) == 0)
            return &capture->sessions[i];
    return NULL;
}

static struct session *add_session(struct mr_source_run *run, const uint8_t *name)
{
    struct capture *capture = run->self;
    struct session *session = &capture->sessions[capture->session_next];
    capture->session_next = (capture->session_next + 1) % SESSIONS_MAX;
    if (capture->session_count < SESSIONS_MAX)
        capture->session_count++;
    *session = (struct session){0};
    memcpy(session->tracker.session, name, MR_MOLD_SESSION_BYTES);
    count(run, COUNTER_SESSIONS, 1);
    return session;
}

// False where the stage was halted.
static bool emit_gap(struct mr_source_run *run, uint64_t next_sequence, uint64_t lost)
{
    struct capture *capture = run->self;
    capture->session->gap_before = true;
    if (capture->silent)
        return true;
    mr_source_count(run, COUNTER_GAPS, 1);
    mr_source_count(run, COUNTER_GAP_MESSAGES, lost);
    mr_source_take(run);
    void *record = mr_stage_claim(run->stage, MR_PORT_MAIN, sizeof(struct mr_gap));
    struct mr_gap *gap = record;
    if (!gap) {
        mr_source_dropped(run);
        return !run->stage->halted;
    }
    mr_record_begin(mr_market_schema(MR_SCHEMA_GAP), gap);
    gap->env.sequence = next_sequence - lost;
    gap->env.event_time_ns = capture->capture_time_ns;
    gap->env.ingest_time_ns = capture->capture_time_ns;
    gap->from_sequence = next_sequence - lost;
    gap->to_sequence = next_sequence - 1;
    gap->lost = lost;
    memcpy(gap->session, capture->packet.session, sizeof gap->session);
    mr_stage_emit(run->stage, MR_PORT_MAIN);
    mr_source_out(run);
    return true;
}

// ---- messages

static void count_repeated(struct mr_source_run *run, enum mr_mold_verdict verdict)
{
    const struct capture *capture = run->self;
    bool late = verdict == MR_MOLD_LATE;
    if (capture->silent)
        return;
    mr_source_take(run);
    run->stage->now.counts[late ? MR_COUNT_LATE : MR_COUNT_DUPLICATE]++;
    mr_source_count(run, late ? COUNTER_LATE : COUNTER_DUPLICATES, 1);
}

// False where the stage was halted.
static bool take_message(struct mr_source_run *run, const struct mr_mold_message *message)
{
    struct capture *capture = run->self;
    struct session *session = capture->session;
    uint64_t lost;
    enum mr_mold_verdict verdict = mr_mold_judge(&session->tracker, message->sequence, &lost);
    if (verdict == MR_MOLD_DUPLICATE || verdict == MR_MOLD_LATE) {
        count_repeated(run, verdict);
        return true;
    }
    if (verdict == MR_MOLD_AFTER_GAP && !emit_gap(run, message->sequence, lost))
        return false;
    uint16_t flags = session->gap_before ? MR_FLAG_GAP_BEFORE : 0;
    session->gap_before = false;
    if (capture->silent) {
        if (mr_itch_check(message->bytes, message->length) == MR_ITCH_GOOD)
            mr_itch_learn(message->bytes, &capture->feed.symbols);
        return true;
    }
    struct mr_itch_arrival arrival = {message->bytes,
                                      message->length,
                                      message->sequence,
                                      capture->mark.packets + 1,
                                      "packet",
                                      capture->capture_time_ns,
                                      flags};
    return mr_itch_feed_take(run, &capture->feed, &arrival);
}

static void end_packet(struct mr_source_run *run)
{
    struct capture *capture = run->self;
    if (capture->packet.cut) {
        count(run, COUNTER_CUT_PACKETS, 1);
        if (!capture->silent)
            mr_warn("%s: packet %llu: ends after %u of %u messages", capture->feed.path,
                    (unsigned long long)capture->mark.packets + 1, capture->packet.index,
                    capture->packet.count);
    }
    capture->in_packet = false;
    capture->mark.packets++;
    capture->mark.messages = 0;
}

// ---- packets

// Messages only say when in the day they are: the day is the option's, or that of the capture.
static int find_midnight(struct mr_source_run *run, struct mr_error *err)
{
    struct capture *capture = run->self;
    const struct options *options = run->options;
    char date[MR_DATE_BYTES];
    if (capture->has_midnight &&
        (options->date || (capture->capture_time_ns < capture->day_ends_ns &&
                           capture->capture_time_ns >= capture->feed.midnight_ns)))
        return MR_OK;
    capture->has_midnight = true;
    if (options->date)
        return mr_session_midnight(options->date, options->timezone, &capture->feed.midnight_ns,
                                   err);
    int code = mr_session_date_at(capture->capture_time_ns, options->timezone, date, err);
    if (code == MR_OK)
        code = mr_session_midnight(date, options->timezone, &capture->feed.midnight_ns, err);
    capture->day_ends_ns = capture->feed.midnight_ns + MR_ITCH_DAY_NS;
    return code;
}

static bool is_wanted(const struct mr_source_run *run, const struct mr_datagram *datagram)
{
    const struct capture *capture = run->self;
    const struct options *options = run->options;
    if (options->port != 0 && datagram->destination_port != options->port)
        return false;
    if (capture->group_version == 0)
        return true;
    return datagram->ip_version == capture->group_version &&
           memcmp(datagram->destination, capture->group, capture->group_version == 4 ? 4 : 16) == 0;
}

// A heartbeat or end of session: no messages, but the number of the next. False where halted.
static bool take_announcement(struct mr_source_run *run, enum mr_mold_kind kind)
{
    struct capture *capture = run->self;
    struct mr_mold_tracker *tracker = &capture->session->tracker;
    uint64_t next = capture->packet.sequence;
    count(run, kind == MR_MOLD_HEARTBEAT ? COUNTER_HEARTBEATS : COUNTER_END_OF_SESSION, 1);
    tracker->ended |= kind == MR_MOLD_END;
    uint64_t lost = mr_mold_catch_up(tracker, next);
    return lost == 0 || emit_gap(run, next, lost);
}

// The frame's messages become the packet at hand, if it has any for us. False where halted.
static bool open_frame(struct mr_source_run *run)
{
    struct capture *capture = run->self;
    struct mr_datagram datagram;
    count(run, COUNTER_PACKETS, 1);
    enum mr_packet_kind kind =
        mr_packet_open(capture->link, capture->frame, capture->captured_bytes, &datagram);
    if (kind != MR_PACKET_UDP || !is_wanted(run, &datagram)) {
        count(run, kind == MR_PACKET_FRAGMENT ? COUNTER_FRAGMENTS : COUNTER_OTHER_PACKETS, 1);
        return true;
    }
    bool whole = !datagram.cut && capture->captured_bytes >= capture->original_bytes;
    const uint8_t *payload = datagram.payload;
    if (datagram.payload_bytes >= MR_MOLD_HEADER_BYTES)
        capture->session = find_session(capture, payload);
    else
        capture->session = NULL;
    if (!capture->session && !mr_mold_is_plausible(payload, datagram.payload_bytes, whole)) {
        count(run, COUNTER_OTHER_PACKETS, 1);
        return true;
    }
    if (!capture->session)
        capture->session = add_session(run, payload);
    enum mr_mold_kind mold = mr_mold_open(&capture->packet, payload, datagram.payload_bytes);
    if (mold != MR_MOLD_MESSAGES)
        return take_announcement(run, mold);
    capture->in_packet = true;
    return true;
}

static enum mr_poll fail_cut(struct mr_source_run *run)
{
    struct capture *capture = run->self;
    mr_fail(&run->err, MR_ERR_INPUT,
            "%s: byte %ld: packet %llu: %s; the %llu packets before it were taken",
            capture->feed.path, ftell(pcap_file(capture->input)),
            (unsigned long long)capture->mark.packets + 1, pcap_geterr(capture->input),
            (unsigned long long)capture->mark.packets);
    return MR_POLL_FAILED;
}

// What can be told in nanoseconds, and is a day that a session can have (producers/session_date.h).
static bool take_time(struct mr_source_run *run, const struct timeval *stamp)
{
    struct capture *capture = run->self;
    if (stamp->tv_sec < 0 || stamp->tv_sec >= TIME_END_SECONDS) {
        mr_fail(&run->err, MR_ERR_INPUT,
                "%s: packet %llu: found the time stamp %lld s, expected one of 1970-2199; the %llu "
                "packets before it were taken",
                capture->feed.path, (unsigned long long)capture->mark.packets + 1,
                (long long)stamp->tv_sec, (unsigned long long)capture->mark.packets);
        return false;
    }
    // Opened with nanosecond precision: tv_usec holds nanoseconds.
    capture->capture_time_ns = (int64_t)stamp->tv_sec * 1000000000 + stamp->tv_usec;
    return true;
}

// Reads the next frame; nothing is counted yet.
static enum mr_poll fetch_frame(struct mr_source_run *run)
{
    struct capture *capture = run->self;
    struct pcap_pkthdr *header;
    int got = pcap_next_ex(capture->input, &header, &capture->frame);
    if (got == PCAP_ERROR_BREAK) {
        if (capture->session_count == 0)
            mr_warn("%s: found no MoldUDP64 in its %llu packets", capture->feed.path,
                    (unsigned long long)capture->mark.packets);
        return MR_POLL_END;
    }
    if (got != 1)
        return fail_cut(run);
    capture->has_frame = true;
    capture->captured_bytes = header->caplen;
    capture->original_bytes = header->len;
    return take_time(run, &header->ts) && find_midnight(run, &run->err) == MR_OK ? MR_POLL_MORE
                                                                                 : MR_POLL_FAILED;
}

static bool is_due(struct mr_source_run *run, struct capture *capture)
{
    if (capture->pace.factor == 0 || capture->silent)
        return true;
    int64_t due = mr_pace_due_mono_ns(&capture->pace, capture->capture_time_ns);
    if (due <= mr_mono_ns())
        return true;
    run->wake_mono_ns = due;
    return false;
}

// The next packet, when it is due. One without messages for us is done with at once.
static enum mr_poll next_packet(struct mr_source_run *run)
{
    struct capture *capture = run->self;
    enum mr_poll polled = capture->has_frame ? MR_POLL_MORE : fetch_frame(run);
    if (polled != MR_POLL_MORE)
        return polled;
    if (!is_due(run, capture))
        return MR_POLL_IDLE;
    capture->has_frame = false;
    if (open_frame(run) && !capture->in_packet)
        capture->mark.packets++;
    return MR_POLL_MORE;
}

// One step takes a message; the first of a packet in the step that opens it, so that a mark between
// packets never has half of one's counts.
static enum mr_poll step(struct mr_source_run *run)
{
    struct capture *capture = run->self;
    struct mr_mold_message message;
    if (!capture->in_packet) {
        enum mr_poll polled = next_packet(run);
        if (!capture->in_packet)
            return polled;
    }
    if (!mr_mold_next(&capture->packet, &message))
        end_packet(run);
    else if (take_message(run, &message))
        capture->mark.messages++;
    return MR_POLL_MORE;
}

static enum mr_poll poll_capture(struct mr_source_run *run)
{
    struct capture *capture = run->self;
    struct mr_stage *stage = run->stage;
    enum mr_poll polled;
    uint64_t steps = 0;
    uint64_t steps_max = 1 + stage->pipeline->batch_bytes_max / MR_ITCH_RECORD_BYTES_MAX;
    do
        polled = step(run);
    while (polled == MR_POLL_MORE && !stage->halted && ++steps < steps_max &&
           !mr_stage_should_commit(stage));
    memcpy(run->mark, &capture->mark, sizeof capture->mark);
    return polled;
}

// ---- opening

static int find_link(struct capture *capture, struct mr_error *err)
{
    int type = pcap_datalink(capture->input);
    const char *name = pcap_datalink_val_to_name(type);
    switch (type) {
    case DLT_EN10MB:
        capture->link = MR_LINK_ETHERNET;
        return MR_OK;
    case DLT_LINUX_SLL:
        capture->link = MR_LINK_LINUX_COOKED;
        return MR_OK;
    case DLT_LINUX_SLL2:
        capture->link = MR_LINK_LINUX_COOKED_2;
        return MR_OK;
    case DLT_RAW:
    case DLT_IPV4:
    case DLT_IPV6:
        capture->link = MR_LINK_RAW_IP;
        return MR_OK;
    case DLT_NULL:
    case DLT_LOOP:
        capture->link = MR_LINK_NULL;
        return MR_OK;
    default:
        return mr_fail(
            err, MR_ERR_INPUT,
            "%s: found link type %d (%s), expected Ethernet, Linux cooked, raw IP or loopback",
            capture->feed.path, type, name ? name : "unknown");
    }
}

static int parse_group(const char *text, uint8_t group[16], uint8_t *version, struct mr_error *err)
{
    *version = 0;
    if (text == NULL)
        return MR_OK;
    if (inet_pton(AF_INET, text, group) == 1)
        *version = 4;
    else if (inet_pton(AF_INET6, text, group) == 1)
        *version = 6;
    else
        return mr_fail(err, MR_ERR_CONFIG, "found \"%s\", expected an IPv4 or IPv6 address", text);
    return MR_OK;
}

static int declare(const void *bound, const struct mr_pipeline *pipeline, struct mr_schema_set *out,
                   struct mr_error *err)
{
    const struct options *options = bound;
    const struct mr_node *node = pipeline->source_node;
    struct mr_pace pace;
    struct mr_error why;
    uint8_t group[16], version;
    int64_t midnight_ns;
    if (access(options->path, R_OK) != 0)
        return mr_source_fail_path(node, options->path, err);
    if (mr_pace_parse(&pace, options->pace, &why) != MR_OK)
        return mr_config_fail(mr_config_child(node, "pace"), err, "%s", why.text);
    if (parse_group(options->group, group, &version, &why) != MR_OK)
        return mr_config_fail(mr_config_child(node, "group"), err, "%s", why.text);
    if (options->port < 0 || options->port > UINT16_MAX)
        return mr_config_fail(mr_config_child(node, "port"), err, "found %lld, expected 0 to 65535",
                              (long long)options->port);
    if (mr_session_midnight(options->date ? options->date : "2000-01-01", options->timezone,
                            &midnight_ns, &why) != MR_OK)
        return mr_config_fail(node, err, "%s", why.text);
    int code = mr_market_schemas_range(out, MR_SCHEMA_ITCH_FIRST, MR_SCHEMA_ITCH_LAST, err);
    return code != MR_OK ? code : mr_market_schemas_range(out, MR_SCHEMA_GAP, MR_SCHEMA_GAP, err);
}

// Walks in silence to where the last process stopped.
static int find_place(struct mr_source_run *run, const struct mark *goal, struct mr_error *err)
{
    struct capture *capture = run->self;
    enum mr_poll polled = MR_POLL_MORE;
    capture->silent = true;
    while (polled == MR_POLL_MORE &&
           (capture->mark.packets < goal->packets || capture->mark.messages < goal->messages)) {
        polled = step(run);
        mr_stage_beat(run->stage);
    }
    capture->silent = false;
    if (capture->mark.packets == goal->packets && capture->mark.messages == goal->messages)
        return MR_OK;
    return mr_fail(
        err, MR_ERR_INPUT,
        "%s: the capture has changed since the last run: expected more than %llu packets",
        capture->feed.path, (unsigned long long)capture->mark.packets);
}

static int start(struct mr_source_run *run, struct capture *capture, struct mr_error *err)
{
    const struct options *options = run->options;
    char why[PCAP_ERRBUF_SIZE] = "";
    struct mark goal;
    capture->feed.path = options->path;
    int code = mr_pace_parse(&capture->pace, options->pace, err);
    if (code == MR_OK)
        code = parse_group(options->group, capture->group, &capture->group_version, err);
    if (code != MR_OK)
        return code;
    capture->input =
        pcap_open_offline_with_tstamp_precision(options->path, PCAP_TSTAMP_PRECISION_NANO, why);
    if (!capture->input)
        return mr_fail(err, MR_ERR_INPUT, "%s: byte 0: expected a pcap or pcapng capture: %s",
                       options->path, why);
    if ((code = find_link(capture, err)) != MR_OK || !run->resumed)
        return code;
    memcpy(&goal, run->mark, sizeof goal);
    return find_place(run, &goal, err);
}

static void close_capture(struct mr_source_run *run)
{
    struct capture *capture = run->self;
    if (!capture)
        return;
    if (capture->input)
        pcap_close(capture->input);
    free(capture);
    run->self = NULL;
}

static int open_capture(struct mr_source_run *run, struct mr_error *err)
{
    run->self = calloc(1, sizeof(struct capture));
    if (!run->self)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for source pcap");
    int code = start(run, run->self, err);
    if (code != MR_OK)
        close_capture(run);
    return code;
}

const struct mr_source mr_source_pcap = {
    .name = "pcap",
    .about = "ITCH 5.0 in MoldUDP64, out of a pcap or pcapng capture",
    .options = option_table,
    .options_bytes = sizeof(struct options),
    .counters = counter_names,
    .again = MR_AGAIN_SAME,
    .declare = declare,
    .open = open_capture,
    .poll = poll_capture,
    .close = close_capture,
};
