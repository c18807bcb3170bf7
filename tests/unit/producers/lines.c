// SPDX-License-Identifier: Apache-2.0
// Lines from files, standard input's kin and TCP: what becomes of each line, and where a restart goes on.
// lines_real.c has the real files.
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "core/clock.h"
#include "tests/support/producer_fixture.h"

static struct producer_fixture fixture;

static void open_fixture(void)
{
    producer_fixture_directory(&fixture);
}
static void close_fixture(void)
{
    producer_fixture_close(&fixture);
}
TestSuite(lines, .init = open_fixture, .fini = close_fixture);

static const char schema[] = "\nschemas:\n"
                             "  - name: r\n"
                             "    time: t\n"
                             "    fields:\n"
                             "      - {name: id, type: u16}\n"
                             "      - {name: v, type: f64, nullable: true}\n"
                             "      - {name: t, type: timestamp, nullable: true}\n";

static void put(const char *name, const char *text)
{
    producer_fixture_put_file(&fixture, name, text, strlen(text));
}

static void append(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture.directory, name);
    FILE *file = fopen(path, "a");
    fputs(text, file);
    fclose(file);
}

static int open_with(const char *source)
{
    char yaml[2048];
    snprintf(yaml, sizeof yaml, "source: {type: lines, schema: r, %s}%s", source, schema);
    return producer_fixture_open(&fixture, yaml);
}

static void run_with(const char *source)
{
    cr_assert_eq(open_with(source), MR_OK, "%s", fixture.err.text);
    cr_assert_eq(producer_fixture_run(&fixture), MR_POLL_END, "%s", fixture.run.err.text);
}

static uint64_t count(enum mr_count kind)
{
    return producer_fixture_count(&fixture, kind);
}
static uint64_t counter(unsigned which)
{
    return fixture.stage->now.plugin[fixture.run.counters + which];
}

static void expect_balance(void)
{
    cr_expect(producer_fixture_balances(&fixture));
}

// The ids of all records so far: "1 2 3".
static const char *ids(void)
{
    static char text[4096];
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < fixture.records.count && used < sizeof text - 8; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? " " : "",
                                 producer_fixture_text(&fixture, i, "id"));
    return text;
}

// ---- formats ------------------------------------------------------------------------------------

Test(lines, ndjson)
{
    put("a", "\xEF\xBB\xBF{\"id\":1,\"v\":0.5,\"t\":\"2024-01-01T00:00:00Z\"}\r\n\n  \n{\"id\":2}");
    run_with("path: '@DIR@/a', format: ndjson");
    cr_expect_str_eq(ids(), "1 2");
    cr_expect_str_eq(producer_fixture_text(&fixture, 0, "v"), "0.5");
    cr_expect_str_eq(producer_fixture_text(&fixture, 1, "v"), "(null)");
    cr_expect_eq(fixture.records.records[0]->sequence, 1);
    cr_expect_eq(fixture.records.records[1]->sequence, 4, "the physical line");
    cr_expect_eq(fixture.records.records[0]->event_time_ns, 1704067200000000000LL);
    cr_expect_eq(fixture.records.records[0]->ingest_time_ns, 1704067200000000000LL,
                 "files are reproducible");
    cr_expect_eq(counter(1), 2);
    cr_expect_eq(counter(2), 2, "blank lines");
    expect_balance();
}

Test(lines, csv_with_header_in_any_order)
{
    put("a", "t,\"v\",extra,id\r\n2024-01-01,1.5,x,7\r\n,,\"a\nb\",8\n2024-01-02,\"2\",\"say "
             "\"\"x\"\"\",9\n");
    run_with("path: '@DIR@/a', format: csv");
    cr_expect_str_eq(ids(), "7 8 9");
    cr_expect_str_eq(producer_fixture_text(&fixture, 1, "t"), "(null)");
    cr_expect_str_eq(producer_fixture_text(&fixture, 2, "v"), "2");
    cr_expect_eq(fixture.records.records[1]->sequence, 3);
    cr_expect_eq(fixture.records.records[2]->sequence, 5, "a row of two lines counts as two");
}

