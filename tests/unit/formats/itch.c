// SPDX-License-Identifier: Apache-2.0
// ITCH 5.0 against bytes: of real files, and, for the types that no file at hand has, written down
// from the specification's tables.
#include "core/formats/itch.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/samples.h"
#include "tests/support/scratch.h"

#define MIDNIGHT_NS 1580360400000000000LL // 2020-01-30 00:00 in New York

static struct mr_itch_symbols symbols; // zeroed anew in each test's process
static uint64_t room[MR_ITCH_RECORD_BYTES_MAX / 8];

static void *decode_hex(const char *hex)
{
    uint8_t message[64];
    size_t length = bytes_of_hex(hex, message, sizeof message);
    cr_assert_eq(mr_itch_check(message, length), MR_ITCH_GOOD, "%s", hex);
    memset(room, 0xAA, sizeof room); // decode leaves no byte behind the first 8 as it was
    mr_itch_decode(message, &symbols, MIDNIGHT_NS, 7, (struct mr_record *)(void *)room);
    cr_expect_eq(room[0], 0xAAAAAAAAAAAAAAAA, "length and checksum belong to the ring");
    room[0] = mr_itch_types[message[0]].record_bytes;
    uint8_t back[64];
    size_t back_length = mr_itch_encode((struct mr_record *)(void *)room, mr_get_be16(message + 3),
                                        MIDNIGHT_NS, back);
    cr_expect_eq(back_length, length);
    cr_expect_eq(memcmp(back, message, length), 0, "encode is the inverse of decode: %s", hex);
    return room;
}

#define EXPECT_TEXT(field, text)                                                                   \
    cr_expect(strncmp((field), (text), sizeof(field)) == 0, "found %.*s", (int)sizeof(field),      \
              (field))

Test(itch, lengths_are_those_of_the_specification)
{
    static const struct {
        char type;
        uint8_t length;
    } all[] = {{'S', 12}, {'R', 39}, {'H', 25}, {'Y', 20}, {'L', 26}, {'V', 35},
               {'W', 12}, {'K', 28}, {'J', 35}, {'h', 21}, {'A', 36}, {'F', 40},
               {'E', 31}, {'C', 36}, {'X', 23}, {'D', 19}, {'U', 35}, {'P', 44},
               {'Q', 40}, {'B', 19}, {'I', 50}, {'N', 20}, {'O', 48}};
    unsigned known = 0;
    for (size_t i = 0; i < MR_COUNT_OF(all); i++)
        cr_expect_eq(mr_itch_types[(uint8_t)all[i].type].length, all[i].length, "%c", all[i].type);
    for (unsigned type = 0; type < 256; type++)
        known += mr_itch_types[type].length != 0;
    cr_expect_eq(known, 23);
    cr_expect_eq(strlen(mr_itch_type_letters), 23);
}

Test(itch, record_sizes_are_those_of_the_schemas)
{
    for (const char *letter = mr_itch_type_letters; *letter; letter++) {
        const struct mr_itch_type *type = &mr_itch_types[(uint8_t)*letter];
        cr_expect_eq(type->record_bytes, mr_market_schema(type->schema_id)->record_bytes, "%c",
                     *letter);
    }
}

Test(itch, faults)
{
    uint8_t message[64] = {'D'};
    cr_expect_eq(mr_itch_check(message, 19), MR_ITCH_GOOD);
    cr_expect_eq(mr_itch_check(message, 18), MR_ITCH_BAD_LENGTH);
    cr_expect_eq(mr_itch_check(message, 20), MR_ITCH_BAD_LENGTH);
    cr_expect_eq(mr_itch_check(message, 0), MR_ITCH_BAD_LENGTH);
    message[0] = 'Z';
    cr_expect_eq(mr_itch_check(message, 19), MR_ITCH_UNKNOWN_TYPE);
    message[0] = 'V';
    cr_expect_eq(mr_itch_check(message, 35), MR_ITCH_GOOD);
    message[19] = 0x80; // level 2 of 2^63 and more
    cr_expect_eq(mr_itch_check(message, 35), MR_ITCH_BAD_VALUE);
    memset(message, 0, sizeof message);
    message[0] = 'O';
    cr_expect_eq(mr_itch_check(message, 48), MR_ITCH_GOOD);
    message[33] = 1; // a time of 2^48 ns
    cr_expect_eq(mr_itch_check(message, 48), MR_ITCH_BAD_VALUE);
}

