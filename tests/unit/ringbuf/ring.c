// SPDX-License-Identifier: Apache-2.0
// The ring within one process: what each call promises, and a million random operations against a
// model.
#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/ring_fixture.h"

static struct ring_fixture fixture;

static void open_fixture(void)
{
    ring_fixture_open(&fixture, (struct mr_ring_options){0});
}
static void close_fixture(void)
{
    ring_fixture_close(&fixture);
}
TestSuite(ring, .init = open_fixture, .fini = close_fixture);

Test(ring, nothing_is_seen_before_publish)
{
    uint32_t length;
    cr_assert(ring_fixture_put(&fixture, 1, 50));
    cr_expect_null(mr_next(&fixture.reader, &length));
    mr_publish(&fixture.writer, mr_tick());
    const struct mr_record *record = mr_next(&fixture.reader, &length);
    cr_assert_not_null(record);
    cr_expect_eq(length, 50);
    cr_expect_eq(record->length, 50);
    cr_expect_eq(record->sequence, 1);
    cr_expect_eq((uintptr_t)record % 8, 0);
    for (unsigned i = 50; i < 56; i++)
        cr_expect_eq(((const uint8_t *)record)[i], 0, "the rounding is zero");
    cr_expect_null(mr_next(&fixture.reader, &length));
    cr_expect_not(fixture.reader.corrupt);
}

Test(ring, a_batch_becomes_visible_at_once)
{
    uint32_t length;
    for (uint64_t i = 0; i < 10; i++)
        cr_assert(ring_fixture_put(&fixture, i, 36 + (uint32_t)i));
    cr_expect_eq(fixture.ring.writer_line->write_pos, 0);
    mr_publish(&fixture.writer, mr_tick());
    cr_expect_eq(fixture.ring.writer_line->write_pos, 5 * 40 + 5 * 48);
    for (uint64_t i = 0; i < 10; i++)
        cr_expect_eq(mr_next(&fixture.reader, &length)->sequence, i);
}

Test(ring, an_aborted_claim_leaves_no_trace)
{
    uint32_t length;
    struct mr_record *record = mr_claim(&fixture.writer, 1000);
    cr_assert_not_null(record);
    memset((uint8_t *)record + 4, 0xEE, 996);
    mr_abort(&fixture.writer);
    mr_publish(&fixture.writer, mr_tick());
    cr_expect_null(mr_next(&fixture.reader, &length));
    cr_assert(ring_fixture_put(&fixture, 7, 40));
    mr_publish(&fixture.writer, mr_tick());
    cr_expect_eq(mr_next(&fixture.reader, &length)->sequence, 7);
    cr_expect_null(mr_next(&fixture.reader, &length));
}

Test(ring, lengths_out_of_bounds_are_refused)
{
    cr_expect_eq(mr_claim_bytes_max(&fixture.writer), 16384);
    cr_expect_null(mr_claim(&fixture.writer, 0));
    cr_expect_null(mr_claim(&fixture.writer, 35));
    cr_expect_null(mr_claim(&fixture.writer, 16385));
    cr_expect_null(mr_claim(&fixture.writer, UINT32_MAX));
    cr_expect_not_null(mr_claim(&fixture.writer, 16384));
    mr_abort(&fixture.writer);
    cr_expect_not_null(mr_claim(&fixture.writer, 36));
}

// A long claim that was given back has raised the horizon: nothing longer fits under it.
Test(ring, an_aborted_claim_opens_no_way_for_a_longer_one)
{
    uint32_t most = mr_claim_bytes_max(&fixture.writer);
    cr_assert_not_null(mr_claim(&fixture.writer, most));
    mr_abort(&fixture.writer);
    cr_expect_null(mr_claim(&fixture.writer, most + 1));
    cr_expect_null(mr_claim(&fixture.writer, MR_ENVELOPE_BYTES - 1));
    cr_expect_not_null(mr_claim(&fixture.writer, most));
}

Test(ring, full_until_released)
{
    uint32_t length;
    for (uint64_t i = 0; i < 3; i++)
        cr_assert(ring_fixture_put(&fixture, i, 16384));
    cr_expect_not(ring_fixture_put(&fixture, 3, 16384), "there is room for a commit word, always");
    cr_assert(ring_fixture_put(&fixture, 3, 16384 - 8));
    cr_expect_not(ring_fixture_put(&fixture, 4, 36));
    mr_publish(&fixture.writer, mr_tick());
    cr_expect_not(ring_fixture_put(&fixture, 4, 36));
    cr_assert_not_null(mr_next(&fixture.reader, &length));
    cr_expect_not(ring_fixture_put(&fixture, 4, 36), "looked at is not released");
    mr_release(&fixture.reader, fixture.reader.position, NULL);
    cr_expect_eq(fixture.ring.reader_line->read_pos, 16384);
    cr_expect_not(ring_fixture_put(&fixture, 4, 16384), "padding of 8 comes before it");
    cr_expect(ring_fixture_put(&fixture, 4, 16384 - 8));
    cr_expect_not(ring_fixture_put(&fixture, 5, 36));
}

