// SPDX-License-Identifier: Apache-2.0
// Every operator that a pipeline file can name. A new operator is one file and one line here.
#include <string.h>

#include "consumers/transform/operator.h"

extern const struct mr_operator mr_operator_bars;
extern const struct mr_operator mr_operator_order_book;

const struct mr_operator *const mr_operators[] = {
    &mr_operator_bars,
    &mr_operator_order_book,
    NULL,
};

const struct mr_operator *mr_operator_find(const char *name)
{
    for (unsigned i = 0; mr_operators[i]; i++)
        if (strcmp(mr_operators[i]->name, name) == 0)
            return mr_operators[i];
    return NULL;
}
