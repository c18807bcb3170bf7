// SPDX-License-Identifier: Apache-2.0
// Captures written by the test, packet by packet, and the real ones.
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/formats/itch.h"
#include "core/formats/moldudp64.h"
#include "core/market.h"
#include "tests/support/samples.h"
#include "tests/support/source_fixture.h"

#define FIRST_SECOND 1692711000u // 2023-08-22 09:30 in New York
#define DELETE_BYTES 19

enum format { PCAP_NS, PCAP_US, PCAPNG_NS };

static uint8_t capture[1 << 20];
static size_t capture_bytes;
static unsigned packets;
static enum format format;
static char path[128];

static void put(const void *bytes, size_t length)
{
    memcpy(capture + capture_bytes, bytes, length);
    capture_bytes += length;
}
static void put_u32(uint32_t value)
{
    put(&value, sizeof value);
}
static void put_u16(uint16_t value)
{
    put(&value, sizeof value);
}

static void begin(enum format wanted)
{
    format = wanted;
    capture_bytes = 0;
    packets = 0;
    snprintf(path, sizeof path, "/dev/shm/millrace-unit-%d.pcap", (int)getpid());
    if (format != PCAPNG_NS) {
        put_u32(format == PCAP_NS ? 0xa1b23c4d : 0xa1b2c3d4);
        put_u16(2), put_u16(4), put_u32(0), put_u32(0), put_u32(65535), put_u32(1);
        return;
    }
    put_u32(0x0a0d0d0a), put_u32(28), put_u32(0x1a2b3c4d), put_u16(1), put_u16(0);
    put_u32(UINT32_MAX), put_u32(UINT32_MAX), put_u32(28); // section header
    put_u32(1), put_u32(32), put_u16(1), put_u16(0), put_u32(65535);
    put_u16(9), put_u16(1), put_u32(9); // time stamps in 10^-9 s
    put_u32(0), put_u32(32);            // interface
}

// A frame captured FIRST_SECOND + packets microseconds.
static void put_frame(const uint8_t *frame, uint32_t captured, uint32_t original)
{
    uint32_t padded = (captured + 3) & ~3u;
    uint64_t time_ns = FIRST_SECOND * 1000000000ull + packets * 1000;
    if (format == PCAPNG_NS) {
        put_u32(6), put_u32(32 + padded), put_u32(0);
        put_u32((uint32_t)(time_ns >> 32)), put_u32((uint32_t)time_ns);
        put_u32(captured), put_u32(original);
        put(frame, captured);
        put("\0\0\0", padded - captured);
        put_u32(32 + padded);
    } else {
        put_u32(FIRST_SECOND), put_u32(packets * (format == PCAP_NS ? 1000 : 1));
        put_u32(captured), put_u32(original);
        put(frame, captured);
    }
    packets++;
}

// Ethernet, one VLAN tag, IPv4, UDP to 233.54.12.111:26477.
static size_t wrap(uint8_t *frame, size_t payload)
{
    static const uint8_t head[] = {1,  0,  0x5e, 0x36, 12,  0x6f, 2,   0,   0,   0,  0,  1,  0x81,
                                   0,  0,  141,  8,    0,   0x45, 0,   0,   0,   0,  0,  0,  0,
                                   64, 17, 0,    0,    206, 200,  127, 138, 233, 54, 12, 111};
    memcpy(frame, head, sizeof head);
    mr_put_be16(frame + 20, (uint16_t)(28 + payload));
    mr_put_be16(frame + 38, 49653);
    mr_put_be16(frame + 40, 26477);
    mr_put_be16(frame + 42, (uint16_t)(8 + payload));
    mr_put_be16(frame + 44, 0);
    return 46 + payload;
}

// `count` order deletes with refs that are their sequence numbers.
static size_t make_packet(uint8_t *frame, const char *session, uint64_t sequence, uint16_t count)
{
    uint8_t *payload = frame + 46;
    size_t at = MR_MOLD_HEADER_BYTES;
    mr_mold_put_header(payload, (const uint8_t *)session, sequence, count);
    for (uint16_t i = 0; i < count && count != MR_MOLD_END_OF_SESSION; i++) {
        uint8_t *message = payload + at + 2;
        mr_put_be16(payload + at, DELETE_BYTES);
        memset(message, 0, DELETE_BYTES);
        message[0] = 'D';
        mr_put_be48(message + 5, 34200000000000ull + sequence + i);
        mr_put_be64(message + 11, sequence + i);
        at += 2 + DELETE_BYTES;
    }
    return wrap(frame, at);
}

