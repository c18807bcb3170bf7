// SPDX-License-Identifier: Apache-2.0
// Operators of one's own: Lua scripts in their sandbox, and shared objects.
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/text_chain.h"

static struct text_chain f;
static struct scratch scratch;
static char script_path[200], transform[400];

static void declare(void)
{
    scratch_open(&scratch);
    chain_declare(&f, "trade",
                  "symbol char[8], price decimal(2), quantity u32, live bool, note char[8]?, "
                  "side enum(buy,sell), at timestamp");
    chain_declare(&f, "other", "x u8");
}

static void close_fixture(void)
{
    chain_close(&f);
    scratch_close(&scratch);
}

TestSuite(script, .init = declare, .fini = close_fixture);

static const char *write_script(const char *text)
{
    scratch_path(&scratch, "op.lua", script_path, sizeof script_path);
    FILE *file = fopen(script_path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    snprintf(transform, sizeof transform, "  - script: {path: %s}\n", script_path);
    return transform;
}

Test(script, reads_writes_drops_and_emits_several)
{
    chain_open(
        &f, write_script("reads = {'price'}\n"
                         "fields = {worth = 'f64', again = 'bool'}\n"
                         "function apply(r, emit)\n"
                         "  if r.quantity == 0 then return end\n"
                         "  r.worth = r.price * r.quantity\n"
                         "  if r.note == nil then r.note = string.lower(r.symbol) end\n"
                         "  r.side = r.side == 'buy' and 'sell' or 'buy'\n"
                         "  r.live = not r.live\n"
                         "  emit(r)\n"
                         "  if r.worth > 100 then r.again = true; r.at = r.at + 1.5; emit(r) end\n"
                         "end\n"));
    chain_feed(&f, "trade symbol=A price=50 quantity=0");
    chain_feed(&f, "trade symbol=B price=50.25 quantity=2 note=~ at=2020-01-30T00:00:00Z");
    chain_feed(&f, "trade symbol=C price=50.25 quantity=1 note=x side=sell live=true");
    chain_feed(&f, "other x=3");
    cr_assert_str_eq(chain_next(&f),
                     "trade symbol=B price=50.25 quantity=2 live=true note=b side=sell "
                     "at=2020-01-30T00:00:00.000000000Z again=~ worth=100.5");
    cr_assert_str_eq(chain_next(&f),
                     "trade symbol=B price=50.25 quantity=2 live=true note=b side=sell "
                     "at=2020-01-30T00:00:01.500000000Z again=true worth=100.5");
    cr_assert_str_eq(chain_next(&f),
                     "trade symbol=C price=50.25 quantity=1 live=false note=x side=buy "
                     "at=1970-01-01T00:00:00.000000000Z again=~ worth=50.25");
    cr_assert_str_eq(chain_next(&f), "other x=3");
    cr_assert_eq(chain_count(&f, MR_COUNT_FILTERED), 1);
    cr_assert_eq(chain_count(&f, MR_COUNT_OUT), 3);
    cr_assert_eq(chain_count(&f, MR_COUNT_EMITTED), 4);
}

Test(script, what_operators_behind_do_does_not_come_back)
{
    write_script("reads = {'price'}\nfunction apply(r, emit) emit(r) emit(r) end\n");
    strcat(transform, "  - set: {price: \"price + 1\"}\n  - clamp: {quantity: [7, ~]}\n");
    chain_open(&f, transform);
    chain_feed(&f, "trade price=1 quantity=1");
    cr_assert(strstr(chain_next(&f), "price=2.00 quantity=7"));
    cr_assert(strstr(chain_next(&f), "price=2.00 quantity=7"));
}

Test(script, errors_reject_the_record_as_it_came)
{
    chain_open(&f, write_script("reads = {'price'}\n"
                                "function apply(r, emit)\n"
                                "  if r.symbol == 'A' then r.prize = 1 end\n"
                                "  if r.symbol == 'B' then r.quantity = -1 end\n"
                                "  if r.symbol == 'C' then r.sequence = 1 end\n"
                                "  if r.symbol == 'D' then emit(3) end\n"
                                "  if r.symbol == 'E' then emit(r) error('late') end\n"
                                "  if r.symbol == 'F' then r.quantity = {} end\n"
                                "end\n"));
    static const char *const letters[] = {
        ":3: the record has no field \"prize\", it has symbol, price, quantity, live, note, side, "
        "at, "
        "event_time, ingest_time",
        ":4: quantity: found -1, expected what a u32 holds",
        ":5: the envelope's values cannot be set",
        ":6: emit: expected the record, as in emit(record)",
        ":7: late",
        ":8: quantity: found a table, expected a value",
    };
    char record[32];
    for (size_t i = 0; i < MR_COUNT_OF(letters); i++) {
        snprintf(record, sizeof record, "trade symbol=%c", (char)('A' + i));
        chain_feed(&f, record);
        const char *letter = chain_next_letter(&f);
        cr_assert_not_null(letter);
        cr_assert_eq(strncmp(letter, "expression: transform[0].script: ", 33), 0, "%s", letter);
        cr_assert(strstr(letter, letters[i]), "%s", letter);
    }
    cr_assert_eq(chain_count(&f, MR_COUNT_REJECTED), 5);
    cr_assert_eq(chain_count(&f, MR_COUNT_OUT), 1, "the one that was emitted before its error");
    cr_assert_eq(chain_counter(&f, "egress.derived_rejected"), 1);
}

Test(script, the_sandbox_has_no_way_out)
{
    static const char *const globals[] = {
        "os",      "io",           "ffi",    "jit",      "debug",          "package",
        "require", "loadstring",   "load",   "loadfile", "dofile",         "getfenv",
        "setfenv", "getmetatable", "rawget", "rawset",   "collectgarbage", "print",
        "module",  "newproxy"};
    static const char *const others[] = {
        "math.random", "math.randomseed", "string.dump", "('').dump", "_G.os", "_G._G._G.io",
    };
    char text[400];
    for (size_t i = 0; i < MR_COUNT_OF(globals) + MR_COUNT_OF(others); i++) {
        const char *name = i < MR_COUNT_OF(globals) ? globals[i] : others[i - MR_COUNT_OF(globals)];
        snprintf(text, sizeof text, "if %s ~= nil then error('reached') end function apply() end\n",
                 name);
        cr_assert_str_eq(chain_error(&f, write_script(text)), "", "%s", name);
    }
}

Test(script, tonumber_is_the_languages_but_for_what_it_reads_differently_each_time)
{
    static const char *const held[] = {
        "tonumber('9223372036854775808e82') == 2 ^ 63 * 1e82",
        "tonumber(' 12.5 ') == 12.5",
        "tonumber('0x10') == 16",
        "tonumber('ff', 16) == 255",
        "tonumber(7) == 7",
        "tonumber(nil) == nil",
        "tonumber({}) == nil",
        "tonumber('12 a') == nil",
        "tonumber('nan(0xfff9)') == nil",
        "tonumber('') == nil",
    };
    char text[400];
    for (size_t i = 0; i < MR_COUNT_OF(held); i++) {
        snprintf(text, sizeof text, "if not (%s) then error('not so') end function apply() end\n",
                 held[i]);
        cr_expect_str_eq(chain_error(&f, write_script(text)), "", "%s", held[i]);
    }
}

static void assert_refused(const char *text, const char *problem)
{
    static const char place[] = "pipeline.yaml:6: transform[0].";
    const char *found = chain_error(&f, text);
    cr_assert_eq(strncmp(found, place, strlen(place)), 0, "%s", found);
    cr_assert(strstr(found, problem), "%s", found);
}

Test(script, files_that_are_no_operator_are_refused)
{
    assert_refused(
        "  - script: {path: /nowhere/op.lua}\n",
        "script.path: found /nowhere/op.lua, which cannot be read: No such file or directory");
    assert_refused(write_script("function apply(\n"), "op.lua:2: ");
    assert_refused(write_script("x = 1\n"), "found no function apply(record, emit) in the script");
    assert_refused(write_script("\x1bLJ"), "which is binary, expected Lua as text");
    assert_refused(write_script("fields = {worth = 'money'} function apply() end\n"),
                   "field worth: ");
    assert_refused(write_script("fields = 3 function apply() end\n"),
                   "found `fields` that is no table");
    assert_refused(write_script("reads = {'prize'} function apply() end\n"),
                   "found unknown field \"prize\" (did you mean \"price\"?)");
    assert_refused(write_script("error('at load')\n"), "op.lua:1: at load");
}

// ---- the examples, as they are

// The root of the tree, seen from build/<variant>/tests/unit/transform.
static const char *beside_program(const char *relative, char *out, size_t out_bytes)
{
    char program[300];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    cr_assert_gt(length, 0);
    program[length] = '\0';
    *strrchr(program, '/') = '\0';
    snprintf(out, out_bytes, "%s/%s", program, relative);
    return out;
}

Test(script, the_lua_example)
{
    char path[400], text[500];
    beside_program("../../../../../examples/operators/notional.lua", path, sizeof path);
    snprintf(text, sizeof text, "  - script: {path: %s}\n", path);
    chain_open(&f, text);
    chain_feed(&f, "trade symbol=A price=1.5 quantity=3 note=~");
    chain_feed(&f, "trade symbol=B price=1000.01 quantity=1000 note=~");
    chain_feed(&f, "trade symbol=C price=1000.01 quantity=0 note=~");
    cr_assert(strstr(chain_next(&f), "alert=false notional=4.50 size=small"), "%s", f.text);
    cr_assert(strstr(chain_next(&f), "alert=false notional=1000010.00 size=large"), "%s", f.text);
    cr_assert(strstr(chain_next(&f), "alert=true notional=1000010.00 size=large"), "%s", f.text);
    cr_assert_null(chain_next(&f));
}

Test(script, the_shared_object_example_keeps_its_sum_across_a_crash)
{
    char path[400], text[500];
    beside_program("../../../examples/operators/notional.so", path, sizeof path);
    if (access(path, R_OK) != 0)
        cr_skip_test("%s is not built (make examples)", path);
    snprintf(text, sizeof text, "  - shared_object: {path: %s, options: {quantity: quantity}}\n",
             path);
    chain_open(&f, text);
    chain_feed(&f, "trade price=1.25 quantity=3");
    cr_assert(strstr(chain_next(&f), "notional=3.75 total=3.75"), "%s", f.text);
    chain_feed(&f, "trade price=2 quantity=1");
    chain_crash(&f);
    chain_feed(&f, "trade price=10 quantity=2");
    cr_assert(strstr(chain_next(&f), "notional=20.00 total=23.75"), "%s", f.text);
    chain_feed(&f, "other x=1");
    cr_assert_str_eq(chain_next(&f), "other x=1");
}

Test(script, objects_that_are_no_operator_are_refused)
{
    char text[500], path[400];
    assert_refused("  - shared_object: {path: ./nowhere.so}\n", "found what cannot be loaded");
    assert_refused("  - shared_object: {path: libm.so.6}\n",
                   "found what cannot be loaded (./libm.so.6");
    Dl_info library;
    cr_assert_neq(dladdr((void *)puts, &library), 0);
    snprintf(text, sizeof text, "  - shared_object: {path: %s}\n", library.dli_fname);
    assert_refused(text, "without an operator (MR_OPERATOR_PLUGIN), expected one that exports it");
    beside_program("../../../examples/operators/notional.so", path, sizeof path);
    if (access(path, R_OK) != 0)
        cr_skip_test("%s is not built (make examples)", path);
    snprintf(text, sizeof text, "  - shared_object: {path: %s, options: {prise: x}}\n", path);
    assert_refused(text, "prise");
    snprintf(text, sizeof text, "  - shared_object: {path: %s, options: {price: x}}\n", path);
    assert_refused(text, "found no schema with x and quantity");
}