Test(ring, padding_before_the_wrap)
{
    uint32_t length;
    for (uint64_t i = 0; i < 3; i++)
        cr_assert(ring_fixture_put(&fixture, i, 16384));
    cr_assert(ring_fixture_put(&fixture, 3, 16384 - 16)); // 16 bytes are left before the wrap
    mr_publish(&fixture.writer, mr_tick());
    while (mr_next(&fixture.reader, &length))
        continue;
    mr_release(&fixture.reader, fixture.reader.position, NULL);
    cr_assert(ring_fixture_put(&fixture, 4, 100));
    mr_publish(&fixture.writer, mr_tick());
    const struct mr_record *record = mr_next(&fixture.reader, &length);
    cr_assert_not_null(record);
    cr_expect_eq(record->sequence, 4);
    cr_expect_eq((const uint8_t *)record, fixture.ring.data, "it stands at the ring's beginning");
    cr_expect_eq(fixture.reader.position, 65536 + 104);
}

Test(ring, the_checksum_is_of_bytes_and_position)
{
    close_fixture();
    ring_fixture_open(&fixture, (struct mr_ring_options){.checksummed = true});
    uint32_t length, first;
    for (int lap = 0; lap < 2; lap++) {
        cr_assert(ring_fixture_put(&fixture, 9, 100));
        mr_publish(&fixture.writer, mr_tick());
        uint64_t position = fixture.reader.position;
        const struct mr_record *record = mr_next(&fixture.reader, &length);
        cr_expect_eq(record->checksum, mr_record_checksum(record, length, position));
        if (lap == 0)
            first = record->checksum;
        else
            cr_expect_neq(record->checksum, first, "the same record elsewhere checks differently");
        mr_release(&fixture.reader, fixture.reader.position, NULL);
    }
}

Test(ring, without_checksum_the_word_is_zero)
{
    uint32_t length;
    struct mr_record *record = mr_claim(&fixture.writer, 40);
    memset((uint8_t *)record + 4, 0xEE, 36);
    record->flags = 0;
    mr_commit(&fixture.writer);
    mr_publish(&fixture.writer, mr_tick());
    cr_expect_eq(mr_next(&fixture.reader, &length)->checksum, 0);
}

Test(ring, the_end_is_seen_after_the_last_record)
{
    uint32_t length;
    cr_expect_not(mr_ring_is_finished(&fixture.ring), "empty, and its writer goes on");
    cr_assert(ring_fixture_put(&fixture, 1, 40));
    mr_publish(&fixture.writer, mr_tick());
    cr_expect_not(mr_reader_at_end(&fixture.reader));
    mr_writer_close(&fixture.writer);
    cr_expect_not(mr_reader_at_end(&fixture.reader), "a record is still to be read");
    cr_expect_not_null(mr_next(&fixture.reader, &length));
    cr_expect(mr_reader_at_end(&fixture.reader));
    cr_expect_not(mr_ring_is_finished(&fixture.ring), "looked at, not released");
    mr_release(&fixture.reader, fixture.reader.position, NULL);
    cr_expect(mr_ring_is_finished(&fixture.ring));
}

Test(ring, latency_is_of_the_publish_and_the_origin)
{
    static struct mr_histogram hop, age;
    struct mr_reader_timing timing = {&hop, &age};
    uint32_t length;
    uint64_t origin = mr_tick();
    mr_sleep_until_mono_ns(mr_mono_ns() + 20000000);
    for (uint64_t i = 0; i < 5; i++)
        cr_assert(ring_fixture_put(&fixture, i, 40));
    mr_publish(&fixture.writer, origin);
    mr_sleep_until_mono_ns(mr_mono_ns() + 5000000);
    while (mr_next(&fixture.reader, &length))
        continue;
    cr_expect_eq(mr_reader_origin_tick(&fixture.reader), origin);
    mr_release(&fixture.reader, fixture.reader.position, &timing);
    cr_expect_eq(hop.count, 5, "found %lu", hop.count);
    cr_expect_eq(age.count, 5, "found %lu", age.count);
    cr_expect_geq(hop.max_ns, 4900000);
    cr_expect_geq(age.max_ns, 24000000);
    cr_expect_geq(age.max_ns, hop.max_ns + 15000000);
    cr_expect_eq(mr_reader_origin_tick(&fixture.reader), 0, "nothing is left unreleased");
}

