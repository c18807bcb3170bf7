// SPDX-License-Identifier: Apache-2.0
#include "core/formats/csv.h"

#include <stdio.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Where `scanned` stands in the row.
enum { IN_BARE, IN_QUOTES, AFTER_QUOTE, IN_BAD };
// What one step of the scan came to.
enum step { STEP_ON, STEP_MORE, STEP_ROW };

void mr_csv_init(struct mr_csv *csv, char delimiter, char quote)
{
    memset(csv, 0, offsetof(struct mr_csv, fields));
    csv->delimiter = delimiter;
    csv->quote = quote;
    csv->line = 1;
}

static void begin_row(struct mr_csv *csv)
{
    csv->field_start = csv->first_line_end = csv->lines_inside = 0;
    csv->field_count = 0;
    csv->problem = MR_CSV_PROBLEM_NONE;
    csv->state = IN_BARE;
}

// The first delimiter or line feed in [at, end), or end.
static inline const char *find_separator(const char *at, const char *end, char delimiter)
{
#if defined(__SSE2__)
    const __m128i delimiters = _mm_set1_epi8(delimiter), feeds = _mm_set1_epi8('\n');
    while (end - at >= 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)at);
        int mask = _mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(block, delimiters), _mm_cmpeq_epi8(block, feeds)));
        if (mask)
            return at + __builtin_ctz((unsigned)mask);
        at += 16;
    }
#endif
    while (at < end && *at != delimiter && *at != '\n')
        at++;
    return at;
}

#if defined(__SSE2__)
#define BLOCK_BYTES 64

struct special_bytes {
    __m128i delimiter, quote, feed;
};

static inline uint64_t special_16(const char *at, const struct special_bytes *wanted)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i separators =
        _mm_or_si128(_mm_cmpeq_epi8(bytes, wanted->delimiter), _mm_cmpeq_epi8(bytes, wanted->feed));
    return (unsigned)_mm_movemask_epi8(
        _mm_or_si128(separators, _mm_cmpeq_epi8(bytes, wanted->quote)));
}

// A bit for each byte of the block that is a delimiter, a quote or a line feed.
static inline uint64_t special_64(const char *at, const struct special_bytes *wanted)
{
    return special_16(at, wanted) | special_16(at + 16, wanted) << 16 |
           special_16(at + 32, wanted) << 32 | special_16(at + 48, wanted) << 48;
}

// A whole row that has no quote in it, a block at a time. False, with nothing settled: the row has
// one, or may reach beyond the last whole block.
static bool take_bare_row(struct mr_csv *csv, const char *bytes, size_t length)
{
    const struct special_bytes wanted = {_mm_set1_epi8(csv->delimiter), _mm_set1_epi8(csv->quote),
                                         _mm_set1_epi8('\n')};
    uint32_t start = 0, block_start = 0;
    unsigned count = 0;
    bool ended = false;
    for (; !ended; block_start += BLOCK_BYTES) {
        if (block_start + (size_t)BLOCK_BYTES > length || count > MR_CSV_FIELDS_MAX - BLOCK_BYTES)
            return false;
        uint64_t special = special_64(bytes + block_start, &wanted);
        for (; special != 0 && !ended; special &= special - 1) {
            uint32_t end = block_start + (uint32_t)__builtin_ctzll(special);
            if (MR_UNLIKELY(bytes[end] == csv->quote))
                return false;
            csv->fields[count++] = (struct mr_csv_field){.offset = start, .length = end - start};
            start = end + 1;
            ended = bytes[end] == '\n';
        }
    }
    struct mr_csv_field *last = &csv->fields[count - 1];
    if (last->length > 0 && bytes[start - 2] == '\r')
        last->length--;
    csv->field_count = count;
    csv->scanned = start;
    return true;
}
#else
static bool take_bare_row(struct mr_csv *csv, const char *bytes, size_t length)
{
    (void)csv, (void)bytes, (void)length;
    return false;
}
#endif

