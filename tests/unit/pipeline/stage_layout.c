// SPDX-License-Identifier: Apache-2.0
// The literal numbers of docs/MEMORY_LAYOUT.md: other versions and other languages read these bytes.
#include <criterion/criterion.h>
#include <stddef.h>

#include "core/dead_letter.h"
#include "core/pipeline/stage.h"

Test(stage_layout, slot)
{
    cr_assert_eq(offsetof(struct mr_stage_slot, in_pos), 0);
    cr_assert_eq(offsetof(struct mr_stage_slot, out_pos), 64);
    cr_assert_eq(offsetof(struct mr_stage_slot, counts), 128);
    cr_assert_eq(offsetof(struct mr_stage_slot, rejected), 192);
    cr_assert_eq(offsetof(struct mr_stage_slot, plugin), 264);
    cr_assert_eq(offsetof(struct mr_stage_slot, in_by_schema), 648);
    cr_assert_eq(offsetof(struct mr_stage_slot, out_by_schema), 1160);
    cr_assert_eq(offsetof(struct mr_stage_slot, mark), 1672);
    cr_assert_eq(sizeof(struct mr_stage_slot), 1736);
}

Test(stage_layout, page)
{
    cr_assert_eq(offsetof(struct mr_stage_layout, epoch), 0);
    cr_assert_eq(offsetof(struct mr_stage_layout, state_bytes), 8);
    cr_assert_eq(offsetof(struct mr_stage_layout, settings), 16);
    cr_assert_eq(offsetof(struct mr_stage_layout, role), 24);
    cr_assert_eq(offsetof(struct mr_stage_layout, gauges), 40);
    cr_assert_eq(offsetof(struct mr_stage_layout, plugin_name), 1712);
    cr_assert_eq(offsetof(struct mr_stage_layout, in_schema_name), 4016);
    cr_assert_eq(offsetof(struct mr_stage_layout, out_schema_name), 6064);
    cr_assert_eq(offsetof(struct mr_stage_layout, slots), 8112);
    cr_assert_eq(offsetof(struct mr_stage_layout, hop_ns), 11584);
    cr_assert_eq(offsetof(struct mr_stage_layout, age_ns), 29528);
    cr_assert_eq(offsetof(struct mr_stage_layout, handed_ns), 47472);
    cr_assert_eq(offsetof(struct mr_stage_layout, published_ns), 65416);
    cr_assert_eq(offsetof(struct mr_stage_layout, seen_ns), 83360);
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