Test(ring, more_publishes_than_the_lane_has_notes)
{
    static struct mr_histogram hop;
    struct mr_reader_timing timing = {&hop, NULL};
    uint32_t length;
    unsigned read = 0;
    for (uint64_t i = 0; i < 1500; i++) {
        cr_assert(ring_fixture_put(&fixture, i, 36));
        mr_publish(&fixture.writer, mr_tick());
    }
    while (mr_next(&fixture.reader, &length))
        read++;
    mr_release(&fixture.reader, fixture.reader.position, &timing);
    cr_expect_eq(read, 1500);
    cr_expect_leq(hop.count, 1500);
    cr_expect_geq(hop.count, 1);
}

// A reader that restarts finds notes that it has used already: they are not used again.
Test(ring, a_reader_that_restarts_goes_on_in_the_lane)
{
    static struct mr_histogram hop;
    struct mr_reader_timing timing = {&hop, NULL};
    uint32_t length;
    for (uint64_t i = 0; i < 6; i++) {
        cr_assert(ring_fixture_put(&fixture, i, 40));
        mr_publish(&fixture.writer, (1000 + i) << 32);
        if (i == 3) {
            while (mr_next(&fixture.reader, &length))
                continue;
            mr_release(&fixture.reader, fixture.reader.position, &timing);
            mr_reader_open(&fixture.reader, &fixture.ring);
            cr_expect_eq(mr_reader_origin_tick(&fixture.reader), 0);
        }
    }
    cr_expect_eq(mr_reader_origin_tick(&fixture.reader), 1004UL << 32);
    while (mr_next(&fixture.reader, &length))
        continue;
    mr_release(&fixture.reader, fixture.reader.position, &timing);
    cr_expect_eq(hop.count, 6, "%lu", hop.count);
}

Test(ring, a_second_process_would_find_the_same_ring)
{
    struct mr_ring other;
    struct mr_reader reader;
    struct mr_error err;
    uint32_t length;
    cr_assert(ring_fixture_put(&fixture, 5, 44));
    mr_publish(&fixture.writer, mr_tick());
    cr_assert_eq(mr_ring_attach(&other, fixture.path, MR_ATTACH_READ_WRITE, &err), MR_OK, "%s",
                 err.text);
    cr_expect_str_eq(mr_ring_name(&other), "test");
    cr_expect_eq(other.capacity, 65536);
    mr_reader_open(&reader, &other);
    cr_expect_eq(mr_next(&reader, &length)->sequence, 5);
    mr_ring_detach(&other);
}

Test(ring, schemas_travel_with_it)
{
    struct mr_schema_set out = {0}, in = {0};
    struct mr_error err;
    struct mr_schema *schema = mr_schema_new("tick", 100);
    cr_assert_eq(mr_schema_add(schema, "price", "decimal(4)", true, &err), MR_OK);
    cr_assert_eq(mr_schema_add(schema, "symbol", "char[8]", false, &err), MR_OK);
    mr_schema_seal(schema);
    cr_assert_eq(mr_schema_set_add(&out, schema, &err), MR_OK);
    cr_expect_eq(mr_ring_schemas(&fixture.ring, &in, &err), MR_ERR_BUSY);
    cr_assert_eq(mr_ring_describe(&fixture.ring, &out, &err), MR_OK, "%s", err.text);
    cr_assert_eq(mr_ring_schemas(&fixture.ring, &in, &err), MR_OK, "%s", err.text);
    cr_assert_eq(in.count, 1);
    cr_expect_eq(memcmp(in.schemas[0], schema, sizeof *schema), 0);
    mr_schema_set_clear(&in);
    mr_schema_set_clear(&out);
}

