// SPDX-License-Identifier: Apache-2.0
#include "tests/support/line_cases.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/samples.h"

#define CONTENT_BYTES_MAX (64u << 20)
#define NO_FIELD UINT_MAX
#define MINUTES "%Y-%m-%d %H:%M:%S"

static const struct line_reference_field retail_fields[] = {
    {"0", NULL},    {"1", NULL}, {"2", NULL}, {"3", NULL},
    {"4", MINUTES}, {"5", NULL}, {"6", NULL}, {"7", NULL}};
static const struct line_reference_field machine_fields[] = {{"0", MINUTES}, {"1", NULL}};
static const struct line_reference_field gps_fields[] = {
    {"0", NULL}, {"1", NULL}, {"2", MINUTES}, {"3", NULL}};
static const struct line_reference_field card_fields[] = {
    {"0", NULL},  {"1", NULL},  {"2", NULL},  {"3", NULL},  {"4", NULL},  {"5", NULL},
    {"6", NULL},  {"7", NULL},  {"8", NULL},  {"9", NULL},  {"10", NULL}, {"11", NULL},
    {"12", NULL}, {"13", NULL}, {"14", NULL}, {"15", NULL}, {"16", NULL}, {"17", NULL},
    {"18", NULL}, {"19", NULL}, {"20", NULL}, {"21", NULL}, {"22", NULL}, {"23", NULL},
    {"24", NULL}, {"25", NULL}, {"26", NULL}, {"27", NULL}, {"28", NULL}, {"29", NULL},
    {"30", NULL}};
static const struct line_reference_field few_card_fields[] = {
    {"0", NULL}, {"14", NULL}, {"29", NULL}, {"30", NULL}};
static const struct line_reference_field trade_fields[] = {
    {"s", NULL}, {"p", NULL}, {"q", NULL}, {"m", NULL}, {"T", "ms"}, {"@prefix", "ns"}};
static const struct line_reference_field ticker_fields[] = {
    {"s", NULL}, {"u", NULL}, {"b", NULL}, {"B", NULL},
    {"a", NULL}, {"A", NULL}, {"T", "ms"}, {"@prefix", "ns"}};
static const struct line_reference_field event_fields[] = {
    {"e", NULL}, {"s", NULL}, {"E", "ms"}, {"@prefix", "ns"}};

#define REAL(name) "{name: " #name ", type: f64}"
#define CARD_VALUES                                                                                                                                                                                       \
    REAL(V1)                                                                                                                                                                                              \
    ", " REAL(V2) ", " REAL(V3) ", " REAL(V4) ", " REAL(V5) ", " REAL(V6) ", " REAL(V7) ", " REAL(V8) ", " REAL(V9) ", " REAL(V10) ", " REAL(V11) ", " REAL(V12) ", " REAL(V13) ", " REAL(V14) ", " REAL( \
        V15) ", " REAL(V16) ", " REAL(V17) ", " REAL(V18) ", " REAL(V19) ", " REAL(V20) ", " REAL(V21) ", " REAL(V22) ", " REAL(V23) ", " REAL(V24) ", " REAL(V25) ", " REAL(V26) ", " REAL(V27) ", " REAL(V28) ", "
#define CRYPTO "crypto/binance-usdm-btcusdt-20240808.ndjson.gz"
#define RECEIVED "{name: received, type: timestamp, from: '@prefix', format: ns}"