Test(lines, csv_without_header)
{
    put("a", "1;0,5;2024-01-01\n2;;\n");
    cr_assert_eq(open_with("path: '@DIR@/a', format: csv, header: false, delimiter: ';'"), MR_OK,
                 "%s", fixture.err.text);
    producer_fixture_run(&fixture);
    cr_expect_str_eq(ids(), "2", "columns are taken in the fields' order");
    cr_expect(
        strstr(producer_fixture_detail(&fixture, 0), "/a:1: field v: found \"0,5\", expected f64"),
        "%s", producer_fixture_detail(&fixture, 0));
}

Test(lines, rejects_say_line_found_and_expected)
{
    put("a", "{\"id\":1}\n{\"id\":\n{\"v\":1}\n{\"id\":70000}\n{\"id\":5}\n");
    run_with("path: '@DIR@/a', format: ndjson");
    cr_expect_str_eq(ids(), "1 5");
    cr_expect_eq(fixture.letters.count, 3);
    static const char *const expected[][2] = {
        {"syntax", "/a:2: byte 6: found the end of the text, expected a value"},
        {"missing_field", "/a:3: field id: found nothing, expected u16"},
        {"bad_value", "/a:4: field id: found \"70000\", expected u16"},
    };
    for (size_t i = 0; i < 3; i++) {
        cr_expect_str_eq(producer_fixture_reason(&fixture, i), expected[i][0]);
        cr_expect(strstr(producer_fixture_detail(&fixture, i), expected[i][1]), "%s",
                  producer_fixture_detail(&fixture, i));
    }
    const struct mr_dead_letter *letter = (const void *)fixture.letters.records[0];
    cr_expect_eq(letter->raw_length, 6);
    cr_expect_eq(memcmp(letter->raw, "{\"id\":", 6), 0);
    expect_balance();
}

Test(lines, csv_rows_that_cannot_be_told)
{
    put("a", "id,v,t\n1,2,,surplus\n2,3,,,\n\"3\"x,4,\n4\n\"5,6,\n7,8,");
    run_with("path: '@DIR@/a', format: csv");
    cr_expect_str_eq(ids(), "2 4 7", "empty surplus columns and short rows are fine");
    cr_expect_eq(fixture.letters.count, 3);
    cr_expect(strstr(producer_fixture_detail(&fixture, 0), ":2: found 4 columns, expected 3"));
    cr_expect(strstr(producer_fixture_detail(&fixture, 1), ":4: column 1: found 'x' at byte 3"));
    cr_expect(strstr(producer_fixture_detail(&fixture, 2), ":6: the quote that opens column 1"));
    expect_balance();
}

Test(lines, selection_and_prefix)
{
    put("a", "100 {\"id\":1,\"k\":\"x\"}\n200 {\"id\":2,\"k\":\"y\"}\n300 "
             "{\"id\":3,\"k\":\"x\",\"off\":true}\nnoprefix\n");
    const char *yaml = "source: {type: lines, path: '@DIR@/a', format: ndjson, prefix: true, "
                       "schema: p, ingest: got,\n"
                       "  select: ['k=x', 'off!=true']}\n"
                       "schemas: [{name: p, fields: [{name: id, type: u8}, {name: got, type: "
                       "timestamp, from: '@prefix', "
                       "format: ns}]}]\n";
    cr_assert_eq(producer_fixture_open(&fixture, yaml), MR_OK, "%s", fixture.err.text);
    producer_fixture_run(&fixture);
    cr_expect_str_eq(ids(), "1");
    cr_expect_eq(fixture.records.records[0]->ingest_time_ns, 100);
    cr_expect_eq(count(MR_COUNT_FILTERED), 2);
    cr_expect(
        strstr(producer_fixture_detail(&fixture, 0), ":4: found no space, expected a prefix"));
    expect_balance();
}

// ---- long lines ---------------------------------------------------------------------------------

static char *long_text(const char *before, size_t filler, const char *behind)
{
    char *text = malloc(strlen(before) + filler + strlen(behind) + 1);
    char *at = text + sprintf(text, "%s", before);
    memset(at, 'a', filler);
    strcpy(at + filler, behind);
    return text;
}