static void put_packet(const char *session, uint64_t sequence, uint16_t count)
{
    uint8_t frame[4096];
    uint32_t length = (uint32_t)make_packet(frame, session, sequence, count);
    put_frame(frame, length, length);
}

static void open_capture(struct source_fixture *fixture, size_t length, const char *more)
{
    char yaml[256];
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(capture, 1, length, file), length);
    fclose(file);
    snprintf(yaml, sizeof yaml, "{type: pcap, path: %s%s}", path, more);
    source_fixture_open(fixture, yaml);
}

static void close_capture(struct source_fixture *fixture)
{
    cr_expect(source_fixture_balances(fixture));
    source_fixture_close(fixture);
    unlink(path);
}

static void expect_counter(const struct source_fixture *fixture, const char *name,
                           uint64_t expected)
{
    uint64_t found = source_fixture_counter(fixture, name);
    cr_expect_eq(found, expected, "%s: found %lu, expected %lu", name, (unsigned long)found,
                 (unsigned long)expected);
}

// A feed with everything: gap, duplicates, half an overlap, a late one, heartbeats, another session, noise.
static void write_eventful(enum format wanted)
{
    uint8_t noise[64] = {0};
    begin(wanted);
    put_packet("AAAAAAAAAA", 100, 3); // 100-102
    put_packet("AAAAAAAAAA", 103, 0); // heartbeat, nothing missing
    put_packet("AAAAAAAAAA", 102, 3); // 102 again, 103-104 new
    put_packet("BBBBBBBBBB", 1, 2);   // another session
    put_packet("AAAAAAAAAA", 108, 2); // 105-107 missing
    put_packet("AAAAAAAAAA", 106, 1); // one of them after all
    put_frame(noise, sizeof noise, sizeof noise);
    put_packet("AAAAAAAAAA", 112, 0);      // a heartbeat: 110-111 missing
    put_packet("AAAAAAAAAA", 112, 1);      // the first behind that gap
    put_packet("BBBBBBBBBB", 3, 0xFFFF);   // end of session, nothing missing
    put_packet("AAAAAAAAAA", 115, 0xFFFF); // end of session, 113-114 missing
}

static void expect_eventful(const struct source_fixture *fixture)
{
    expect_counter(fixture, "packets", 11);
    expect_counter(fixture, "other_packets", 1);
    expect_counter(fixture, "sessions", 2);
    expect_counter(fixture, "heartbeats", 2);
    expect_counter(fixture, "end_of_session", 2);
    expect_counter(fixture, "gaps", 3);
    expect_counter(fixture, "gap_messages", 7);
    expect_counter(fixture, "duplicates", 1);
    expect_counter(fixture, "late", 1);
    cr_expect_eq(source_fixture_count(fixture, MR_COUNT_DUPLICATE), 1);
    cr_expect_eq(source_fixture_count(fixture, MR_COUNT_LATE), 1);
    cr_expect_eq(source_fixture_count(fixture, MR_COUNT_OUT), 10 + 3, "messages and gap records");
    cr_expect_eq(source_fixture_count(fixture, MR_COUNT_IN), 12 + 3);
}

Test(pcap, gaps_duplicates_and_sessions)
{
    static const struct {
        uint64_t sequence;
        bool is_gap, gap_before;
    } expected[] = {{100, 0, 0}, {101, 0, 0}, {102, 0, 0}, {103, 0, 0}, {104, 0, 0},
                    {1, 0, 0},   {2, 0, 0},   {105, 1, 0}, {108, 0, 1}, {109, 0, 0},
                    {110, 1, 0}, {112, 0, 1}, {113, 1, 0}};
    struct source_fixture fixture;
    write_eventful(PCAP_NS);
    open_capture(&fixture, capture_bytes, "");
    cr_assert_eq(fixture.code, MR_OK, "%s", fixture.run.err.text);
    cr_expect_eq(source_fixture_drain(&fixture), MR_POLL_END);
    expect_eventful(&fixture);
    uint64_t position = 0;
    for (size_t i = 0; i < MR_COUNT_OF(expected); i++) {
        const struct mr_record *record = source_fixture_next(&fixture, MR_PORT_MAIN, &position);
        cr_assert_not_null(record);
        cr_expect_eq(record->sequence, expected[i].sequence, "record %zu", i);
        cr_expect_eq(record->schema_id == MR_SCHEMA_GAP, expected[i].is_gap);
        cr_expect_eq((record->flags & MR_FLAG_GAP_BEFORE) != 0, expected[i].gap_before);
        if (!expected[i].is_gap)
            cr_expect_eq(record->event_time_ns,
                         1692676800000000000LL + 34200000000000LL + (int64_t)record->sequence);
    }
    cr_expect_null(source_fixture_next(&fixture, MR_PORT_MAIN, &position));
    close_capture(&fixture);
}

