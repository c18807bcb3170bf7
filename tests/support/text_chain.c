// SPDX-License-Identifier: Apache-2.0
#include "tests/support/text_chain.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dead_letter.h"

#define SECOND_NS 1000000000LL

// "name type[?], ..." with commas inside brackets left alone.
static void declare_field(struct mr_schema *schema, char *text)
{
    struct mr_error err;
    char name[64];
    int skipped = 0;
    cr_assert_eq(sscanf(text, " %63[a-zA-Z0-9_] %n", name, &skipped), 1, "field \"%s\"", text);
    char *type = text + skipped;
    size_t length = strlen(type);
    bool nullable = length > 0 && type[length - 1] == '?';
    if (nullable)
        type[length - 1] = '\0';
    cr_assert_eq(mr_schema_add(schema, name, type, nullable, &err), MR_OK, "%s", err.text);
}

void chain_declare(struct text_chain *f, const char *name, const char *fields)
{
    struct mr_error err;
    char copy[2000];
    struct mr_schema *schema = mr_schema_new(name, mr_schema_set_free_id(&f->schemas));
    snprintf(copy, sizeof copy, "%s", fields);
    int depth = 0;
    char *start = copy;
    for (char *at = copy;; at++) {
        depth += (*at == '(') - (*at == ')');
        if (*at != '\0' && (*at != ',' || depth > 0))
            continue;
        bool last = *at == '\0';
        *at = '\0';
        declare_field(schema, start);
        start = at + 1;
        if (last)
            break;
    }
    mr_schema_seal(schema);
    cr_assert_eq(mr_schema_set_add(&f->schemas, schema, &err), MR_OK, "%s", err.text);
}

void chain_open(struct text_chain *f, const char *transform)
{
    chain_fixture_open(&f->fixture, transform, &f->schemas);
    f->is_open = true;
}

const char *chain_error(struct text_chain *f, const char *transform)
{
    const char *text = chain_fixture_error(transform, &f->schemas);
    const char *file = strstr(text, "pipeline.yaml:");
    return file ? file : text;
}

// ---- records

static void set_field(const struct mr_schema *schema, struct mr_record *record, char *word)
{
    if (word[0] == '@') {
        record->event_time_ns = (int64_t)(strtod(word + 1, NULL) * (double)SECOND_NS);
        return;
    }
    char *value = strchr(word, '=');
    cr_assert_not_null(value, "\"%s\"", word);
    *value++ = '\0';
    const struct mr_field *field = mr_schema_field(schema, word);
    cr_assert_not_null(field, "%s has no field %s", schema->name, word);
    if (strcmp(value, "~") == 0)
        mr_field_set_null(schema, field, record, true);
    else if (field->type == MR_TYPE_BYTES) {
        memcpy((char *)record + field->offset, value, strlen(value));
        record->length += (uint32_t)strlen(value);
    } else
        cr_assert_eq(mr_field_parse(schema, field, record, value, strlen(value)), MR_OK, "%s=%s",
                     word, value);
}

void chain_feed(struct text_chain *f, const char *record_text)
{
    char copy[2000], *rest = copy;
    uint8_t bytes[8192] __attribute__((aligned(8)));
    struct mr_record *record = (void *)bytes;
    snprintf(copy, sizeof copy, "%s", record_text);
    const char *name = strsep(&rest, " ");
    const struct mr_schema *schema = mr_schema_set_by_name(&f->schemas, name);
    cr_assert_not_null(schema, "no schema %s", name);
    mr_record_init(schema, record);
    record->sequence = ++f->sequence;
    while (rest && *rest)
        set_field(schema, record, strsep(&rest, " "));
    chain_feed_raw(f, record, record->length);
}

bool chain_feed_raw(struct text_chain *f, const struct mr_record *record, uint32_t length)
{
    return mr_chain_apply(&f->fixture.chain, record, length);
}

static void print_record(struct text_chain *f, const struct mr_record *record)
{
    const struct mr_schema *schema =
        mr_schema_set_by_id(mr_chain_out(&f->fixture.chain), record->schema_id);
    cr_assert_not_null(schema, "schema id %u came out", record->schema_id);
    int used = snprintf(f->text, sizeof f->text, "%s", schema->name);
    for (unsigned i = 0; i < schema->field_count; i++) {
        const struct mr_field *field = &schema->fields[i];
        char value[600];
        mr_field_print(schema, field, record, value, sizeof value);
        used += snprintf(f->text + used, sizeof f->text - (size_t)used, " %s=%s", field->name,
                         mr_field_is_null(schema, field, record) ? "~" : value);
    }
}

const char *chain_next(struct text_chain *f)
{
    chain_fixture_commit(&f->fixture);
    if (f->next_out == f->fixture.out.count)
        return NULL;
    const struct mr_record *record = chain_fixture_at(&f->fixture.out, f->next_out++);
    print_record(f, record);
    f->flags = record->flags;
    return f->text;
}

const char *chain_next_letter(struct text_chain *f)
{
    chain_fixture_commit(&f->fixture);
    if (f->next_dead == f->fixture.dead.count)
        return NULL;
    const struct mr_dead_letter *letter =
        (const void *)chain_fixture_at(&f->fixture.dead, f->next_dead++);
    snprintf(f->text, sizeof f->text, "%.*s: %.*s", (int)sizeof letter->reason, letter->reason,
             (int)sizeof letter->detail, letter->detail);
    return f->text;
}

// ---- counts

uint64_t chain_count(struct text_chain *f, enum mr_count count)
{
    const struct mr_stage_slot *now = &f->fixture.stage->now;
    uint64_t fates = 0, reasons = 0;
    for (int i = MR_COUNT_OUT; i <= MR_COUNT_DROPPED; i++)
        fates += now->counts[i];
    for (int i = 0; i < MR_REASON_KINDS; i++)
        reasons += now->rejected[i];
    cr_assert_eq(now->counts[MR_COUNT_IN], fates, "every input has one fate");
    cr_assert_eq(now->counts[MR_COUNT_REJECTED], reasons, "every rejection has one reason");
    return now->counts[count];
}

uint64_t chain_counter(struct text_chain *f, const char *name)
{
    return chain_fixture_counter(&f->fixture, name);
}

void chain_crash(struct text_chain *f)
{
    chain_fixture_crash(&f->fixture);
}

void chain_close(struct text_chain *f)
{
    if (f->is_open)
        chain_fixture_close(&f->fixture);
    mr_schema_set_clear(&f->schemas);
    memset(f, 0, sizeof *f);
}