static enum step bad(struct mr_csv *csv, enum mr_csv_problem problem, size_t offset)
{
    csv->problem = problem;
    csv->problem_offset = (uint32_t)offset;
    csv->state = IN_BAD;
    return STEP_ON;
}

static inline bool add_field(struct mr_csv *csv, size_t end, bool quoted)
{
    if (MR_UNLIKELY(csv->field_count == MR_CSV_FIELDS_MAX))
        return false;
    csv->fields[csv->field_count++] =
        (struct mr_csv_field){.offset = csv->field_start,
                              .length = (uint32_t)(end - csv->field_start),
                              .quoted = quoted,
                              .doubled = quoted && csv->doubled};
    return true;
}

// Takes unquoted fields until the row or the bytes end, or a field begins with the quote.
static enum step scan_bare(struct mr_csv *csv, const char *bytes, size_t length, bool final)
{
    const char *at = bytes + csv->scanned, *end = bytes + length;
    for (;;) {
        size_t start = csv->field_start;
        if (at == bytes + start && at < end && *at == csv->quote) {
            csv->scanned = csv->field_start = (uint32_t)start + 1;
            csv->state = IN_QUOTES;
            csv->doubled = false;
            return STEP_ON;
        }
        at = find_separator(at, end, csv->delimiter);
        csv->scanned = (uint32_t)(at - bytes);
        if (at == end && !final)
            return STEP_MORE;
        bool ends_row = at == end || *at == '\n';
        size_t field_end = csv->scanned;
        if (ends_row && field_end > start && at[-1] == '\r')
            field_end--;
        if (!add_field(csv, field_end, false))
            return bad(csv, MR_CSV_PROBLEM_FIELDS, start);
        if (at < end)
            at++;
        csv->scanned = csv->field_start = (uint32_t)(at - bytes);
        if (ends_row)
            return STEP_ROW;
    }
}

static void count_lines(struct mr_csv *csv, const char *bytes, const char *at, const char *end)
{
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        at++;
        csv->lines_inside++;
        if (csv->first_line_end == 0)
            csv->first_line_end = (uint32_t)(at - bytes);
    }
}

// Looks for the quote that closes the field, and stands behind it.
static enum step scan_quoted(struct mr_csv *csv, const char *bytes, size_t length, bool final)
{
    const char *at = bytes + csv->scanned, *end = bytes + length;
    for (;;) {
        const char *quote = memchr(at, csv->quote, (size_t)(end - at));
        count_lines(csv, bytes, at, quote ? quote : end);
        if (!quote && final)
            return bad(csv, MR_CSV_PROBLEM_UNTERMINATED, csv->field_start - 1);
        csv->scanned = (uint32_t)((quote ? quote : end) - bytes);
        if (!final && (!quote || quote + 1 == end))
            return STEP_MORE;
        at = quote + 1;
        if (at == end || *at != csv->quote)
            break;
        csv->doubled = true;
        at++;
    }
    if (!add_field(csv, csv->scanned, true))
        return bad(csv, MR_CSV_PROBLEM_FIELDS, csv->field_start);
    csv->scanned++;
    csv->state = AFTER_QUOTE;
    return STEP_ON;
}

// Behind a closing quote only a delimiter, a line end or the end of the input may stand.
static enum step scan_after_quote(struct mr_csv *csv, const char *bytes, size_t length, bool final)
{
    size_t at = csv->scanned, left = length - at;
    bool return_first = left > 0 && bytes[at] == '\r';
    if (left == (return_first ? 1 : 0)) {
        csv->scanned = (uint32_t)(final ? length : at);
        return final ? STEP_ROW : STEP_MORE;
    }
    if (bytes[at] == csv->delimiter) {
        csv->scanned = csv->field_start = (uint32_t)at + 1;
        csv->state = IN_BARE;
        return STEP_ON;
    }
    if (bytes[at + return_first] != '\n')
        return bad(csv, MR_CSV_PROBLEM_AFTER_QUOTE, at);
    csv->scanned = (uint32_t)at + return_first + 1;
    return STEP_ROW;
}