Test(lines, a_line_of_ten_megabytes_costs_one_letter_and_bounded_memory)
{
    char *text = long_text("{\"id\":1}\n{\"id\":2,\"s\":\"", 10 * 1000 * 1000, "\"}\n{\"id\":3}\n");
    put("a", text);
    free(text);
    run_with("path: '@DIR@/a', format: ndjson, line_max: 4KiB");
    cr_expect_str_eq(ids(), "1 3");
    cr_expect_eq(fixture.letters.count, 1);
    cr_expect_str_eq(producer_fixture_reason(&fixture, 0), "too_long");
    cr_expect_eq(fixture.records.records[1]->sequence, 3);
    expect_balance();
}

Test(lines, line_max_is_exact)
{
    char text[400];
    snprintf(text, sizeof text, "{\"id\":1}%*s\r\n{\"id\":2}%*s\n{\"id\":3}%*s", 92, "", 93, "", 92,
             "");
    put("a", text);
    run_with("path: '@DIR@/a', format: ndjson, line_max: 100");
    cr_expect_str_eq(ids(), "1 3");
    cr_expect_eq(fixture.letters.count, 1);
    cr_expect(
        strstr(producer_fixture_detail(&fixture, 0), ":2: found a line longer than 100 bytes"));
}

Test(lines, an_open_quote_costs_its_line_only)
{
    char *text = long_text("id,v\n1,\"2\n3,4\n", 0, "");
    size_t room = strlen(text) + 2000 * 6 + 1;
    text = realloc(text, room);
    for (int i = 0; i < 2000; i++)
        strcat(text + (i ? strlen(text) - 1 : 0), "5,6\n");
    put("a", text);
    free(text);
    char yaml[] = "source: {type: lines, path: '@DIR@/a', format: csv, schema: s, line_max: 1KiB}\n"
                  "schemas: [{name: s, fields: [{name: id, type: u8}, {name: v, type: u8}]}]\n";
    cr_assert_eq(producer_fixture_open(&fixture, yaml), MR_OK, "%s", fixture.err.text);
    producer_fixture_run(&fixture);
    cr_expect_eq(fixture.records.count, 2001);
    cr_expect_eq(fixture.letters.count, 1);
    cr_expect(strstr(producer_fixture_detail(&fixture, 0),
                     ":2: a quote is opened and not closed within 1024 bytes"));
}

// ---- files --------------------------------------------------------------------------------------

Test(lines, several_files_in_sorted_order)
{
    put("b.csv", "v,id,t\n,3\n,4");
    put("a.csv", "id,v,t\n1,\n2,\n");
    put("c.txt", "id,v\n9,\n");
    run_with("path: '@DIR@/*.csv', format: csv");
    cr_expect_str_eq(ids(), "1 2 3 4", "each file has its own header");
    cr_expect_eq(fixture.records.records[2]->sequence, 2, "lines are counted per file");
}

Test(lines, a_directory_and_a_list)
{
    char directory[128];
    snprintf(directory, sizeof directory, "%s/in", fixture.directory);
    cr_assert_eq(access(directory, F_OK), -1);
    put("z", "{\"id\":9}\n");
    snprintf(directory, sizeof directory, "mkdir %s/in", fixture.directory);
    cr_assert_eq(system(directory), 0);
    put("in/2", "{\"id\":2}\n");
    put("in/1", "{\"id\":1}\n");
    run_with("path: ['@DIR@/z', '@DIR@/in'], format: ndjson");
    cr_expect_str_eq(ids(), "9 1 2");
}

Test(lines, gzip_and_gzip_that_was_cut)
{
    char path[256], *text = malloc(3 << 20);
    size_t used = 0;
    uint32_t noise = 1;
    for (unsigned i = 0; i < 60000; i++) {
        noise = noise * 1664525 + 1013904223;
        used += (size_t)sprintf(text + used, "{\"id\":%u,\"v\":%u}\n", i % 1000, noise);
    }
    snprintf(path, sizeof path, "%s/a.gz", fixture.directory);
    gzFile gz = gzopen(path, "w");
    cr_assert_eq((size_t)gzwrite(gz, text, (unsigned)used), used);
    gzclose(gz);
    free(text);
    run_with("path: '@DIR@/a.gz', format: ndjson");
    cr_expect_eq(fixture.records.count, 60000);
    size_t whole = fixture.records.count;

    struct producer_fixture cut = {0};
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "source: {type: lines, schema: r, format: ndjson, path: %s}%s",
             path, schema);
    cr_assert_eq(truncate(path, 100000), 0);
    cr_assert_eq(producer_fixture_open(&cut, yaml), MR_OK, "%s", cut.err.text);
    cr_expect_eq(producer_fixture_run(&cut), MR_POLL_FAILED);
    cr_expect_eq(cut.run.err.code, MR_ERR_INPUT);
    cr_expect(strstr(cut.run.err.text, "damaged or cut"), "%s", cut.run.err.text);
    cr_expect(cut.records.count > 1000 && cut.records.count < whole, "what was whole is there");
    producer_fixture_close(&cut);
}