Test(ring, awaited_until_it_is_described)
{
    struct mr_schema_set schemas = {0};
    struct mr_ring other;
    struct mr_error err;
    char path[256];
    scratch_path(&fixture.scratch, "later", path, sizeof path);
    int64_t start_ns = mr_mono_ns();
    cr_expect_eq(mr_ring_await(&other, path, MR_ATTACH_READ_ONLY, 20000000, &schemas, &err),
                 MR_ERR_SHM);
    cr_expect_geq(mr_mono_ns() - start_ns, 20000000, "it may still come");
    cr_expect_not_null(strstr(err.text, path));
    cr_expect_eq(mr_ring_await(&other, fixture.path, MR_ATTACH_READ_ONLY, 20000000, &schemas, &err),
                 MR_ERR_BUSY, "there, but not described");
    cr_expect_null(other.segment.base);
    cr_assert_eq(mr_ring_describe(&fixture.ring, &schemas, &err), MR_OK);
    cr_expect_eq(mr_ring_await(&other, fixture.path, MR_ATTACH_READ_ONLY, 0, &schemas, &err), MR_OK,
                 "%s", err.text);
    mr_ring_detach(&other);
    fixture.ring.news->schemas_ready = 0;
    ((struct mr_segment_header *)fixture.ring.segment.base)->kind = MR_SEGMENT_STAGE;
    start_ns = mr_mono_ns();
    cr_expect_eq(
        mr_ring_await(&other, fixture.path, MR_ATTACH_READ_ONLY, 5000000000, &schemas, &err),
        MR_ERR_SHM);
    cr_expect_lt(mr_mono_ns() - start_ns, 4000000000,
                 "what is there and wrong will not come right");
}