// ---- a dozen records of real files, their values read off the bytes by hand

Test(itch, order_add_20200130_record_1)
{
    const struct mr_order_add *add = decode_hex(
        "41 1f40 0000 0d19e5e0a226 000000000000f7b0 53 00000056 54534c4120202020 00623a7c");
    cr_expect_eq(add->env.length, 64);
    cr_expect_eq(add->env.schema_id, MR_SCHEMA_ORDER_ADD);
    cr_expect_eq(add->env.sequence, 7);
    cr_expect_eq(add->env.flags, 0);
    cr_expect_eq(add->env.event_time_ns, 1580374804882047526LL); // 09:00:04.882047526 UTC
    cr_expect_eq(add->env.ingest_time_ns, 1580374804882047526LL);
    cr_expect_eq(add->locate, 8000);
    cr_expect_eq(add->side, 'S');
    cr_expect_eq(add->reserved, 0);
    cr_expect_eq(add->order_ref, 63408);
    cr_expect_eq(memcmp(add->symbol, "TSLA\0\0\0\0", 8), 0);
    cr_expect_eq(add->shares, 86);
    cr_expect_eq(add->price, 6437500); // 643.7500
}

Test(itch, order_delete_20200130_record_7)
{
    const struct mr_order_delete *record = decode_hex("44 09d4 0000 0d19e77e460d 0000000000010692");
    cr_expect_eq(record->env.event_time_ns, 1580374804909155853LL);
    cr_expect_eq(record->locate, 2516);
    cr_expect_eq(record->order_ref, 67218);
    cr_expect_eq(record->env.flags, MR_FLAG_UNKNOWN_REF, "nothing has named locate 2516 yet");
    cr_expect_eq(record->symbol[0], 0);
}

Test(itch, order_cancel_20200130_record_13)
{
    const struct mr_order_cancel *record =
        decode_hex("58 0a32 0000 0d19e7d13f2f 000000000001089a 000002bc");
    cr_expect_eq(record->env.event_time_ns, 1580374804914593583LL);
    cr_expect_eq(record->order_ref, 67738);
    cr_expect_eq(record->shares, 700);
}

Test(itch, order_replace_20200130_record_32)
{
    const struct mr_order_replace *record =
        decode_hex("55 09d4 0000 0d19e8a12910 000000000000ff26 00000000000108d2 000001f4 0002d3d4");
    cr_expect_eq(record->order_ref, 65318);
    cr_expect_eq(record->new_order_ref, 67794);
    cr_expect_eq(record->shares, 500);
    cr_expect_eq(record->price, 185300);
}

Test(itch, order_executed_20200130_record_251)
{
    const struct mr_order_executed *record =
        decode_hex("45 0c9f 0002 0d19f0fb686c 0000000000010986 00000005 00000000000045b8");
    cr_expect_eq(record->env.event_time_ns, 1580374805068351596LL);
    cr_expect_eq(record->locate, 3231);
    cr_expect_eq(record->order_ref, 67974);
    cr_expect_eq(record->shares, 5);
    cr_expect_eq(record->match_number, 17848);
}

Test(itch, trade_20200130_record_453)
{
    const struct mr_trade *record =
        decode_hex("50 1fc4 0002 0d1a0241be22 0000000000000000 42 0000001e 5547415a20202020 "
                   "0006eab4 00000000000045bc");
    EXPECT_TEXT(record->symbol, "UGAZ");
    cr_expect_eq(record->side, 'B');
    cr_expect_eq(record->order_ref, 0);
    cr_expect_eq(record->shares, 30);
    cr_expect_eq(record->price, 453300); // 45.3300
    cr_expect_eq(record->match_number, 17852);
}

Test(itch, system_event_20191230_record_3)
{
    const struct mr_system_event *record = decode_hex("53 0000 0000 1f1acedb172e 51");
    cr_expect_eq(record->event_code, 'Q');
    cr_expect_eq(record->locate, 0);
    cr_expect_eq(record->env.length, 40);
}

