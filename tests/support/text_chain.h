// SPDX-License-Identifier: Apache-2.0
// A chain fixture with records as text: declare schemas, open the chain of a
// `transform` list, feed records written as text, look at what comes out as text.
//
//     struct text_chain f;
//     chain_declare(&f, "trade", "symbol char[8], price decimal(2), note char[8]?");   // ? may be
//     null chain_open(&f, "- filter: 'price > 10'\n"); chain_feed(&f, "trade symbol=AAPL
//     price=12.50 note=~ @5");                // @ event time in seconds
//     cr_assert_str_eq(chain_next(&f), "trade symbol=AAPL price=12.50 note=~");
//     cr_assert_null(chain_next(&f));
//     chain_close(&f);
#ifndef MR_TESTS_SUPPORT_TEXT_CHAIN_H
#define MR_TESTS_SUPPORT_TEXT_CHAIN_H

#include "tests/support/chain_fixture.h"

struct text_chain {
    struct mr_schema_set schemas;
    struct chain_fixture fixture;
    bool is_open;
    unsigned next_out, next_dead;
    uint64_t sequence;
    uint32_t flags; // of the record that chain_next returned last
    char text[4096];
};

// The first call of a test begins a new chain.
void chain_declare(struct text_chain *f, const char *name, const char *fields);
void chain_open(struct text_chain *f, const char *transform);
// The error that opening this chain gives, without the directory of the file; "" where it gives
// none.
const char *chain_error(struct text_chain *f, const char *transform);
void chain_feed(struct text_chain *f, const char *record);
// Any bytes as a record.
bool chain_feed_raw(struct text_chain *f, const struct mr_record *record, uint32_t length);
// Commits; the next record that came out, or NULL.
const char *chain_next(struct text_chain *f);
// Commits; the next dead letter as "reason: sentence", or NULL.
const char *chain_next_letter(struct text_chain *f);
// What is counted, committed or not; checks that every input has one fate.
uint64_t chain_count(struct text_chain *f, enum mr_count count);
uint64_t chain_counter(struct text_chain *f, const char *name); // "clamp.clamped"
// The process dies before the commit, and starts again.
void chain_crash(struct text_chain *f);
void chain_close(struct text_chain *f);

#endif