Test(lines, a_restart_goes_on_exactly_behind_the_last_commit)
{
    char *text = malloc(1 << 20);
    size_t used = (size_t)sprintf(text, "id,v,t\n");
    for (unsigned i = 0; i < 3000; i++)
        used += (size_t)sprintf(text + used, "%u,%u.5,2024-01-01\n", i, i);
    put("a.csv", text);
    put("b.csv", text);
    free(text);
    char yaml[2048];
    snprintf(yaml, sizeof yaml,
             "batch: 4KiB\nsource: {type: lines, schema: r, format: csv, path: '@DIR@/*.csv'}%s",
             schema);
    cr_assert_eq(producer_fixture_open(&fixture, yaml), MR_OK, "%s", fixture.err.text);
    unsigned restarts = 0;
    while (producer_fixture_poll(&fixture) != MR_POLL_END) {
        cr_assert_eq(producer_fixture_restart(&fixture), MR_OK, "%s", fixture.err.text);
        restarts++;
    }
    cr_expect_gt(restarts, 20);
    cr_assert_eq(fixture.records.count, 6000);
    for (size_t i = 0; i < 6000; i++) {
        cr_assert_eq(atoi(producer_fixture_text(&fixture, i, "id")), (int)(i % 3000));
        cr_assert_eq(fixture.records.records[i]->sequence, i % 3000 + 2);
    }
    cr_expect_eq(count(MR_COUNT_IN), 6000);
}

Test(lines, a_restart_inside_a_line_that_is_too_long)
{
    char *text = long_text("{\"id\":1}\n{\"s\":\"", 3 << 20, "\"}\n{\"id\":2}\n");
    put("a", text);
    free(text);
    cr_assert_eq(open_with("path: '@DIR@/a', format: ndjson, line_max: 1KiB"), MR_OK, "%s",
                 fixture.err.text);
    while (producer_fixture_poll(&fixture) != MR_POLL_END)
        cr_assert_eq(producer_fixture_restart(&fixture), MR_OK, "%s", fixture.err.text);
    cr_expect_str_eq(ids(), "1 2");
    cr_expect_eq(fixture.letters.count, 1, "the line is rejected once");
    cr_expect_eq(fixture.records.records[1]->sequence, 3);
}

Test(lines, a_file_that_changed_is_not_taken_up_again)
{
    char text[4096] = "id,v,t\n";
    for (unsigned i = 0; i < 300; i++)
        strcat(text, "1,2,\n");
    put("a", text);
    char yaml[1024];
    snprintf(yaml, sizeof yaml,
             "batch: 4KiB\nsource: {type: lines, schema: r, format: csv, path: '@DIR@/a'}%s",
             schema);
    cr_assert_eq(producer_fixture_open(&fixture, yaml), MR_OK, "%s", fixture.err.text);
    cr_assert_eq(producer_fixture_poll(&fixture), MR_POLL_MORE);
    put("a", "id,v,t\n1,2,\n");
    cr_expect_eq(producer_fixture_restart(&fixture), MR_ERR_INPUT);
    cr_expect(strstr(fixture.err.text, "expected the same file"), "%s", fixture.err.text);
    fixture.run.self = NULL;
    text[0] = 'x';
    put("a", text);
    cr_expect_eq(producer_fixture_restart(&fixture), MR_ERR_INPUT);
    cr_expect(strstr(fixture.err.text, "expected one called id"), "%s", fixture.err.text);
    fixture.run.self = NULL;
}

