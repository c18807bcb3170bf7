// SPDX-License-Identifier: Apache-2.0
// bars: tumbling windows of event time per key: open, high, low, close, volume, vwap, count.
//
//     - bars: {on: book_trade, key: symbol, price: price, volume: shares, every: 1m, lateness: 0s}
//
// A bar covers [start, end), start a multiple of `every` since the Unix epoch. Open and close are
// the prices of the earliest and the latest event time in it, whatever order the records came in;
// of equal times, the first and the last to come. It is emitted when the watermark (the greatest
// event time of all keys, less the lateness) reaches its end, or when the input ends: windows by
// their end, keys within one in the order in which they first came. Its record carries the sequence
// and ingest time of the last record that went into it, and its end as event time.
//
// Of the input, with pass: false, only gap records go on; with pass: true everything does, a record
// before the bars that it closes. A record behind the watermark is late: it changes no bar, and
// with pass: true goes on with the late flag. Rejected are records whose key, price or volume is
// null or not a finite number, or that have no event time, and those of a new key where keys_max
// have a bar in that window.
//
// The bar's key has the name and type of the input's, its prices the type of the price. The volume
// is the exact sum, u64, i64, f64 or a decimal as the field summed; null without `volume`. vwap is
// null where the volume is.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/transform/bars.h"
#include "core/market.h"

enum { COUNT_BARS, COUNT_LATE, COUNT_FULL };
static const char *const counters[] = {"bars", "late", "full", NULL};

static const struct mr_option options[] = {
    {"on", MR_OPTION_NODE, offsetof(struct mr_bars_options, on), NULL,
     "schema or list of schemas to make bars of; may be left out where only one has the fields",
     NULL},
    {"key", MR_OPTION_STRING, offsetof(struct mr_bars_options, key), MR_OPTION_REQUIRED,
     "field that tells one bar's records from another's", NULL},
    {"price", MR_OPTION_STRING, offsetof(struct mr_bars_options, price), MR_OPTION_REQUIRED,
     "field whose open, high, low and close are taken", NULL},
    {"volume", MR_OPTION_STRING, offsetof(struct mr_bars_options, volume), NULL,
     "field that is summed, and weighs the prices in vwap", NULL},
    {"every", MR_OPTION_DURATION, offsetof(struct mr_bars_options, every_ns), MR_OPTION_REQUIRED,
     "length of a window: 1s, 1m, 1h", NULL},
    {"lateness", MR_OPTION_DURATION, offsetof(struct mr_bars_options, lateness_ns), "0s",
     "how far behind the greatest event time a record may come", NULL},
    {"pass", MR_OPTION_BOOL, offsetof(struct mr_bars_options, pass), "false",
     "the records themselves go on, too", NULL},
    {"keys_max", MR_OPTION_INT, offsetof(struct mr_bars_options, keys_max), "0",
     "keys in one window; 0: 16384, or fewer where the egress ring is small", NULL},
    {"name", MR_OPTION_STRING, offsetof(struct mr_bars_options, name), "bar",
     "name of the schema of the bars", NULL},
    {0}};

// ---- values

static union mr_bar_value value_of(const struct mr_field *field, const void *record)
{
    union mr_bar_value value;
    if (mr_bars_is_real(field))
        value.f = mr_field_get_f64(field, record);
    else
        value.i = mr_field_get_i64(field, record);
    return value;
}

static void set_value(const struct mr_schema *schema, const struct mr_field *field, void *record,
                      union mr_bar_value value)
{
    // A value of its own type, or a sum of the sum's: it fits.
    if (mr_bars_is_real(field))
        mr_field_set_f64(schema, field, record, value.f);
    else
        mr_field_set_i64(schema, field, record, value.i);
}

static bool is_less(const struct mr_field *field, union mr_bar_value a, union mr_bar_value b)
{
    if (mr_bars_is_real(field))
        return a.f < b.f;
    return field->type == MR_TYPE_U64 ? a.u < b.u : a.i < b.i;
}

// False where the sum does not fit its type.
static bool sum_of(const struct mr_field *field, union mr_bar_value a, union mr_bar_value b,
                   union mr_bar_value *sum)
{
    if (mr_bars_is_real(field)) {
        sum->f = a.f + b.f;
        return isfinite(sum->f);
    }
    if (field->type >= MR_TYPE_U8 && field->type <= MR_TYPE_U64)
        return !__builtin_add_overflow(a.u, b.u, &sum->u);
    return !__builtin_add_overflow(a.i, b.i, &sum->i);
}

// ---- a record

struct sample { // what a bar takes from a record; its key is in bars->key_now
    const struct mr_bars_input *input;
    int64_t event_ns, ingest_time_ns;
    uint64_t sequence;
    union mr_bar_value price, volume;
    double price_real, volume_real;
};