Test(itch, order_add_mpid_20191230_record_8)
{
    const struct mr_order_add_mpid *record =
        decode_hex("46 1804 0000 1f1acedb6963 0000000000729047 42 00000064 5047462020202020 "
                   "0002cad8 464c5447");
    EXPECT_TEXT(record->symbol, "PGF");
    cr_expect_eq(record->locate, 6148);
    cr_expect_eq(record->order_ref, 7508039);
    cr_expect_eq(record->side, 'B');
    cr_expect_eq(record->shares, 100);
    cr_expect_eq(record->price, 183000); // 18.3000
    cr_expect_eq(memcmp(record->attribution, "FLTG", 4), 0);
    cr_expect_eq(record->env.length, 72);
}

Test(itch, noii_20191230_record_25)
{
    const struct mr_noii *record = decode_hex(
        "49 02cc 0000 1f1acedbc7ec 000000000000004f 0000000000000000 4e 424154524b202020 "
        "0004856c 0004856c 0004856c 4f 4c");
    EXPECT_TEXT(record->symbol, "BATRK");
    cr_expect_eq(record->paired_shares, 79);
    cr_expect_eq(record->imbalance_shares, 0);
    cr_expect_eq(record->direction, 'N');
    cr_expect_eq(record->far_price, 296300);
    cr_expect_eq(record->near_price, 296300);
    cr_expect_eq(record->reference_price, 296300);
    cr_expect_eq(record->cross_type, 'O');
    cr_expect_eq(record->price_variation, 'L');
}

Test(itch, order_executed_price_20191230_record_308)
{
    const struct mr_order_executed_price *record = decode_hex(
        "43 0e58 0001 1f1acee91efc 000000000056961a 00000036 000000000000d0f8 4e 00062b4c");
    cr_expect_eq(record->order_ref, 5674522);
    cr_expect_eq(record->shares, 54);
    cr_expect_eq(record->match_number, 53496);
    cr_expect_eq(record->printable, 'N');
    cr_expect_eq(record->price, 404300);
}

Test(itch, cross_trade_20191230_record_309)
{
    const struct mr_cross_trade *record = decode_hex(
        "51 0e58 0002 1f1acee91efc 0000000000001829 4844532020202020 00062b4c 000000000000d0f9 4f");
    EXPECT_TEXT(record->symbol, "HDS");
    cr_expect_eq(record->shares, 6185);
    cr_expect_eq(record->price, 404300);
    cr_expect_eq(record->match_number, 53497);
    cr_expect_eq(record->cross_type, 'O');
}

Test(itch, trading_action_and_participant_of_captures)
{
    const struct mr_trading_action *action =
        decode_hex("48 01d0 0000 1f9df77c9e20 414d432020202020 54 20 20202020");
    EXPECT_TEXT(action->symbol, "AMC");
    cr_expect_eq(action->locate, 464);
    cr_expect_eq(action->trading_state, 'T');
    cr_expect_eq(memcmp(action->reason, "\0\0\0\0", 4), 0);
    const struct mr_market_participant *participant =
        decode_hex("4c 0e93 0000 1f2082daf82d 4d41584d 46474d4320202020 59 4e 41");
    EXPECT_TEXT(participant->symbol, "FGMC");
    cr_expect_eq(memcmp(participant->mpid, "MAXM", 4), 0);
    cr_expect_eq(participant->primary_market_maker, 'Y');
    cr_expect_eq(participant->market_maker_mode, 'N');
    cr_expect_eq(participant->participant_state, 'A');
}

// ---- types that no file at hand has: written down from the specification

Test(itch, stock_directory)
{
    const struct mr_stock_directory *record = decode_hex(
        "52 0001 0000 0a0000000000 4141504c20202020 51 4e 00000064 4e 43 5a20 50 4e 59 31 4e "
        "00000003 59");
    cr_expect_eq(record->env.event_time_ns, 1580371395116277760LL);
    EXPECT_TEXT(record->symbol, "AAPL");
    cr_expect_eq(record->market_category, 'Q');
    cr_expect_eq(record->financial_status, 'N');
    cr_expect_eq(record->round_lot_size, 100);
    cr_expect_eq(record->round_lots_only, 'N');
    cr_expect_eq(record->issue_classification, 'C');
    cr_expect_eq(memcmp(record->issue_subtype, "Z\0", 2), 0);
    cr_expect_eq(record->authenticity, 'P');
    cr_expect_eq(record->short_sale_threshold, 'N');
    cr_expect_eq(record->ipo_flag, 'Y');
    cr_expect_eq(record->luld_tier, '1');
    cr_expect_eq(record->etp_flag, 'N');
    cr_expect_eq(record->etp_leverage_factor, 3);
    cr_expect_eq(record->inverse_indicator, 'Y');
}