Test(lines, a_followed_file_grows_is_replaced_and_truncated)
{
    char from[256], to[256];
    put("a", "{\"id\":1}\n{\"id\":2");
    cr_assert_eq(open_with("path: '@DIR@/a', format: ndjson, follow: true"), MR_OK, "%s",
                 fixture.err.text);
    cr_expect_eq(producer_fixture_run(&fixture), MR_POLL_IDLE);
    cr_expect_str_eq(ids(), "1", "half a line is not a line");
    append("a", "}\n{\"id\":3}\n");
    cr_expect_eq(producer_fixture_run(&fixture), MR_POLL_IDLE);
    cr_expect_str_eq(ids(), "1 2 3");
    snprintf(from, sizeof from, "%s/a", fixture.directory);
    snprintf(to, sizeof to, "%s/a.1", fixture.directory);
    append("a", "{\"id\":4}\n");
    cr_assert_eq(rename(from, to), 0);
    put("a", "{\"id\":5}\n");
    cr_expect_eq(producer_fixture_run(&fixture), MR_POLL_IDLE);
    cr_expect_str_eq(ids(), "1 2 3 4 5", "the rest of the old file, then the new one");
    cr_assert_eq(producer_fixture_restart(&fixture), MR_OK, "%s", fixture.err.text);
    append("a", "{\"id\":6}\n");
    cr_expect_eq(producer_fixture_run(&fixture), MR_POLL_IDLE);
    cr_assert_eq(truncate(from, 0), 0);
    cr_expect_eq(producer_fixture_run(&fixture), MR_POLL_IDLE);
    append("a", "{\"id\":7}\n");
    cr_expect_eq(producer_fixture_run(&fixture), MR_POLL_IDLE);
    cr_expect_str_eq(ids(), "1 2 3 4 5 6 7");
    cr_expect_gt(fixture.records.records[6]->ingest_time_ns, 1700000000000000000LL,
                 "a followed file is live");
}

// ---- TCP ----------------------------------------------------------------------------------------

static int free_port(int *holder)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    *holder = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(*holder, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(*holder, 1), 0);
    getsockname(*holder, (struct sockaddr *)&address, &length);
    return ntohs(address.sin_port);
}

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

// Until so many records and dead letters are there, or two seconds have passed.
static void await_records(size_t wanted)
{
    int64_t until_ns = mr_mono_ns() + 2 * 1000000000LL;
    do
        producer_fixture_run(&fixture);
    while (fixture.records.count + fixture.letters.count < wanted && mr_mono_ns() < until_ns);
}

Test(lines, connections_side_by_side)
{
    char source[200];
    int holder, port = free_port(&holder);
    close(holder);
    snprintf(source, sizeof source, "listen: %d, format: csv, connections_max: 2", port);
    cr_assert_eq(open_with(source), MR_OK, "%s", fixture.err.text);
    int first = connect_to(port), second = connect_to(port), third = connect_to(port);
    say(first, "id,v,t\n1,");
    say(second, "t,id,v\n,2,\n,3,\n");
    say(third, "id,v,t\n5,,\n");
    await_records(2);
    cr_expect_str_eq(ids(), "2 3", "the first's line is not whole, the third has to wait");
    say(first, "0.5,\n4,,");
    close(first);
    await_records(5);
    cr_expect_str_eq(ids(), "2 3 1 4 5", "a last line without line end counts");
    cr_expect_eq(counter(3), 3);
    cr_expect_eq(fixture.records.records[4]->sequence, 5, "lines of all connections together");
    say(second, ",x,\n");
    await_records(6);
    cr_expect(strstr(producer_fixture_detail(&fixture, 0), "127.0.0.1:"), "%s",
              producer_fixture_detail(&fixture, 0));
    close(second);
    close(third);
    cr_assert_eq(producer_fixture_restart(&fixture), MR_OK, "%s", fixture.err.text);
    int fourth = connect_to(port);
    say(fourth, "id,v,t\n6,,\n7,,\n");
    await_records(8);
    cr_expect_str_eq(ids(), "2 3 1 4 5 6 7");
    cr_expect(fixture.records.records[5]->flags & MR_FLAG_GAP_BEFORE);
    cr_expect_not(fixture.records.records[6]->flags & MR_FLAG_GAP_BEFORE);
    close(fourth);
    expect_balance();
}

