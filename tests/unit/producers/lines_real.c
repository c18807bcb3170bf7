// SPDX-License-Identifier: Apache-2.0
// The lines source on real files, its records counted against an independent pass.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/producer_fixture.h"
#include "tests/support/samples.h"

static struct producer_fixture fixture;

static void open_fixture(void)
{
    producer_fixture_directory(&fixture);
}
static void close_fixture(void)
{
    producer_fixture_close(&fixture);
}
TestSuite(lines_real, .init = open_fixture, .fini = close_fixture);

static void run_sample(const char *yaml_format, const char *path)
{
    char yaml[4096];
    snprintf(yaml, sizeof yaml, yaml_format, path);
    fixture.counts_only = true;
    cr_assert_eq(producer_fixture_open(&fixture, yaml), MR_OK, "%s", fixture.err.text);
    cr_assert_eq(producer_fixture_run(&fixture), MR_POLL_END, "%s", fixture.run.err.text);
    cr_expect_eq(fixture.letters.count, 0, "%s", producer_fixture_detail(&fixture, 0));
    cr_expect(producer_fixture_balances(&fixture));
}

static void expect_records(const char *command_format, const char *path)
{
    char command[2048];
    snprintf(command, sizeof command, command_format, path);
    long long expected = number_of_command(command);
    cr_assert_gt(expected, 0, "%s", command);
    cr_expect_eq((long long)fixture.seen, expected, "%zu records, %lld by an independent pass",
                 fixture.seen, expected);
}

Test(lines_real, trades_of_a_real_exchange)
{
    char path[512];
    if (!sample_path("crypto/binance-usdm-btcusdt-20240808.ndjson.gz", path, sizeof path))
        cr_skip_test("the sample is not there");
    run_sample("source: {type: lines, path: '%s', format: ndjson, prefix: true, schema: trade, "
               "ingest: received,\n"
               "         select: [data.e=trade]}\n"
               "schemas:\n"
               "  - name: trade\n"
               "    time: at\n"
               "    fields:\n"
               "      - {name: received, type: timestamp, from: '@prefix', format: ns}\n"
               "      - {name: at, type: timestamp, from: data.T, format: ms}\n"
               "      - {name: symbol, type: 'char[12]', from: data.s}\n"
               "      - {name: price, type: decimal(2), from: data.p}\n"
               "      - {name: quantity, type: decimal(3), from: data.q}\n"
               "      - {name: side, type: 'enum(buy,sell)', from: data.m, map: {false: buy, true: "
               "sell}}\n",
               path);
    expect_records("zcat '%s' | cut -d' ' -f2- | jq -c 'select(.data.e==\"trade\")' | wc -l", path);
    cr_expect_eq(producer_fixture_count(&fixture, MR_COUNT_IN), 93954);
}

Test(lines_real, invoices_of_a_real_shop, .timeout = 60)
{
    char path[512], command[1024];
    if (!sample_path("ecommerce/online-retail-by-day.tar.gz", path, sizeof path))
        cr_skip_test("the sample is not there");
    snprintf(command, sizeof command, "tar xzf '%s' -C %s", path, fixture.directory);
    cr_assert_eq(system(command), 0);
    snprintf(path, sizeof path, "%s/retail_by_day", fixture.directory);
    run_sample("source: {type: lines, path: '%s', format: csv, schema: sale}\n"
               "schemas:\n"
               "  - name: sale\n"
               "    time: at\n"
               "    fields:\n"
               "      - {name: invoice, type: 'char[8]', from: InvoiceNo}\n"
               "      - {name: stock, type: 'char[12]', from: StockCode}\n"
               "      - {name: description, type: 'char[40]', from: Description, nullable: true}\n"
               "      - {name: quantity, type: i32, from: Quantity}\n"
               "      - {name: at, type: timestamp, from: InvoiceDate, format: '%%Y-%%m-%%d "
               "%%H:%%M:%%S'}\n"
               "      - {name: price, type: decimal(3), from: UnitPrice}\n"
               "      - {name: customer, type: u32, from: CustomerID, missing: null}\n"
               "      - {name: country, type: 'char[24]', from: Country}\n",
               path);
    expect_records("python3 -c \"import csv,glob,sys; print(sum(sum(1 for row in "
                   "csv.DictReader(open(f,newline='')))"
                   " for f in glob.glob(sys.argv[1]+'/*')))\" '%s'",
                   path);
    cr_expect_eq(fixture.seen, 541909);
}

Test(lines_real, readings_of_a_real_machine)
{
    char path[512];
    if (!sample_path("iot/machine-temperature.csv", path, sizeof path))
        cr_skip_test("the sample is not there");
    run_sample("source: {type: lines, path: '%s', format: csv, schema: s}\n"
               "schemas: [{name: s, time: timestamp, fields: [{name: timestamp, type: timestamp}, "
               "{name: value, type: f64}]}]\n",
               path);
    expect_records("python3 -c \"import csv,sys; print(sum(1 for row in "
                   "csv.DictReader(open(sys.argv[1]))))\" '%s'",
                   path);
}

Test(lines_real, card_transactions)
{
    char path[512];
    if (!sample_path("cards/creditcard-subset.csv", path, sizeof path))
        cr_skip_test("the sample is not there");
    run_sample("source: {type: lines, path: '%s', format: csv, schema: s, select: Class=1}\n"
               "schemas: [{name: s, fields: [{name: Time, type: f64}, {name: V14, type: f64}, "
               "{name: Amount, type: decimal(2)}]}]\n",
               path);
    expect_records("python3 -c \"import csv,sys; print(sum(row['Class']=='1' for row in "
                   "csv.DictReader(open(sys.argv[1]))))\" '%s'",
                   path);
}

Test(lines_real, tracks_of_real_people)
{
    char path[512];
    if (!sample_path("gps/geolife-sample.txt.gz", path, sizeof path))
        cr_skip_test("the sample is not there");
    run_sample("source: {type: lines, path: '%s', format: csv, schema: s}\n"
               "schemas: [{name: s, time: datetime, fields: [{name: lat, type: decimal(9)}, {name: "
               "lng, type: decimal(9)},\n"
               "  {name: datetime, type: timestamp}, {name: uid, type: 'char[3]'}]}]\n",
               path);
    expect_records("python3 -c \"import csv,gzip,sys; print(sum(1 for row in "
                   "csv.DictReader(gzip.open(sys.argv[1],'rt'))))\" '%s'",
                   path);
}
