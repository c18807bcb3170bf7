// SPDX-License-Identifier: Apache-2.0
// Lines to records, through the lines source and its commits; records to lines, as the text sinks write them.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/instructions/cases.h"
#include "core/formats/record_text.h"
#include "core/market.h"
#include "tests/support/producer_fixture.h"

#define LINE_BYTES_MAX 160
static const char schemas[] =
    "schemas: [{name: trade, time: at, fields: [{name: symbol, type: 'char[8]'}, {name: price, "
    "type: decimal(4)}, {name: quantity, type: u32}, {name: at, type: timestamp, format: "
    "'%Y-%m-%d %H:%M:%S'}]}]\n";

static size_t write_line(const char *format, unsigned i, char *out)
{
    bool is_csv = strcmp(format, "csv") == 0;
    return (size_t)snprintf(out, LINE_BYTES_MAX,
                            is_csv ? "SYM%03u,%u.%04u,%u,2024-05-06 07:%02u:%02u\n"
                                   : "{\"symbol\":\"SYM%03u\",\"price\":%u.%04u,\"quantity\":%u,"
                                     "\"at\":\"2024-05-06 07:%02u:%02u\"}\n",
                            i % 1000, 10 + i % 90, i % 10000, 1 + i % 1000, i / 60 % 60, i % 60);
}

static char *write_lines(const char *format, size_t *bytes)
{
    char *text = malloc((size_t)(CASE_RECORDS + 1) * LINE_BYTES_MAX);
    *bytes = 0;
    if (strcmp(format, "csv") == 0)
        *bytes = (size_t)sprintf(text, "symbol,price,quantity,at\n");
    for (unsigned i = 0; i < CASE_RECORDS; i++)
        *bytes += write_line(format, i, text + *bytes);
    return text;
}

static void check_records(const char *name, struct producer_fixture *fixture)
{
    const struct mr_schema *schema = fixture->stage->out_schemas.schemas[0];
    const struct mr_record *record;
    for (uint32_t length; (record = mr_next(&fixture->main, &length)) != NULL; fixture->seen++) {
        int64_t i = (int64_t)fixture->seen;
        expect(mr_field_get_i64(mr_schema_field(schema, "price"), record) ==
                       (10 + i % 90) * 10000 + i % 10000 &&
                   mr_field_get_i64(mr_schema_field(schema, "quantity"), record) == 1 + i % 1000,
               name, "a record is not what its line says");
    }
    mr_release(&fixture->main, fixture->main.position, NULL);
}

static void count_lines(const char *format)
{
    struct producer_fixture fixture = {0};
    char name[32], yaml[1024];
    size_t bytes;
    char *text = write_lines(format, &bytes);
    snprintf(name, sizeof name, "%s line to record", format);
    producer_fixture_directory(&fixture);
    producer_fixture_put_file(&fixture, "lines", text, bytes);
    snprintf(yaml, sizeof yaml,
             "source: {type: lines, format: %s, schema: trade, path: '%s/lines'}\n%s", format,
             fixture.directory, schemas);
    expect(producer_fixture_open(&fixture, yaml) == MR_OK, name, fixture.err.text);
    struct tally tally = tally_start(name);
    do {
        count_begin();
        fixture.last = fixture.run.source->poll(&fixture.run);
        mr_source_commit(&fixture.run);
        count_end();
        check_records(name, &fixture);
    } while (fixture.last == MR_POLL_MORE);
    tally_finish(&tally, CASE_RECORDS);
    expect(fixture.seen == CASE_RECORDS, name, "not every line became a record");
    producer_fixture_close(&fixture);
    free(text);
}

static void count_text_of(const char *name,
                          size_t (*write)(const struct mr_record_text *, const struct mr_record *,
                                          char *, size_t))
{
    static char out[CASE_RECORDS][256];
    struct mr_record_text row;
    const struct mr_schema *schema = mr_market_schema(MR_SCHEMA_ORDER_ADD);
    _Alignas(8) struct mr_order_add add;
    size_t used = 0, longest = 0;
    mr_record_text_open(&row, schema, NULL, true);
    mr_record_init(schema, &add);
    add.side = 'B';
    memcpy(add.symbol, "AAPL\0\0\0", sizeof add.symbol);
    add.env.event_time_ns = add.env.ingest_time_ns = 1714979000123456789;
    struct tally tally = tally_start(name);
    count_begin();
    for (unsigned i = 0; i < CASE_RECORDS; i++) {
        add.env.sequence = add.order_ref = 1000000 + i;
        add.price = 1000000 + i;
        add.shares = 100 + i % 100;
        used = write(&row, &add.env, out[i], sizeof out[i]);
        longest = used > longest ? used : longest;
    }
    count_end();
    tally_finish(&tally, CASE_RECORDS);
    for (unsigned i = 0; i < CASE_RECORDS; i++) {
        char price[32];
        snprintf(price, sizeof price, "%u.%04u", (1000000 + i) / 10000, (1000000 + i) % 10000);
        expect(strstr(out[i], price) != NULL, name, "a line without its price");
    }
    expect(longest < sizeof out[0], name, "a line longer than there is room");
}

void count_text(void)
{
    count_lines("csv");
    count_lines("ndjson");
    count_text_of("record to csv line", mr_record_csv);
    count_text_of("record to ndjson line", mr_record_ndjson);
}
