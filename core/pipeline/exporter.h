// SPDX-License-Identifier: Apache-2.0
// Serves a run's status over HTTP, on 127.0.0.1 or the address in the pipeline file: GET /metrics (Prometheus), /stat (JSON), / (a page
// for people). It maps the stage pages and rings read-only at each request and owns nothing of the
// run. Answers wait, for a second at most, until every stage has said what it counts: all series are
// in the first one.
//
//     struct mr_exporter *exporter;
//     code = mr_exporter_start(&exporter, pipeline, port, &err);   // MR_ERR_BUSY: the port is in
//     use
//     ...
//     mr_exporter_stop(exporter);
#ifndef MR_CORE_PIPELINE_EXPORTER_H
#define MR_CORE_PIPELINE_EXPORTER_H

#include "core/pipeline/pipeline.h"

struct mr_exporter;

// Port 0: the system chooses (see mr_exporter_port). The pipeline must outlive the exporter. It
// works in a thread of its own: block signals that are to be handled elsewhere before.
int mr_exporter_start(struct mr_exporter **exporter, const struct mr_pipeline *pipeline, int port,
                      struct mr_error *err);
int mr_exporter_port(const struct mr_exporter *exporter);
void mr_exporter_stop(struct mr_exporter *exporter); // NULL is allowed

#endif