Test(itch, reg_sho_retail_interest_and_broken_trade)
{
    const struct mr_reg_sho *sho = decode_hex("59 0001 0000 0a0000000000 4141504c20202020 32");
    EXPECT_TEXT(sho->symbol, "AAPL");
    cr_expect_eq(sho->action, '2');
    const struct mr_retail_interest *retail =
        decode_hex("4e 0001 0000 0a0000000000 4141504c20202020 41");
    EXPECT_TEXT(retail->symbol, "AAPL");
    cr_expect_eq(retail->interest, 'A');
    const struct mr_broken_trade *broken = decode_hex("42 0001 0000 0a0000000000 00000000000045bc");
    cr_expect_eq(broken->match_number, 17852);
    EXPECT_TEXT(broken->symbol, "AAPL"); // by its locate
}

Test(itch, circuit_breaker_levels_and_status)
{
    const struct mr_mwcb_levels *levels =
        decode_hex("56 0000 0000 0a0000000000 00000046e7f05cc0 0000004254d3acc0 0000003cfe827400");
    cr_expect_eq(levels->level_1, 304539000000LL); // 3045.39
    cr_expect_eq(levels->level_2, 284891000000LL);
    cr_expect_eq(levels->level_3, 261968000000LL);
    const struct mr_mwcb_status *status = decode_hex("57 0000 0000 0a0000000000 32");
    cr_expect_eq(status->breached_level, '2');
}

Test(itch, ipo_quote)
{
    const struct mr_ipo_quote *quote =
        decode_hex("4b 0001 0000 0a0000000000 4141504c20202020 00008ca0 41 000186a0");
    EXPECT_TEXT(quote->symbol, "AAPL");
    cr_expect_eq(quote->release_time_ns, 1580396400000000000LL); // 10:00 in New York
    cr_expect_eq(quote->release_qualifier, 'A');
    cr_expect_eq(quote->ipo_price, 100000); // 10.0000
    quote = decode_hex("4b 0001 0000 0a0000000000 4141504c20202020 00000000 43 00000000");
    cr_expect_eq(quote->release_time_ns, 0, "cancelled: no time");
    cr_expect_eq(quote->release_qualifier, 'C');
}

Test(itch, collar_and_operational_halt)
{
    const struct mr_luld_collar *collar = decode_hex(
        "4a 0001 0000 0a0000000000 4141504c20202020 000f4240 00100590 000e7ef0 00000002");
    EXPECT_TEXT(collar->symbol, "AAPL");
    cr_expect_eq(collar->reference_price, 1000000);
    cr_expect_eq(collar->upper_price, 1050000);
    cr_expect_eq(collar->lower_price, 950000);
    cr_expect_eq(collar->extension, 2);
    const struct mr_operational_halt *halt =
        decode_hex("68 0001 0000 0a0000000000 4141504c20202020 51 48");
    EXPECT_TEXT(halt->symbol, "AAPL");
    cr_expect_eq(halt->market_code, 'Q');
    cr_expect_eq(halt->action, 'H');
}

Test(itch, direct_listing)
{
    const struct mr_direct_listing *record =
        decode_hex("4f 0001 0000 0a0000000000 4141504c20202020 59 000c3500 001b7740 000f4240 "
                   "000020bde7364000 000dbba0 0010c8e0");
    EXPECT_TEXT(record->symbol, "AAPL");
    cr_expect_eq(record->open_eligibility, 'Y');
    cr_expect_eq(record->minimum_price, 800000);
    cr_expect_eq(record->maximum_price, 1800000);
    cr_expect_eq(record->near_price, 1000000);
    cr_expect_eq(record->near_execution_time_ns, 1580396400000000000LL);
    cr_expect_eq(record->lower_collar, 900000);
    cr_expect_eq(record->upper_collar, 1100000);
}

// ---- symbols

