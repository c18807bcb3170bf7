// SPDX-License-Identifier: Apache-2.0
// The `schemas:` of a pipeline file: schemas that the user declares, for sources that fill such.
//
//     schemas:
//       - name: trade
//         time: at                      # optional: the field that is the event time
//         fields:
//           - {name: at, type: timestamp}
//           - {name: symbol, type: "char[12]", unit: ticker}
//           - {name: price, type: decimal(2), nullable: true, unit: USD}
//           - {name: side, type: enum(buy|sell), missing: null}
//
// `missing: null` makes a field nullable as `nullable: true` does. All other keys of a schema and
// of a field are the source's own: it binds them, with the two lists below as `ignore`, and so
// refuses unknown ones.
#ifndef MR_CORE_PIPELINE_DECLARED_H
#define MR_CORE_PIPELINE_DECLARED_H

#include "core/config.h"
#include "core/schema.h"

#define MR_DECLARED_SCHEMA_KEYS "name,time,fields"
#define MR_DECLARED_FIELD_KEYS "name,type,nullable,unit"

// Builds every schema of the list (NULL: none), with ids from MR_SCHEMA_ID_DECLARED up in the
// file's order. After a failure `set` holds what came before it.
int mr_declared_schemas(const struct mr_node *list, struct mr_schema_set *set,
                        struct mr_error *err);

#endif
