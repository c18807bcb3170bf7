// SPDX-License-Identifier: Apache-2.0
// A program between two rings: it reads from one, computes, and writes to the other.
//
//     transform RING_IN RING_OUT    e.g.  transform /dev/shm/readings /dev/shm/fahrenheit
//
// Each `reading` that has a field `celsius` becomes a `converted` with the field `fahrenheit`
// beside it.
#include <millrace.h>
#include <stdio.h>

#define RING_WAIT_NS 10000000000
#define WAIT_NS 100000000

struct conversion {
    struct mr_schema_set in, out;
    const struct mr_schema *from, *to;
    const struct mr_field *sensor, *celsius, *to_sensor, *to_celsius, *to_fahrenheit;
};

// 1. The output's schema; the fields of both are looked up by name, once.
static int prepare(struct conversion *c, struct mr_error *err)
{
    struct mr_schema *to = mr_schema_new("converted", MR_SCHEMA_ID_DECLARED);
    c->from = mr_schema_set_by_name(&c->in, "reading");
    if (!c->from || !(c->sensor = mr_schema_field(c->from, "sensor")) ||
        !(c->celsius = mr_schema_field(c->from, "celsius")))
        return mr_fail(err, MR_ERR_INPUT, "the ring has no reading with sensor and celsius");
    mr_schema_add(to, "sensor", "char[8]", false, err);
    mr_schema_add(to, "celsius", "decimal(2)", false, err);
    mr_schema_add(to, "fahrenheit", "decimal(2)", false, err);
    mr_schema_seal(to);
    c->to = to;
    c->to_sensor = mr_schema_field(to, "sensor");
    c->to_celsius = mr_schema_field(to, "celsius");
    c->to_fahrenheit = mr_schema_field(to, "fahrenheit");
    return mr_schema_set_add(&c->out, to, err);
}

static void convert(const struct conversion *c, const struct mr_record *in, struct mr_record *out)
{
    size_t length;
    const char *sensor = mr_field_get_text(c->sensor, in, &length);
    int64_t celsius = mr_field_get_i64(c->celsius, in); // hundredths: the unscaled decimal
    mr_record_begin(c->to, out);
    out->sequence = in->sequence; // times and sequence go with the record
    out->event_time_ns = in->event_time_ns;
    out->ingest_time_ns = in->ingest_time_ns;
    mr_field_set_text(c->to, c->to_sensor, out, sensor, length);
    mr_field_set_i64(c->to, c->to_celsius, out, celsius);
    mr_field_set_i64(c->to, c->to_fahrenheit, out, celsius * 9 / 5 + 3200);
}

// 2. One batch: what lies ready in the input, as far as the output has room. Release the input only
//    after the output is published, so that nothing is lost in between.
static uint64_t turn(const struct conversion *c, struct mr_reader *reader, struct mr_writer *writer)
{
    uint64_t converted = 0, origin = mr_reader_origin_tick(reader);
    uint32_t length;
    struct mr_record *out;
    const struct mr_record *in = NULL;
    while ((out = mr_claim(writer, c->to->record_bytes)) && (in = mr_next(reader, &length))) {
        if (in->schema_id != c->from->id || length < c->from->record_bytes)
            continue; // not a reading; the open claim is simply made again
        convert(c, in, out);
        mr_commit(writer);
        converted++;
    }
    if (out)
        mr_abort(writer);       // the input ended first: nothing came of the last claim
    mr_publish(writer, origin); // the age of the oldest record is handed on
    mr_release(reader, reader->position, NULL);
    return converted;
}

int main(int argc, char **argv)
{
    static struct conversion c;
    struct mr_ring_options options = {.capacity = 1 << 20, .full_policy = MR_FULL_BLOCK};
    struct mr_ring in, out;
    struct mr_reader reader, *readers[] = {&reader};
    struct mr_writer writer;
    struct mr_wait wait;
    struct mr_error err;
    uint64_t total = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: transform RING_IN RING_OUT\n");
        return MR_ERR_USAGE;
    }
    mr_clock_setup();
    if (mr_ring_await(&in, argv[1], MR_ATTACH_READ_WRITE, RING_WAIT_NS, &c.in, &err) != MR_OK ||
        prepare(&c, &err) != MR_OK ||
        mr_ring_create(&out, argv[2], "converted", &options, &err) != MR_OK ||
        mr_ring_describe(&out, &c.out, &err) != MR_OK) {
        fprintf(stderr, "transform: %s\n", err.text);
        return err.code;
    }
    mr_reader_open(&reader, &in);
    mr_writer_open(&writer, &out);
    mr_wait_setup(&wait, MR_WAIT_AUTO, 3);
    while (!mr_reader_at_end(&reader) && !reader.corrupt) {
        uint64_t converted = turn(&c, &reader, &writer);
        total += converted;
        if (converted > 0)
            mr_wait_reset(&wait);
        else if (mr_claim(&writer, c.to->record_bytes)) { // room there is: it is input that lacks
            mr_abort(&writer);
            mr_wait_for_data(&wait, readers, 1, WAIT_NS);
        } else {
            mr_wait_for_space(&wait, &writer, c.to->record_bytes, WAIT_NS);
        }
    }
    mr_writer_close(&writer);
    printf("transform: converted %llu records\n", (unsigned long long)total);
    if (reader.corrupt && mr_reader_explain(&reader, &err) != MR_OK)
        fprintf(stderr, "transform: %s\n", err.text);
    mr_ring_detach(&in);
    mr_ring_detach(&out);
    mr_segment_unlink(argv[1], NULL);
    return reader.corrupt ? MR_ERR_CORRUPT : MR_OK;
}