Test(pcap, a_gap_record_says_what_is_missing)
{
    struct source_fixture fixture;
    begin(PCAP_NS);
    put_packet("0123456789", UINT64_MAX - 1, 1);
    put_packet("0123456789", 2, 1); // UINT64_MAX, 0 and 1 are missing
    open_capture(&fixture, capture_bytes, "");
    source_fixture_drain(&fixture);
    uint64_t position = 0;
    source_fixture_next(&fixture, MR_PORT_MAIN, &position);
    const void *record = source_fixture_next(&fixture, MR_PORT_MAIN, &position);
    const struct mr_gap *gap = record;
    cr_assert_eq(gap->env.schema_id, MR_SCHEMA_GAP);
    cr_expect_eq(gap->from_sequence, UINT64_MAX);
    cr_expect_eq(gap->to_sequence, 1);
    cr_expect_eq(gap->lost, 3);
    cr_expect_eq(memcmp(gap->session, "0123456789", 10), 0);
    cr_expect_eq(gap->env.ingest_time_ns, FIRST_SECOND * 1000000000LL + 1000);
    close_capture(&fixture);
}

Test(pcap, micro_and_nanoseconds_pcap_and_pcapng)
{
    for (enum format each = PCAP_NS; each <= PCAPNG_NS; each++) {
        struct source_fixture fixture;
        uint64_t position = 0;
        write_eventful(each);
        open_capture(&fixture, capture_bytes, "");
        cr_assert_eq(fixture.code, MR_OK, "%s", fixture.run.err.text);
        cr_expect_eq(source_fixture_drain(&fixture), MR_POLL_END);
        expect_eventful(&fixture);
        for (int i = 0; i < 3; i++)
            source_fixture_next(&fixture, MR_PORT_MAIN, &position);
        const struct mr_record *third = source_fixture_next(&fixture, MR_PORT_MAIN, &position);
        cr_expect_eq(third->ingest_time_ns, FIRST_SECOND * 1000000000LL + 2000,
                     "103 is in packet 3");
        close_capture(&fixture);
    }
}

Test(pcap, resumes_within_a_packet)
{
    struct source_fixture once, often;
    write_eventful(PCAP_NS);
    for (uint64_t sequence = 1000; sequence < 8000; sequence += 50)
        put_packet("AAAAAAAAAA", sequence + (sequence % 700 == 0), 50);
    open_capture(&once, capture_bytes, "");
    source_fixture_drain(&once);
    open_capture(&often, capture_bytes, "");
    while (source_fixture_poll(&often) == MR_POLL_MORE) {
        often.run.source->poll(&often.run); // dies with this batch uncommitted
        source_fixture_restart(&often);
        cr_assert_eq(often.code, MR_OK, "%s", often.run.err.text);
    }
    uint64_t bytes = once.stage->writers[0].position;
    cr_assert_gt(bytes, 50 * 4096);
    cr_assert_eq(often.stage->writers[0].position, bytes);
    cr_expect_eq(
        memcmp(once.stage->writers[0].ring->data, often.stage->writers[0].ring->data, bytes), 0);
    cr_expect_eq(
        memcmp(once.stage->now.counts, often.stage->now.counts, sizeof once.stage->now.counts), 0);
    cr_expect_eq(
        memcmp(once.stage->now.plugin, often.stage->now.plugin, sizeof once.stage->now.plugin), 0);
    source_fixture_close(&once);
    close_capture(&often);
}

