// SPDX-License-Identifier: Apache-2.0
// `millrace verify --repair`: says what would be done, and does it if told to.
#ifndef MR_CLI_VERIFY_REPAIR_H
#define MR_CLI_VERIFY_REPAIR_H

#include "core/formats/json_out.h"

// `yes`: without asking; else a terminal is asked, and without one nothing is done. With `json` what is
// said goes into it, as "repair", and nobody is asked. MR_OK where the journal is whole in the end;
// MR_ERR_CORRUPT where it was left damaged; the error was printed.
int mr_cli_repair(const char *directory, bool yes, struct mr_json *json);

#endif