Test(itch, locate_is_resolved_once_a_message_named_it)
{
    const char *delete = "44 1f40 0000 0d19e77e460d 0000000000010692";
    const struct mr_order_delete *record = decode_hex(delete);
    cr_expect_eq(record->env.flags, MR_FLAG_UNKNOWN_REF);
    decode_hex("41 1f40 0000 0d19e5e0a226 000000000000f7b0 53 00000056 54534c4120202020 00623a7c");
    record = decode_hex(delete);
    cr_expect_eq(record->env.flags, 0);
    EXPECT_TEXT(record->symbol, "TSLA");
}

Test(itch, learning_alone_knows_as_much_as_decoding)
{
    static struct mr_itch_symbols learned;
    uint64_t state = random_seed(42);
    for (int i = 0; i < 20000; i++) {
        uint8_t message[64];
        for (size_t b = 0; b < sizeof message; b++)
            message[b] = (uint8_t)random_next(&state);
        message[0] = (uint8_t)mr_itch_type_letters[random_below(&state, MR_ITCH_TYPE_COUNT)];
        if (mr_itch_check(message, mr_itch_types[message[0]].length) != MR_ITCH_GOOD)
            continue;
        mr_itch_decode(message, &symbols, 0, 1, (struct mr_record *)(void *)room);
        mr_itch_learn(message, &learned);
    }
    cr_expect_eq(memcmp(&learned, &symbols, sizeof learned), 0);
}

Test(itch, blanks_and_zeroes)
{
    uint8_t wire[8];
    cr_expect_eq(mr_text8_from_wire((const uint8_t *)"        "), 0);
    mr_text8_to_wire(wire, 0);
    cr_expect_eq(memcmp(wire, "        ", 8), 0);
    uint64_t text = mr_text8_from_wire((const uint8_t *)"BRK A   ");
    cr_expect_eq(memcmp(&text, "BRK A\0\0\0", 8), 0, "only trailing blanks go");
    mr_text8_to_wire(wire, text);
    cr_expect_eq(memcmp(wire, "BRK A   ", 8), 0);
    text = mr_text8_from_wire((const uint8_t *)"ABCDEFGH");
    cr_expect_eq(memcmp(&text, "ABCDEFGH", 8), 0);
}

// ---- the real files

static size_t count_types(const char *name, size_t counts[256])
{
    size_t bytes, messages = 0;
    uint8_t *file = sample_load(name, &bytes);
    if (!file)
        cr_skip_test("sample %s is not there", name);
    for (size_t at = 0; at + 2 <= bytes; messages++) {
        size_t length = mr_get_be16(file + at);
        cr_assert_leq(at + 2 + length, bytes);
        cr_assert_eq(mr_itch_check(file + at + 2, length), MR_ITCH_GOOD, "byte %zu", at);
        mr_itch_decode(file + at + 2, &symbols, MIDNIGHT_NS, messages + 1,
                       (struct mr_record *)(void *)room);
        counts[file[at + 2]]++;
        at += 2 + length;
    }
    free(file);
    return messages;
}

Test(itch, premarket_file_of_20200130)
{
    size_t counts[256] = {0};
    cr_assert_eq(count_types("itch/20200130-0400-premarket.itch", counts), 12932);
    cr_expect_eq(counts['A'], 6131);
    cr_expect_eq(counts['D'], 4263);
    cr_expect_eq(counts['X'], 2035);
    cr_expect_eq(counts['U'], 428);
    cr_expect_eq(counts['E'], 55);
    cr_expect_eq(counts['P'], 20);
    const struct mr_trade *last = (const void *)room; // record 12932, at byte 391901
    EXPECT_TEXT(last->symbol, "UGAZ");
    cr_expect_eq(last->match_number, 0x4602);
    cr_expect_eq(last->env.event_time_ns, 1580374827265624866LL);
}

Test(itch, opening_file_of_20191230)
{
    size_t counts[256] = {0};
    cr_assert_eq(count_types("itch/20191230-0930-open.itch", counts), 1000);
    const struct {
        char type;
        size_t count;
    } expected[] = {{'A', 367}, {'U', 225}, {'F', 193}, {'D', 167}, {'E', 28}, {'X', 6},
                    {'I', 4},   {'P', 4},   {'Q', 4},   {'S', 1},   {'C', 1}};
    for (size_t i = 0; i < MR_COUNT_OF(expected); i++)
        cr_expect_eq(counts[(uint8_t)expected[i].type], expected[i].count, "%c", expected[i].type);
}