static const struct mr_bars_input *input_of(const struct mr_bars *self, uint16_t schema_id)
{
    for (unsigned i = 0; i < self->input_count; i++)
        if (self->inputs[i].schema->id == schema_id)
            return &self->inputs[i];
    return NULL;
}

static bool check_field(struct mr_op *op, const struct mr_schema *schema,
                        const struct mr_field *field, const struct mr_record *record)
{
    if (field == NULL)
        return true;
    if (mr_field_is_null(schema, field, record)) {
        mr_op_reject(op, record, MR_REASON_MISSING_FIELD, "%s: found null, expected a value",
                     field->name);
        return false;
    }
    if (mr_bars_is_real(field) && !isfinite(mr_field_get_f64(field, record))) {
        mr_op_reject(op, record, MR_REASON_BAD_VALUE, "%s: found %g, expected a finite number",
                     field->name, mr_field_get_f64(field, record));
        return false;
    }
    return true;
}

static bool check_time(struct mr_op *op, const struct mr_record *record)
{
    int64_t event_ns = record->event_time_ns;
    if (event_ns == 0)
        mr_op_reject(op, record, MR_REASON_MISSING_FIELD,
                     "found no event time, expected the source to give one");
    else if (event_ns > MR_BAR_TIME_MAX_NS || event_ns < -MR_BAR_TIME_MAX_NS)
        mr_op_reject(op, record, MR_REASON_BAD_VALUE,
                     "event time: found %lld ns, expected it within 146 years of 1970",
                     (long long)event_ns);
    else
        return true;
    return false;
}

static bool take_sample(struct mr_op *op, const struct mr_bars_input *in,
                        const struct mr_record *record, struct sample *s)
{
    struct mr_bars *self = op->self;
    if (!check_time(op, record) || !check_field(op, in->schema, in->key, record) ||
        !check_field(op, in->schema, in->price, record) ||
        !check_field(op, in->schema, in->volume, record))
        return false;
    *s = (struct sample){.input = in,
                         .event_ns = record->event_time_ns,
                         .ingest_time_ns = record->ingest_time_ns,
                         .sequence = record->sequence,
                         .price = value_of(in->price, record),
                         .price_real = mr_field_get_f64(in->price, record)};
    if (in->volume != NULL) {
        s->volume = value_of(in->volume, record);
        s->volume_real = mr_field_get_f64(in->volume, record);
    }
    memcpy(self->key_now, (const uint8_t *)record + in->key->offset, in->key->bytes);
    return true;
}

// Neumaier's sum: what the addition rounds away is kept apart.
static void add_weighted(struct mr_bar *bar, double term)
{
    double sum = bar->weighted + term;
    if (fabs(bar->weighted) >= fabs(term))
        bar->weighted_rest += bar->weighted - sum + term;
    else
        bar->weighted_rest += term - sum + bar->weighted;
    bar->weighted = sum;
}

static void update(struct mr_bar *bar, const struct sample *s, union mr_bar_value volume)
{
    const struct mr_field *price = s->input->price;
    bool is_new = bar->count == 0;
    if (is_new || s->event_ns < bar->open_time_ns) {
        bar->open = s->price;
        bar->open_time_ns = s->event_ns;
    }
    if (is_new || s->event_ns >= bar->close_time_ns) {
        bar->close = s->price;
        bar->close_time_ns = s->event_ns;
    }
    if (is_new || is_less(price, bar->high, s->price))
        bar->high = s->price;
    if (is_new || is_less(price, s->price, bar->low))
        bar->low = s->price;
    bar->volume = volume;
    add_weighted(bar, s->price_real * s->volume_real);
    bar->sequence = s->sequence;
    bar->ingest_time_ns = s->ingest_time_ns;
    bar->count++;
}

// ---- a bar goes out

static void set_vwap(const struct mr_bars *self, const struct mr_bar *bar, void *record)
{
    double volume = mr_field_get_f64(self->volume, record);
    double vwap = (bar->weighted + bar->weighted_rest) / volume;
    if (self->options->volume == NULL || volume == 0 || !isfinite(vwap))
        mr_field_set_null(self->out, self->vwap, record, true);
    else
        mr_field_set_f64(self->out, self->vwap, record, vwap);
}

static void emit(struct mr_op *op, const struct mr_bar *bar, int64_t start_ns)
{
    struct mr_bars *self = op->self;
    struct mr_record *record = (struct mr_record *)(void *)self->record;
    int64_t end_ns = start_ns + self->shape.every_ns;
    mr_record_init(self->out, record);
    record->sequence = bar->sequence;
    record->event_time_ns = end_ns;
    record->ingest_time_ns = bar->ingest_time_ns;
    memcpy(self->record + self->key->offset, bar->key, self->key->bytes);
    mr_field_set_i64(self->out, self->start, record, start_ns);
    mr_field_set_i64(self->out, self->end, record, end_ns);
    set_value(self->out, self->open, record, bar->open);
    set_value(self->out, self->high, record, bar->high);
    set_value(self->out, self->low, record, bar->low);
    set_value(self->out, self->close, record, bar->close);
    set_value(self->out, self->volume, record, bar->volume);
    set_vwap(self, bar, record);
    if (self->options->volume == NULL)
        mr_field_set_null(self->out, self->volume, record, true);
    mr_field_set_i64(self->out, self->count, record, (int64_t)bar->count);
    mr_op_count(op, COUNT_BARS, 1);
    mr_op_pass(op, record);
}

