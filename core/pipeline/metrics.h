// SPDX-License-Identifier: Apache-2.0
// A run's status as Prometheus metrics (text exposition format 0.0.4). One table declares every
// metric: name, unit, help, type, and what writes its series. Names follow the Prometheus conventions:
// base units, `_total` for counters; labels stage, ring, reason, schema, hop. Every series stands
// there from the start, at zero: an alert on one that has never happened needs it.
#ifndef MR_CORE_PIPELINE_METRICS_H
#define MR_CORE_PIPELINE_METRICS_H

#include <stdio.h>

#include "core/pipeline/report.h"

enum mr_metric_type { MR_METRIC_COUNTER, MR_METRIC_GAUGE, MR_METRIC_HISTOGRAM };

struct mr_metric {
    const char *name; // NULL ends the table
    const char *unit; // "" where it counts things
    const char *help;
    // Writes the metric's series; `what` is the row's own number, e.g. an mr_count.
    void (*write)(FILE *out, const struct mr_metric *metric, const struct mr_report *report);
    enum mr_metric_type type;
    unsigned what;
};
extern const struct mr_metric mr_metrics[];

void mr_metrics_write(const struct mr_report *report, FILE *out);

#endif
