// SPDX-License-Identifier: Apache-2.0
// Every operator that a pipeline file can name. A new operator is one file and one line here.
#include <string.h>

#include "consumers/transform/operator.h"

extern const struct mr_operator mr_operator_bars;
extern const struct mr_operator mr_operator_clamp;
extern const struct mr_operator mr_operator_dedupe;
extern const struct mr_operator mr_operator_default;
extern const struct mr_operator mr_operator_drop;
extern const struct mr_operator mr_operator_filter;
extern const struct mr_operator mr_operator_keep;
extern const struct mr_operator mr_operator_order_book;
extern const struct mr_operator mr_operator_rename;
extern const struct mr_operator mr_operator_script;
extern const struct mr_operator mr_operator_set;
extern const struct mr_operator mr_operator_shared_object;

const struct mr_operator *const mr_operators[] = {
    &mr_operator_filter,
    &mr_operator_set,
    &mr_operator_default,
    &mr_operator_clamp,
    &mr_operator_rename,
    &mr_operator_drop,
    &mr_operator_keep,
    &mr_operator_dedupe,
    &mr_operator_script,
    &mr_operator_shared_object,
    &mr_operator_order_book,
    &mr_operator_bars,
    NULL,
};

const struct mr_operator *mr_operator_find(const char *name)
{
    for (unsigned i = 0; mr_operators[i]; i++)
        if (strcmp(mr_operators[i]->name, name) == 0)
            return mr_operators[i];
    return NULL;
}
