// SPDX-License-Identifier: Apache-2.0
// The parts of singlestep_parts.c: stages (singlestep_stages.c) and journals (singlestep_journals.c).
#ifndef MR_TESTS_SUPPORT_SINGLESTEP_WORLDS_H
#define MR_TESTS_SUPPORT_SINGLESTEP_WORLDS_H

#include <string.h>

#include "core/base.h"

static inline bool singlestep_is_zero(const uint8_t *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

// Worlds are directories of plain files. One that is put aside under a name can be taken back as often as wanted.
bool singlestep_put_aside(const char *world, const char *name);
bool singlestep_take_back(const char *world, const char *name);
bool singlestep_is_like(const char *world, const char *name);   // same names, same bytes
uint8_t *singlestep_read_file(const char *path, size_t *bytes); // to be freed; NULL: not there

extern char singlestep_stage_world[], singlestep_journal_world[];
void singlestep_stages_open(void);
void singlestep_stages_close(void);
void singlestep_journals_open(void);
void singlestep_journals_close(void);

bool singlestep_prepare_create(char *why, size_t why_bytes);
bool singlestep_prepare_produce(char *why, size_t why_bytes);
bool singlestep_prepare_transform(char *why, size_t why_bytes);
bool singlestep_prepare_padding(char *why, size_t why_bytes);
bool singlestep_prepare_open(char *why, size_t why_bytes);
bool singlestep_prepare_roll_back(char *why, size_t why_bytes);
bool singlestep_prepare_journal(char *why, size_t why_bytes);
bool singlestep_prepare_resume(char *why, size_t why_bytes);
void singlestep_run_create(void *unused);
void singlestep_run_produce(void *unused);
void singlestep_run_transform(void *unused);
void singlestep_run_open(void *unused);
void singlestep_run_roll_back(void *unused);
void singlestep_run_journal(void *unused);
void singlestep_run_resume(void *unused);
bool singlestep_check_produce(char *why, size_t why_bytes);
bool singlestep_check_transform(char *why, size_t why_bytes);
bool singlestep_check_journal(char *why, size_t why_bytes);
bool singlestep_check_resume(char *why, size_t why_bytes);

#endif