Test(lines, a_port_in_use)
{
    char source[200], expected[64];
    int holder, port = free_port(&holder);
    snprintf(source, sizeof source, "listen: %d, format: ndjson", port);
    cr_expect_eq(open_with(source), MR_ERR_BUSY);
    snprintf(expected, sizeof expected, "127.0.0.1:%d: the port is in use", port);
    cr_expect(strstr(fixture.err.text, expected), "%s", fixture.err.text);
    fixture.run.self = NULL;
    close(holder);
}

// ---- what cannot be -----------------------------------------------------------------------------

Test(lines, bad_options_name_their_place)
{
    static const struct {
        const char *source;
        int code;
        const char *text;
    } cases[] = {
        {"path: '@DIR@/none', format: csv", MR_ERR_INPUT, "source.path: "},
        {"path: '@DIR@/*.none', format: csv", MR_ERR_INPUT, "no such file"},
        {"path: ['@DIR@/a', '@DIR@/none'], format: csv", MR_ERR_INPUT, "source.path[1]: "},
        {"format: csv", MR_ERR_CONFIG, "neither path nor listen"},
        {"path: '@DIR@/a', listen: 1, format: csv", MR_ERR_CONFIG, "path and listen"},
        {"listen: 'here', format: csv", MR_ERR_CONFIG, "source.listen: found \"here\""},
        {"listen: 99999, format: csv", MR_ERR_CONFIG, "source.listen: found \"99999\""},
        {"path: '@DIR@/a', format: xml", MR_ERR_CONFIG, "source.format: found \"xml\""},
        {"path: '@DIR@/a'", MR_ERR_CONFIG, "format"},
        {"path: '@DIR@/a', format: csv, delimiter: ',,'", MR_ERR_CONFIG,
         "source.delimiter: found \",,\""},
        {"path: '@DIR@/a', format: csv, prefix: true", MR_ERR_CONFIG, "source.prefix: "},
        {"path: '@DIR@/a', format: csv, select: abc", MR_ERR_CONFIG,
         "source.select: found \"abc\""},
        {"path: '@DIR@/a', format: csv, ingest: id", MR_ERR_CONFIG, "source.ingest: found \"id\""},
        {"path: '@DIR@/a', format: csv, line_max: 1", MR_ERR_CONFIG,
         "source.line_max: found 1 bytes"},
        {"path: ['@DIR@/a'], format: csv, follow: true", MR_ERR_CONFIG, "source.follow: "},
    };
    char yaml[2048];
    for (size_t i = 0; i < MR_COUNT_OF(cases); i++) {
        struct producer_fixture bad = {0};
        producer_fixture_directory(&bad);
        producer_fixture_put_file(&bad, "a", "x,y\n", 4);
        snprintf(yaml, sizeof yaml, "source: {type: lines, schema: r, %s}%s", cases[i].source,
                 schema);
        cr_expect_eq(producer_fixture_open(&bad, yaml), cases[i].code, "%s: %d %s", cases[i].source,
                     bad.err.code, bad.err.text);
        cr_expect(strstr(bad.err.text, cases[i].text), "%s: %s", cases[i].source, bad.err.text);
        producer_fixture_close(&bad);
    }
}

Test(lines, a_header_without_the_column)
{
    put("a", "id,w\n1,2\n");
    cr_assert_eq(open_with("path: '@DIR@/a', format: csv"), MR_ERR_INPUT);
    cr_expect(strstr(fixture.err.text, "/a:1: found the columns id,w, expected one called v"), "%s",
              fixture.err.text);
}

Test(lines, a_later_header_without_the_column)
{
    put("a", "id,v,t\n");
    put("b", "id,w\n1,2\n");
    cr_assert_eq(open_with("path: ['@DIR@/a', '@DIR@/b'], format: csv"), MR_OK, "%s",
                 fixture.err.text);
    cr_expect_eq(producer_fixture_run(&fixture), MR_POLL_FAILED);
    cr_expect_eq(fixture.run.err.code, MR_ERR_INPUT);
    cr_expect(strstr(fixture.run.err.text, "/b:1: found the columns id,w, expected one called v"),
              "%s", fixture.run.err.text);
}