Test(ring, the_file_is_for_its_owner_alone)
{
    struct stat status;
    cr_assert_eq(stat(fixture.path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
    cr_expect_eq(status.st_size, 172032 + 65536);
}

Test(ring, impossible_capacities)
{
    static const uint64_t capacities[] = {0, 1, 4096, 65535, 65537, 100000, 1ULL << 37};
    struct mr_ring ring;
    struct mr_error err;
    char path[256];
    scratch_path(&fixture.scratch, "bad", path, sizeof path);
    for (size_t i = 0; i < MR_COUNT_OF(capacities); i++) {
        struct mr_ring_options options = {.capacity = capacities[i]};
        err.text[0] = 0;
        cr_expect_neq(mr_ring_create(&ring, path, "bad", &options, &err), MR_OK, "%lu",
                      capacities[i]);
        cr_expect_neq(err.text[0], 0);
    }
}

// ---- a million random operations against a model

// The model keeps every record that is not yet released, oldest first, as {sequence, position,
// length}.
#define MODEL_RECORDS 4096
struct model {
    struct {
        uint64_t sequence, position;
        uint32_t length;
    } records[MODEL_RECORDS];
    uint64_t first, next_read, published,
        committed; // counts; index is the count modulo MODEL_RECORDS
    uint64_t capacity, position, published_pos, read_pos, passed;
};

static uint64_t model_padding(const struct model *model, uint32_t length)
{
    uint64_t to_wrap = model->capacity - model->position % model->capacity;
    return mr_record_stride(length) > to_wrap ? to_wrap : 0;
}

static bool model_has_room(const struct model *model, uint32_t length)
{
    uint64_t end = model->position + model_padding(model, length) + mr_record_stride(length);
    return end + 8 - model->read_pos <= model->capacity; // a commit word's room is kept
}

static void model_commit(struct model *model, uint64_t sequence, uint32_t length)
{
    uint64_t at = model->committed++ % MODEL_RECORDS;
    model->position += model_padding(model, length);
    model->records[at].sequence = sequence;
    model->records[at].position = model->position;
    model->records[at].length = length;
    model->position += mr_record_stride(length);
}

static uint32_t random_length(uint64_t *random)
{
    static uint32_t last = MR_ENVELOPE_BYTES;
    uint64_t kind = random_below(random, 100);
    if (random_below(random, 3) > 0) // runs of one length
        return last;
    uint64_t limit = kind < 80 ? 100 : kind < 97 ? 2000 : 16384 - MR_ENVELOPE_BYTES + 1;
    return last = MR_ENVELOPE_BYTES + (uint32_t)random_below(random, limit);
}

static bool has_content(const struct mr_record *record, uint32_t length, uint64_t sequence)
{
    const uint8_t *payload = (const uint8_t *)record + MR_ENVELOPE_BYTES;
    uint32_t bytes = length - MR_ENVELOPE_BYTES;
    return record->sequence == sequence &&
           (bytes == 0 ||
            (payload[0] == (uint8_t)sequence && memcmp(payload, payload + 1, bytes - 1) == 0));
}

static void step_write(struct model *model, uint64_t *random, uint64_t *sequence)
{
    uint32_t length = random_length(random);
    bool room = model_has_room(model, length);
    if (mr_writer_free_bytes(&fixture.writer) >= mr_record_stride(length))
        cr_assert(room, "free bytes promise room that is not there");
    if (random_below(random, 10) == 0) {
        struct mr_record *record = mr_claim(&fixture.writer, length);
        cr_assert_eq(record != NULL, room);
        if (record)
            memset((uint8_t *)record + 4, 0xAA, length - 4);
        mr_abort(&fixture.writer);
        return;
    }
    cr_assert_eq(ring_fixture_put(&fixture, *sequence, length), room,
                 "claim of %u at %lu, read_pos %lu: the model says %d", length, model->position,
                 model->read_pos, room);
    if (room)
        model_commit(model, (*sequence)++, length);
}

static void step_read(struct model *model)
{
    uint32_t length = 0;
    const struct mr_record *record = mr_next(&fixture.reader, &length);
    cr_assert_not(fixture.reader.corrupt);
    cr_assert_eq(record != NULL, model->next_read < model->published);
    if (!record)
        return;
    uint64_t at = model->next_read++ % MODEL_RECORDS;
    cr_assert_eq(length, model->records[at].length);
    cr_assert(has_content(record, length, model->records[at].sequence));
    cr_assert_eq(fixture.reader.position, model->records[at].position + mr_record_stride(length));
}

// How many of the following ones are like the one before: up to the limit, and to the padding or the lap's end.
static uint64_t model_alike(const struct model *model, uint32_t length, uint64_t limit_pos)
{
    uint64_t position = fixture.reader.position, count = 0;
    uint64_t lap = position / model->capacity;
    while (model->next_read + count < model->published) {
        uint64_t at = (model->next_read + count) % MODEL_RECORDS;
        if (model->records[at].position != position || position / model->capacity != lap ||
            model->records[at].length != length || position + mr_record_stride(length) > limit_pos)
            break;
        position += mr_record_stride(length);
        count++;
    }
    return count;
}

static void step_pass(struct model *model, uint64_t *random)
{
    if (model->next_read == 0)
        return;
    uint32_t length = model->records[(model->next_read - 1) % MODEL_RECORDS].length;
    uint64_t limit_pos =
        fixture.reader.position + random_below(random, 8 * mr_record_stride(length));
    uint64_t expected = model_alike(model, length, limit_pos);
    uint64_t found = mr_pass_alike(&fixture.reader, length, MR_SCHEMA_ID_DECLARED, limit_pos);
    cr_assert_eq(found, expected, "%lu of %u bytes at %lu to %lu, expected %lu", found, length,
                 model->read_pos, limit_pos, expected);
    model->next_read += expected;
    model->passed += expected;
    if (expected > 0)
        cr_assert_eq(mr_pass_alike(&fixture.reader, length, 0, UINT64_MAX), 0, "of another kind");
}

static void step_release(struct model *model, uint64_t *random)
{
    uint64_t count = random_below(random, model->next_read - model->first + 1);
    if (count == 0)
        return;
    model->first += count;
    uint64_t last = (model->first - 1) % MODEL_RECORDS;
    model->read_pos = model->records[last].position + mr_record_stride(model->records[last].length);
    mr_release(&fixture.reader, model->read_pos, NULL);
    cr_assert_eq(fixture.ring.reader_line->read_pos, model->read_pos);
}

// A side that restarts takes up at the shared cursors: what was not published is gone, what was
// looked at but not released comes again.
static void step_restart(struct model *model, uint64_t *random, uint64_t *sequence)
{
    if (random_below(random, 2) == 0) {
        *sequence -= model->committed - model->published;
        model->committed = model->published;
        model->position = model->published_pos;
        mr_writer_open(&fixture.writer, &fixture.ring);
    } else {
        model->next_read = model->first;
        mr_reader_open(&fixture.reader, &fixture.ring);
    }
}

Test(ring, random_operations_match_a_model, .timeout = 60)
{
    static struct model model;
    uint64_t seed = random_seed(20240117), random = seed, sequence = 0;
    model.capacity = fixture.ring.capacity;
    for (unsigned step = 0; step < 1000000; step++) {
        uint64_t dice = random_below(&random, 1000);
        if (dice < 450) {
            step_write(&model, &random, &sequence);
        } else if (dice < 550) {
            mr_publish(&fixture.writer, mr_tick());
            model.published = model.committed;
            model.published_pos = model.position;
        } else if (dice < 800) {
            step_read(&model);
        } else if (dice < 900) {
            step_pass(&model, &random);
        } else if (dice < 999) {
            step_release(&model, &random);
        } else {
            step_restart(&model, &random, &sequence);
        }
        cr_assert_eq(fixture.ring.writer_line->write_pos, model.published_pos,
                     "seed %lu, step %u: write_pos", seed, step);
    }
    cr_expect_gt(sequence, 100000, "the operations moved records: %lu", sequence);
    cr_expect_gt(model.passed, 10000, "not one by one: %lu", model.passed);
    cr_expect_gt(model.position, 100 * model.capacity, "and went round many times");
}