Test(pcap, a_cut_capture_delivers_what_is_whole)
{
    struct source_fixture fixture;
    begin(PCAP_NS);
    put_packet("AAAAAAAAAA", 1, 3);
    put_packet("AAAAAAAAAA", 4, 3);
    open_capture(&fixture, capture_bytes - 5, "");
    cr_assert_eq(fixture.code, MR_OK);
    cr_expect_eq(source_fixture_drain(&fixture), MR_POLL_FAILED);
    cr_expect_eq(fixture.run.err.code, MR_ERR_INPUT);
    cr_expect_not_null(strstr(fixture.run.err.text, "byte "), "%s", fixture.run.err.text);
    cr_expect_not_null(strstr(fixture.run.err.text, "packet 2"), "%s", fixture.run.err.text);
    cr_expect_eq(source_fixture_count(&fixture, MR_COUNT_OUT), 3);
    close_capture(&fixture);
}

// A stamp of 64 bits can say more nanoseconds than there are in time.
Test(pcap, a_time_stamp_that_cannot_be_ends_it_at_its_packet)
{
    struct source_fixture fixture;
    begin(PCAPNG_NS);
    put_packet("AAAAAAAAAA", 1, 3);
    size_t second = capture_bytes;
    put_packet("AAAAAAAAAA", 4, 3);
    memset(capture + second + 12, 0xff, 4);
    open_capture(&fixture, capture_bytes, "");
    cr_assert_eq(fixture.code, MR_OK);
    cr_expect_eq(source_fixture_drain(&fixture), MR_POLL_FAILED);
    cr_expect_eq(fixture.run.err.code, MR_ERR_INPUT);
    cr_expect_not_null(strstr(fixture.run.err.text, "packet 2"), "%s", fixture.run.err.text);
    cr_expect_not_null(strstr(fixture.run.err.text, "1970-2199"), "%s", fixture.run.err.text);
    cr_expect_eq(source_fixture_count(&fixture, MR_COUNT_OUT), 3);
    close_capture(&fixture);
}

Test(pcap, a_packet_cut_by_the_capture_gives_its_whole_messages_and_a_gap)
{
    struct source_fixture fixture;
    uint8_t frame[4096];
    begin(PCAP_NS);
    put_packet("AAAAAAAAAA", 1, 1);
    uint32_t length = (uint32_t)make_packet(frame, "AAAAAAAAAA", 2, 4);
    put_frame(frame, length - 30, length); // the last two messages are not whole
    put_packet("AAAAAAAAAA", 6, 1);
    open_capture(&fixture, capture_bytes, "");
    cr_expect_eq(source_fixture_drain(&fixture), MR_POLL_END);
    expect_counter(&fixture, "cut_packets", 1);
    expect_counter(&fixture, "gap_messages", 2);
    cr_expect_eq(source_fixture_count(&fixture, MR_COUNT_OUT), 4 + 1);
    close_capture(&fixture);
}

Test(pcap, port_and_group_choose)
{
    static const struct {
        const char *more;
        uint64_t out;
    } all[] = {{", port: 26477, group: 233.54.12.111", 3},
               {", port: 26478", 0},
               {", group: 233.54.12.112", 0},
               {", group: 'ff02::1'", 0}};
    for (size_t i = 0; i < MR_COUNT_OF(all); i++) {
        struct source_fixture fixture;
        begin(PCAP_NS);
        put_packet("AAAAAAAAAA", 1, 3);
        open_capture(&fixture, capture_bytes, all[i].more);
        cr_assert_eq(fixture.code, MR_OK, "%s", fixture.run.err.text);
        cr_expect_eq(source_fixture_drain(&fixture), MR_POLL_END);
        cr_expect_eq(source_fixture_count(&fixture, MR_COUNT_OUT), all[i].out, "%s", all[i].more);
        expect_counter(&fixture, "other_packets", all[i].out == 0);
        close_capture(&fixture);
    }
}

static void expect_refused(const char *more, int code, const char *words)
{
    struct source_fixture fixture;
    open_capture(&fixture, capture_bytes, more);
    cr_expect_eq(fixture.code, code);
    cr_expect_not_null(strstr(fixture.run.err.text, words), "%s", fixture.run.err.text);
    close_capture(&fixture);
}

