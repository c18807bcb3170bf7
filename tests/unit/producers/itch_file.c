// SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/dead_letter.h"
#include "core/formats/itch.h"
#include "gen/itch_session.h"
#include "tests/support/samples.h"
#include "tests/support/source_fixture.h"

#define MESSAGES 20000

static uint8_t session[1 << 20];
static size_t session_bytes;
static char path[128];

static void make_session(void)
{
    struct mr_itch_session *made;
    struct mr_error err;
    struct mr_itch_session_options options = {.messages = MESSAGES, .seed = 5};
    cr_assert_eq(mr_itch_session_open(&made, &options, &err), MR_OK);
    size_t filled;
    session_bytes = 0;
    while ((filled = mr_itch_session_fill(made, session + session_bytes,
                                          sizeof session - session_bytes)) > 0)
        session_bytes += filled;
    mr_itch_session_close(made);
    snprintf(path, sizeof path, "/dev/shm/millrace-unit-20200130-%d.itch", (int)getpid());
}

static void save(const uint8_t *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

static void save_gzip(const uint8_t *bytes, size_t length)
{
    gzFile file = gzopen(path, "wb6");
    cr_assert_eq(gzwrite(file, bytes, (unsigned)length), (int)length);
    gzclose(file);
}

static void open_path(struct source_fixture *fixture)
{
    char yaml[256];
    snprintf(yaml, sizeof yaml, "{type: itch_file, path: %s}", path);
    source_fixture_open(fixture, yaml);
}

static void close_path(struct source_fixture *fixture)
{
    cr_expect(source_fixture_balances(fixture));
    source_fixture_close(fixture);
    unlink(path);
}

static uint64_t count_records(const struct source_fixture *fixture, unsigned port)
{
    uint64_t position = 0, records = 0;
    while (source_fixture_next(fixture, port, &position))
        records++;
    return records;
}

static const struct mr_dead_letter *first_letter(const struct source_fixture *fixture)
{
    uint64_t position = 0;
    const void *letter = source_fixture_next(fixture, MR_PORT_DEAD, &position);
    cr_assert_not_null(letter);
    return letter;
}

static size_t frame_at(unsigned message) // 1-based
{
    size_t at = 0;
    while (--message > 0)
        at += 2u + mr_get_be16(session + at);
    return at;
}

Test(itch_file, plain_and_gzip_give_the_same_records, .init = make_session)
{
    struct source_fixture plain, gzip;
    save(session, session_bytes);
    open_path(&plain);
    cr_assert_eq(plain.code, MR_OK, "%s", plain.run.err.text);
    cr_expect_eq(source_fixture_drain(&plain), MR_POLL_END);
    save_gzip(session, session_bytes);
    open_path(&gzip);
    cr_assert_eq(gzip.code, MR_OK, "%s", gzip.run.err.text);
    cr_expect_eq(source_fixture_drain(&gzip), MR_POLL_END);
    cr_expect_eq(source_fixture_count(&plain, MR_COUNT_OUT), MESSAGES);
    cr_expect_eq(source_fixture_counter(&plain, "bytes"), session_bytes);
    uint64_t bytes = plain.stage->writers[0].position;
    cr_assert_eq(gzip.stage->writers[0].position, bytes);
    cr_expect_eq(
        memcmp(plain.stage->writers[0].ring->data, gzip.stage->writers[0].ring->data, bytes), 0);
    source_fixture_close(&plain);
    close_path(&gzip);
}

static void expect_same_bytes_after_deaths(bool gzip)
{
    struct source_fixture once, often;
    if (gzip)
        save_gzip(session, session_bytes);
    else
        save(session, session_bytes);
    open_path(&once);
    source_fixture_drain(&once);
    open_path(&often);
    for (unsigned polls = 1; source_fixture_poll(&often) == MR_POLL_MORE; polls++)
        if (polls % 17 == 0) {
            often.run.source->poll(&often.run); // dies with this batch uncommitted
            source_fixture_restart(&often);
            cr_assert_eq(often.code, MR_OK, "%s", often.run.err.text);
        }
    uint64_t bytes = once.stage->writers[0].position;
    cr_assert_eq(often.stage->writers[0].position, bytes);
    cr_expect_eq(
        memcmp(once.stage->writers[0].ring->data, often.stage->writers[0].ring->data, bytes), 0);
    cr_expect_eq(
        memcmp(once.stage->now.counts, often.stage->now.counts, sizeof once.stage->now.counts), 0);
    source_fixture_close(&once);
    close_path(&often);
}

Test(itch_file, resumes_at_the_exact_message, .init = make_session)
{
    expect_same_bytes_after_deaths(false);
    expect_same_bytes_after_deaths(true);
}

Test(itch_file, goes_on_at_the_mark_without_reading_what_is_before_it, .init = make_session)
{
    struct source_fixture fixture;
    save(session, session_bytes);
    open_path(&fixture);
    while (source_fixture_count(&fixture, MR_COUNT_IN) < MESSAGES / 2)
        cr_assert_eq(source_fixture_poll(&fixture), MR_POLL_MORE);
    size_t taken = source_fixture_counter(&fixture, "bytes"), probed = frame_at(100);
    cr_assert_gt(taken, probed);
    memset(session + probed, 0xff, taken - probed); // nobody can walk through that
    save(session, session_bytes);
    source_fixture_restart(&fixture);
    cr_assert_eq(fixture.code, MR_OK, "%s", fixture.run.err.text);
    cr_expect_eq(source_fixture_drain(&fixture), MR_POLL_END);
    cr_expect_eq(source_fixture_count(&fixture, MR_COUNT_OUT), MESSAGES);
    save(session, taken - 1);
    source_fixture_restart(&fixture);
    cr_expect_eq(fixture.code, MR_ERR_INPUT);
    cr_expect_not_null(strstr(fixture.run.err.text, "the file has changed"), "%s",
                       fixture.run.err.text);
    close_path(&fixture);
}

Test(itch_file, unknown_type_and_wrong_length_go_to_the_dead_letters, .init = make_session)
{
    struct source_fixture fixture;
    size_t at = frame_at(500);
    session[at + 2] = 'z';
    size_t second = frame_at(600);
    session[second + 2] = session[second + 2] == 'A' ? 'D' : 'A'; // of another length
    if (mr_itch_types[session[second + 2]].length == mr_get_be16(session + second))
        session[second + 2] = 'I';
    save(session, session_bytes);
    open_path(&fixture);
    cr_expect_eq(source_fixture_drain(&fixture), MR_POLL_END);
    cr_expect_eq(source_fixture_count(&fixture, MR_COUNT_IN), MESSAGES);
    cr_expect_eq(source_fixture_count(&fixture, MR_COUNT_OUT), MESSAGES - 2);
    cr_expect_eq(fixture.stage->now.rejected[MR_REASON_UNKNOWN_TYPE], 1);
    cr_expect_eq(fixture.stage->now.rejected[MR_REASON_BAD_LENGTH], 1);
    const struct mr_dead_letter *letter = first_letter(&fixture);
    char place[32];
    snprintf(place, sizeof place, "byte %zu:", at);
    cr_expect_eq(letter->env.sequence, 500);
    cr_expect_eq(letter->raw_length, mr_get_be16(session + at));
    cr_expect_eq(memcmp(letter->raw, session + at + 2, letter->raw_length), 0);
    cr_expect_not_null(strstr(letter->detail, place), "%.188s", letter->detail);
    cr_expect_not_null(strstr(letter->detail, "'z'"));
    close_path(&fixture);
}

Test(itch_file, cut_anywhere_in_the_last_message, .init = make_session)
{
    size_t last = frame_at(300), whole = 2u + mr_get_be16(session + last);
    for (size_t there = 1; there < whole; there += there < 4 ? 1 : 7) {
        struct source_fixture fixture;
        save(session, last + there);
        open_path(&fixture);
        cr_expect_eq(source_fixture_drain(&fixture), MR_POLL_END);
        cr_expect_eq(source_fixture_count(&fixture, MR_COUNT_OUT), 299);
        cr_expect_eq(fixture.stage->now.rejected[MR_REASON_TRUNCATED], 1, "%zu bytes", there);
        cr_expect_eq(first_letter(&fixture)->raw_length, there < 2 ? there : there - 2);
        source_fixture_restart(&fixture); // and it is not taken twice
        cr_assert_eq(fixture.code, MR_OK, "%s", fixture.run.err.text);
        cr_expect_eq(source_fixture_poll(&fixture), MR_POLL_END);
        cr_expect_eq(count_records(&fixture, MR_PORT_DEAD), 1);
        close_path(&fixture);
    }
}

Test(itch_file, a_zero_length_ends_the_session, .init = make_session)
{
    struct source_fixture fixture;
    size_t end = frame_at(1000);
    memset(session + end, 0, 2);
    save(session, session_bytes);
    open_path(&fixture);
    cr_expect_eq(source_fixture_drain(&fixture), MR_POLL_END);
    cr_expect_eq(source_fixture_count(&fixture, MR_COUNT_OUT), 999);
    cr_expect_eq(source_fixture_counter(&fixture, "bytes_after_end"), session_bytes - end - 2);
    source_fixture_restart(&fixture);
    cr_expect_eq(source_fixture_poll(&fixture), MR_POLL_END);
    cr_expect_eq(source_fixture_counter(&fixture, "bytes_after_end"), session_bytes - end - 2);
    close_path(&fixture);
}

Test(itch_file, a_cut_gzip_delivers_what_is_whole_and_fails, .init = make_session)
{
    struct source_fixture fixture;
    save_gzip(session, session_bytes);
    FILE *file = fopen(path, "rb");
    static uint8_t packed[1 << 20];
    size_t packed_bytes = fread(packed, 1, sizeof packed, file);
    fclose(file);
    save(packed, packed_bytes / 2);
    open_path(&fixture);
    cr_assert_eq(fixture.code, MR_OK, "%s", fixture.run.err.text);
    cr_expect_eq(source_fixture_drain(&fixture), MR_POLL_FAILED);
    cr_expect_eq(fixture.run.err.code, MR_ERR_INPUT);
    cr_expect_not_null(strstr(fixture.run.err.text, "cut"), "%s", fixture.run.err.text);
    cr_expect_gt(source_fixture_count(&fixture, MR_COUNT_OUT), MESSAGES / 4);
    close_path(&fixture);
}

static void expect_not_itch(const void *bytes, size_t length, const char *words)
{
    struct source_fixture fixture;
    save(bytes, length);
    open_path(&fixture);
    cr_expect_eq(fixture.code, MR_ERR_INPUT);
    cr_expect_not_null(strstr(fixture.run.err.text, path), "%s", fixture.run.err.text);
    cr_expect_not_null(strstr(fixture.run.err.text, words), "%s", fixture.run.err.text);
    close_path(&fixture);
}

Test(itch_file, what_is_not_itch_is_refused_at_once, .init = make_session)
{
    static uint8_t zeroes[5000] = {0, 5};
    expect_not_itch("name: itch\nsource: {type: csv}\n", 31, "byte 0: found 6e 61 6d 65");
    expect_not_itch("", 0, "no bytes");
    expect_not_itch("\1", 1, "byte 0: found 01");
    expect_not_itch(zeroes, sizeof zeroes, "byte 0");
}

Test(itch_file, an_empty_session_is_one, .init = make_session)
{
    struct source_fixture fixture;
    save((const uint8_t *)"\0", 2);
    open_path(&fixture);
    cr_assert_eq(fixture.code, MR_OK, "%s", fixture.run.err.text);
    cr_expect_eq(source_fixture_drain(&fixture), MR_POLL_END);
    cr_expect_eq(source_fixture_count(&fixture, MR_COUNT_IN), 0);
    close_path(&fixture);
}

Test(itch_file, paced_input_waits_for_its_time, .init = make_session)
{
    struct source_fixture fixture;
    char yaml[256];
    save(session, frame_at(50));
    snprintf(yaml, sizeof yaml, "{type: itch_file, path: %s, pace: 0.001x}", path);
    source_fixture_open(&fixture, yaml);
    cr_expect_eq(source_fixture_poll(&fixture), MR_POLL_IDLE);
    cr_expect_eq(source_fixture_count(&fixture, MR_COUNT_OUT), 1, "the first is due at once");
    cr_expect_gt(fixture.run.wake_mono_ns, 0);
    close_path(&fixture);
}

Test(itch_file, the_premarket_file)
{
    struct source_fixture fixture;
    char sample[512], yaml[640];
    if (!sample_path("itch/20200130-0400-premarket.itch", sample, sizeof sample))
        cr_skip_test("sample itch/20200130-0400-premarket.itch is not there");
    snprintf(yaml, sizeof yaml, "{type: itch_file, path: %s}", sample);
    source_fixture_open(&fixture, yaml);
    cr_expect_eq(source_fixture_drain(&fixture), MR_POLL_END);
    cr_expect_eq(source_fixture_count(&fixture, MR_COUNT_OUT), 12932);
    uint64_t position = 0;
    const struct mr_record *record = source_fixture_next(&fixture, MR_PORT_MAIN, &position);
    cr_expect_eq(record->sequence, 1);
    cr_expect_eq(record->event_time_ns, 1580374804882047526LL); // the day is in the file's name
    cr_expect(source_fixture_balances(&fixture));
    source_fixture_close(&fixture);
}
