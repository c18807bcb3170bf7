// SPDX-License-Identifier: Apache-2.0
// The literal numbers of docs/MEMORY_LAYOUT.md: other versions and other languages read these bytes.
#include <criterion/criterion.h>
#include <stddef.h>

#include "core/dead_letter.h"
#include "core/pipeline/stage.h"

Test(stage_layout, slot)
{
    cr_assert_eq(offsetof(struct mr_stage_slot, in_pos), 0);
    cr_assert_eq(offsetof(struct mr_stage_slot, out_pos), 32);
    cr_assert_eq(offsetof(struct mr_stage_slot, counts), 64);
    cr_assert_eq(offsetof(struct mr_stage_slot, rejected), 128);
    cr_assert_eq(offsetof(struct mr_stage_slot, plugin), 200);
    cr_assert_eq(offsetof(struct mr_stage_slot, in_by_schema), 584);
    cr_assert_eq(offsetof(struct mr_stage_slot, out_by_schema), 1096);
    cr_assert_eq(offsetof(struct mr_stage_slot, mark), 1608);
    cr_assert_eq(sizeof(struct mr_stage_slot), 1672);
}

Test(stage_layout, page)
{
    cr_assert_eq(offsetof(struct mr_stage_layout, epoch), 0);
    cr_assert_eq(offsetof(struct mr_stage_layout, state_bytes), 8);
    cr_assert_eq(offsetof(struct mr_stage_layout, settings), 16);
    cr_assert_eq(offsetof(struct mr_stage_layout, role), 24);
    cr_assert_eq(offsetof(struct mr_stage_layout, gauges), 40);
    cr_assert_eq(offsetof(struct mr_stage_layout, plugin_name), 1648);
    cr_assert_eq(offsetof(struct mr_stage_layout, in_schema_name), 3952);
    cr_assert_eq(offsetof(struct mr_stage_layout, out_schema_name), 6000);
    cr_assert_eq(offsetof(struct mr_stage_layout, slots), 8048);
    cr_assert_eq(offsetof(struct mr_stage_layout, hop_ns), 11392);
    cr_assert_eq(offsetof(struct mr_stage_layout, age_ns), 29336);
    cr_assert_eq(offsetof(struct mr_stage_layout, handed_ns), 47280);
    cr_assert_eq(offsetof(struct mr_stage_layout, published_ns), 65224);
    cr_assert_eq(offsetof(struct mr_stage_layout, seen_ns), 83168);
}

Test(stage_layout, counts_and_reasons)
{
    cr_assert_eq(MR_COUNT_IN, 0);
    cr_assert_eq(MR_COUNT_EMITTED, 7);
    cr_assert_eq(MR_COUNT_KINDS, 8);
    cr_assert_eq(MR_REASON_KINDS, 9);
}

Test(stage_layout, dead_letter)
{
    cr_assert_eq(offsetof(struct mr_dead_letter, reason), 36);
    cr_assert_eq(offsetof(struct mr_dead_letter, stage), 52);
    cr_assert_eq(offsetof(struct mr_dead_letter, raw_length), 64);
    cr_assert_eq(offsetof(struct mr_dead_letter, detail), 68);
    cr_assert_eq(offsetof(struct mr_dead_letter, raw), 256);
}