Test(pcap, what_cannot_be_is_refused)
{
    begin(PCAP_NS);
    put_packet("AAAAAAAAAA", 1, 1);
    expect_refused(", group: 233.54.12", MR_ERR_CONFIG, "233.54.12");
    expect_refused(", port: 65536", MR_ERR_CONFIG, "65536");
    expect_refused(", pace: fast", MR_ERR_CONFIG, "fast");
    expect_refused(", date: 20200130", MR_ERR_CONFIG, "YYYY-MM-DD");
    capture[20] = 105; // link type: wireless
    expect_refused("", MR_ERR_INPUT, "link type 105");
    memcpy(capture, "name", 4);
    expect_refused("", MR_ERR_INPUT, "expected a pcap");
    capture_bytes = 10;
    expect_refused("", MR_ERR_INPUT, "expected a pcap");
}

// ---- the real ones ----------------------------------------------------------------------------------------

static void run_sample(struct source_fixture *fixture, const char *name)
{
    char sample[512], yaml[640], file[128];
    snprintf(file, sizeof file, "itch-pcap/%s.pcap", name);
    if (!sample_path(file, sample, sizeof sample))
        cr_skip_test("sample %s is not there", file);
    snprintf(yaml, sizeof yaml, "{type: pcap, path: %s}", sample);
    source_fixture_open(fixture, yaml);
    cr_assert_eq(fixture->code, MR_OK, "%s", fixture->run.err.text);
    cr_expect_eq(source_fixture_drain(fixture), MR_POLL_END);
    cr_expect(source_fixture_balances(fixture));
}

Test(pcap, multiple_packets)
{
    struct source_fixture fixture;
    uint64_t position = 0;
    run_sample(&fixture, "Multiple.Packets");
    expect_counter(&fixture, "packets", 2);
    expect_counter(&fixture, "gaps", 1);
    expect_counter(&fixture, "gap_messages", 4244620); // 14764497 to 19009116
    cr_expect_eq(source_fixture_count(&fixture, MR_COUNT_OUT), 1 + 1 + 38);
    const struct mr_record *record = source_fixture_next(&fixture, MR_PORT_MAIN, &position);
    cr_expect_eq(record->schema_id, MR_SCHEMA_ORDER_DELETE);
    cr_expect_eq(record->sequence, 14764496);
    cr_expect_eq(record->ingest_time_ns, 1692711000007661955LL);
    record = source_fixture_next(&fixture, MR_PORT_MAIN, &position);
    cr_expect_eq(record->schema_id, MR_SCHEMA_GAP);
    record = source_fixture_next(&fixture, MR_PORT_MAIN, &position);
    cr_expect_eq(record->sequence, 19009117);
    cr_expect_eq(record->flags, MR_FLAG_GAP_BEFORE);
    source_fixture_close(&fixture);
}

Test(pcap, one_message_each)
{
    static const struct {
        const char *name;
        uint16_t schema_id;
        uint64_t sequence;
    } all[] = {{"AddOrderNoMpidAttributionMessage", MR_SCHEMA_ORDER_ADD, 0xe12f59},
               {"MarketParticipantPositionMessage", MR_SCHEMA_MARKET_PARTICIPANT, 0x1108d66},
               {"NetOrderImbalanceIndicatorMessage", MR_SCHEMA_NOII, 0xe1301f},
               {"OrderDeleteMessage", MR_SCHEMA_ORDER_DELETE, 0xe12f5a},
               {"OrderExecutedMessage", MR_SCHEMA_ORDER_EXECUTED, 0xe12f71},
               {"OrderReplaceMessage", MR_SCHEMA_ORDER_REPLACE, 0xe12f45},
               {"StockTradingActionMessage", MR_SCHEMA_TRADING_ACTION, 0x2090e79}};
    for (size_t i = 0; i < MR_COUNT_OF(all); i++) {
        struct source_fixture fixture;
        uint64_t position = 0;
        run_sample(&fixture, all[i].name);
        const struct mr_record *record = source_fixture_next(&fixture, MR_PORT_MAIN, &position);
        cr_assert_not_null(record, "%s", all[i].name);
        cr_expect_eq(record->schema_id, all[i].schema_id, "%s", all[i].name);
        cr_expect_eq(record->sequence, all[i].sequence, "%s", all[i].name);
        cr_expect_null(source_fixture_next(&fixture, MR_PORT_MAIN, &position));
        source_fixture_close(&fixture);
    }
}