const struct line_case line_cases[LINE_CASE_COUNT] = {
    {"retail",
     "ecommerce/online-retail-by-day.tar.gz",
     "tar xzOf \"$1\" --wildcards '*.csv' | awk 'NR == 1 || !/^InvoiceNo,/'",
     true,
     "format: csv",
     "time: date, fields: [{name: invoice, type: 'char[8]', from: InvoiceNo}, {name: stock, type: "
     "'char[16]', "
     "from: StockCode}, {name: description, type: 'char[48]', from: Description, missing: null}, "
     "{name: quantity, type: i32, from: Quantity}, {name: date, type: timestamp, from: "
     "InvoiceDate, format: "
     "'%Y-%m-%d %H:%M:%S'}, {name: price, type: decimal(3), from: UnitPrice}, {name: customer, "
     "type: u32, "
     "from: CustomerID, missing: null}, {name: country, type: 'char[24]', from: Country}]",
     {LINE_REFERENCE_CSV, retail_fields, NULL, NULL, 4, NO_FIELD}},
    {"machine",
     "iot/machine-temperature.csv",
     "cat \"$1\"",
     true,
     "format: csv",
     "time: timestamp, fields: [{name: timestamp, type: timestamp}, " REAL(value) "]",
     {LINE_REFERENCE_CSV, machine_fields, NULL, NULL, 0, NO_FIELD}},
    {"gps",
     "gps/geolife-sample.txt.gz",
     "gzip -dc \"$1\"",
     true,
     "format: csv",
     "time: datetime, fields: [{name: lat, type: decimal(9)}, {name: lng, type: decimal(9)}, "
     "{name: datetime, type: timestamp}, {name: uid, type: 'char[3]'}]",
     {LINE_REFERENCE_CSV, gps_fields, NULL, NULL, 2, NO_FIELD}},
    {"cards",
     "cards/creditcard-subset.csv",
     "cat \"$1\"",
     true,
     "format: csv",
     "fields: [" REAL(Time) ", " CARD_VALUES
                            "{name: Amount, type: decimal(2)}, {name: Class, type: u8}]",
     {LINE_REFERENCE_CSV, card_fields, NULL, NULL, NO_FIELD, NO_FIELD}},
    {"4cards",
     "cards/creditcard-subset.csv",
     "cat \"$1\"",
     true,
     "format: csv",
     "fields: [" REAL(Time) ", " REAL(
         V14) ", {name: Amount, type: decimal(2)}, {name: Class, type: u8}]",
     {LINE_REFERENCE_CSV, few_card_fields, NULL, NULL, NO_FIELD, NO_FIELD}},
    {"trades",
     CRYPTO,
     "gzip -dc \"$1\"",
     false,
     "format: ndjson, prefix: true, select: data.e=trade, ingest: received",
     "time: event, fields: [{name: symbol, type: 'char[16]', from: data.s}, {name: price, type: "
     "decimal(8), "
     "from: data.p}, {name: quantity, type: decimal(8), from: data.q}, {name: maker, type: bool, "
     "from: "
     "data.m}, "
     "{name: event, type: timestamp, from: data.T, format: ms}, " RECEIVED "]",
     {LINE_REFERENCE_NDJSON, trade_fields, "\"data\":", "\"e\":\"trade\"", 4, 5}},
    {"tickers",
     CRYPTO,
     "gzip -dc \"$1\" | grep bookTicker",
     false,
     "format: ndjson, prefix: true, ingest: received",
     "time: event, fields: [{name: symbol, type: 'char[16]', from: data.s}, {name: update, type: "
     "u64, from: "
     "data.u}, {name: bid, type: decimal(8), from: data.b}, {name: bid_size, type: decimal(8), "
     "from: data.B}, "
     "{name: ask, type: decimal(8), from: data.a}, {name: ask_size, type: decimal(8), from: "
     "data.A}, "
     "{name: event, type: timestamp, from: data.T, format: ms}, " RECEIVED "]",
     {LINE_REFERENCE_NDJSON, ticker_fields, "\"data\":", NULL, 6, 7}},
    {"events",
     CRYPTO,
     "gzip -dc \"$1\" | grep '\"e\":'",
     false,
     "format: ndjson, prefix: true, ingest: received",
     "time: event, fields: [{name: kind, type: 'char[16]', from: data.e}, {name: symbol, type: "
     "'char[16]', "
     "from: data.s}, {name: event, type: timestamp, from: data.E, format: ms}, " RECEIVED "]",
     {LINE_REFERENCE_NDJSON, event_fields, "\"data\":", NULL, 2, 3}},
};

static void fail(const struct line_case *what, const char *sentence)
{
    fprintf(stderr, "%s: %s\n", what->name, sentence);
    exit(1);
}

bool line_case_load(const struct line_case *what, struct line_case_content *content)
{
    char sample[512], command[1024];
    *content = (struct line_case_content){0};
    if (!sample_path(what->sample, sample, sizeof sample))
        return false;
    snprintf(command, sizeof command, "set -- '%s'; %s", sample, what->unpack);
    FILE *pipe = popen(command, "r");
    content->text = malloc(CONTENT_BYTES_MAX);
    content->bytes = fread(content->text, 1, CONTENT_BYTES_MAX - 1, pipe);
    if (pclose(pipe) != 0 || content->bytes == 0 || content->bytes == CONTENT_BYTES_MAX - 1 ||
        content->text[content->bytes - 1] != '\n')
        fail(what, "the sample cannot be unpacked");
    content->text[content->bytes] = '\0';
    if (what->has_header)
        content->header_bytes = strcspn(content->text, "\n") + 1;
    for (const char *at = content->text; (at = strchr(at, '\n')) != NULL; at++)
        content->lines++;
    content->lines -= what->has_header;
    return true;
}

void line_case_open(const struct line_case *what, const char *path,
                    struct producer_fixture *fixture)
{
    char yaml[4096];
    snprintf(yaml, sizeof yaml,
             "source: {type: lines, schema: line, path: '%s', %s}\n"
             "schemas: [{name: line, %s}]\n",
             path, what->source, what->schema);
    if (producer_fixture_open(fixture, yaml) != MR_OK)
        fail(what, fixture->err.text);
}