static size_t take_line(struct mr_csv *csv, size_t bytes)
{
    csv->row_line = csv->line++;
    csv->scanned = 0;
    return bytes;
}

// A bad row is its first physical line; without a line end so far the rest of the line is looked
// for.
static enum mr_csv_result end_bad(struct mr_csv *csv, const char *bytes, size_t length, bool final,
                                  size_t *row_bytes)
{
    if (csv->first_line_end == 0) {
        const char *feed = memchr(bytes + csv->scanned, '\n', length - csv->scanned);
        csv->scanned = (uint32_t)length;
        if (!feed && !final)
            return MR_CSV_MORE;
        csv->first_line_end = feed ? (uint32_t)(feed - bytes + 1) : (uint32_t)length;
    }
    *row_bytes = take_line(csv, csv->first_line_end);
    return MR_CSV_BAD;
}

enum mr_csv_result mr_csv_next(struct mr_csv *csv, const char *bytes, size_t length, bool final,
                               size_t *row_bytes)
{
    enum step step = STEP_ON;
    if (length == 0)
        return MR_CSV_MORE;
    if (csv->scanned == 0) {
        begin_row(csv);
        if (take_bare_row(csv, bytes, length))
            step = STEP_ROW;
    }
    while (step == STEP_ON) {
        if (csv->state == IN_BARE)
            step = scan_bare(csv, bytes, length, final);
        else if (csv->state == IN_QUOTES)
            step = scan_quoted(csv, bytes, length, final);
        else if (csv->state == AFTER_QUOTE)
            step = scan_after_quote(csv, bytes, length, final);
        else
            return end_bad(csv, bytes, length, final, row_bytes);
    }
    if (step == STEP_MORE)
        return MR_CSV_MORE;
    *row_bytes = take_line(csv, csv->scanned);
    csv->line += csv->lines_inside;
    bool blank = csv->field_count == 1 && csv->fields[0].length == 0 && !csv->fields[0].quoted;
    return blank ? MR_CSV_BLANK : MR_CSV_ROW;
}

bool mr_csv_give_up(struct mr_csv *csv, size_t *row_bytes)
{
    uint32_t end = csv->first_line_end;
    *row_bytes = take_line(csv, end);
    return end != 0;
}

size_t mr_csv_unquote(const char *text, size_t length, char quote, char *out)
{
    size_t wrote = 0;
    for (size_t i = 0; i < length; i++) {
        out[wrote++] = text[i];
        if (text[i] == quote && i + 1 < length && text[i + 1] == quote)
            i++;
    }
    return wrote;
}

void mr_csv_explain(const struct mr_csv *csv, const char *row, size_t row_bytes, char *out,
                    size_t out_bytes)
{
    unsigned column = csv->field_count + 1, offset = csv->problem_offset;
    if (csv->problem == MR_CSV_PROBLEM_UNTERMINATED)
        snprintf(out, out_bytes,
                 "the quote that opens column %u at byte %u is never closed, expected a closing %c",
                 column, offset, csv->quote);
    else if (csv->problem == MR_CSV_PROBLEM_FIELDS)
        snprintf(out, out_bytes, "found more than %d columns, expected at most so many",
                 MR_CSV_FIELDS_MAX);
    else if (offset < row_bytes && row[offset] >= ' ' && row[offset] <= '~')
        snprintf(out, out_bytes,
                 "column %u: found '%c' at byte %u behind the closing quote, expected '%c' or the "
                 "end of the line",
                 column - 1, row[offset], offset, csv->delimiter);
    else
        snprintf(out, out_bytes,
                 "column %u: found more text at byte %u behind the closing quote, expected the "
                 "delimiter or the end of the line",
                 column - 1, offset);
}