static void close_due(struct mr_op *op)
{
    struct mr_bars *self = op->self;
    struct mr_bar_window *window;
    while ((window = mr_bar_windows_due(&self->windows, false)) != NULL) {
        uint32_t bars = mr_bar_window_bars(&self->windows, window);
        for (uint32_t i = window->emitted; i < bars; i++)
            emit(op, mr_bar_at(&self->windows, window, i), window->start_ns);
        mr_bar_window_emitted(&self->windows, window, bars);
    }
}

static void bars_drain(struct mr_op *op)
{
    struct mr_bars *self = op->self;
    struct mr_bar_window *window;
    while ((window = mr_bar_windows_due(&self->windows, true)) != NULL) {
        uint32_t i = window->emitted, bars = mr_bar_window_bars(&self->windows, window);
        while (i < bars && !mr_op_should_pause(op))
            emit(op, mr_bar_at(&self->windows, window, i++), window->start_ns);
        mr_bar_window_emitted(&self->windows, window, i);
        if (op->chain->paused)
            return;
    }
}

// ---- the operator

static void take_in(struct mr_op *op, const struct mr_record *record, const struct sample *s)
{
    struct mr_bars *self = op->self;
    struct mr_bar *bar = mr_bar_find(&self->windows, s->event_ns, self->key_now);
    if (bar == NULL) {
        mr_op_count(op, COUNT_FULL, 1);
        mr_op_reject(op, record, MR_REASON_LIMIT,
                     "found a key beyond keys_max, which is %u for one window",
                     self->shape.keys_max);
        return;
    }
    union mr_bar_value volume = {0};
    if (s->input->volume != NULL && !sum_of(s->input->volume, bar->volume, s->volume, &volume)) {
        mr_op_reject(op, record, MR_REASON_LIMIT, "the volume of its bar exceeds the type of %s",
                     s->input->volume->name);
        return;
    }
    update(bar, s, volume);
}

static void hand_on(struct mr_op *op, struct mr_record *record)
{
    struct mr_bars *self = op->self;
    if (self->options->pass || record->schema_id == MR_SCHEMA_GAP)
        mr_op_pass(op, record);
}

static void bars_apply(struct mr_op *op, struct mr_record *record)
{
    struct mr_bars *self = op->self;
    const struct mr_bars_input *in = input_of(self, record->schema_id);
    struct sample s;
    if (in == NULL) {
        hand_on(op, record);
        return;
    }
    if (!take_sample(op, in, record, &s))
        return;
    if (mr_bar_windows_is_late(&self->windows, s.event_ns)) {
        mr_op_count(op, COUNT_LATE, 1);
        mr_op_fate(op, MR_COUNT_LATE);
        record->flags |= MR_FLAG_LATE;
        hand_on(op, record);
        return;
    }
    hand_on(op, record);
    mr_bar_windows_see(&self->windows, s.event_ns);
    close_due(op);
    take_in(op, record, &s);
}

static int bars_start(struct mr_op *op, struct mr_error *err)
{
    struct mr_bars *self = op->self;
    (void)err;
    mr_bar_windows_attach(&self->windows, op->state, &self->shape, mr_op_state_touch(op));
    return MR_OK;
}

static void bars_close(struct mr_op *op)
{
    struct mr_bars *self = op->self;
    free(self->record);
    free(self->key_now);
    free(self);
}

static int bars_open(struct mr_op *op, struct mr_error *err)
{
    struct mr_bars *self = calloc(1, sizeof *self);
    if (self == NULL)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for bars");
    op->self = self;
    self->options = op->options;
    int code = mr_bars_declare(op, err);
    if (code != MR_OK)
        return code;
    self->record = aligned_alloc(8, mr_record_stride(self->out->record_bytes));
    self->key_now = malloc(self->shape.key_bytes);
    if (self->record == NULL || self->key_now == NULL)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for bars");
    op->state_bytes = mr_bar_windows_bytes(&self->shape);
    return MR_OK;
}

const struct mr_operator mr_operator_bars = {
    .name = "bars",
    .about = "open, high, low, close, volume and vwap per key and window of event time",
    .options = options,
    .options_bytes = sizeof(struct mr_bars_options),
    .counters = counters,
    .open = bars_open,
    .start = bars_start,
    .apply = bars_apply,
    .drain = bars_drain,
    .close = bars_close,
};
