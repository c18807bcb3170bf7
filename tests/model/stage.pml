// SPDX-License-Identifier: Apache-2.0
// The stage transaction: a stage takes records in order, hands each on and changes its state with it, in
// batches; it may be killed before any step, again while it recovers, any number of times. Checked over the
// whole state space: input is there until it is done with; what comes out is right and never changes; after
// the last record the state is that of each record once; whoever looks from outside sees a slot whole.
//
// What stands for what:
//
//     here                                  in core/pipeline/
//     memory[SLOT(s) ..], memory[EPOCH]     shared->slots[s]: in_pos, out_pos, a count; shared->epoch
//     state[]                               stage->state, in words; a record changes one word, or both
//     entries[], used, log_epoch              struct mr_undo_log: old words, then a trailer
//     read_pos, write_pos                   the cursors of the rings, as stage.c has them stored: how the ring
//                                           makes a batch visible with one store is in ring.pml
//     out[]                                 the output ring's records
//     Stage: touch, modify                  mr_stage_touch, the operator's change behind it
//     Stage: commit                         mr_stage_commit: fill_slot, the epoch's store, publish_cursors
//     Stage: recovery                       recover() of stage_open.c, then roll_back of undo.c
//     Observer                              mr_stage_snapshot
//
// Memory: as in ring.pml. Slots and epoch go through the buffer, for the observer sees them; log, state and
// output are seen by this stage's next process only, or behind a cursor: in program order.
//
// -DBUG_... seeds an error; each must be found (scripts/model.sh).

#ifndef RECORDS
#define RECORDS 4
#endif
#define BATCH_MAX 2
#define STATE_WORDS 2
#define LOG_WORDS (BATCH_MAX * (STATE_WORDS + 1))

// What follows from n records. Record r = 0, 1 ... adds 1 to the first word, and the odd ones add the first
// word to the second.
#define FIRST_AFTER(n) (n)
#define SECOND_AFTER(n) (((n) / 2) * ((n) / 2 + 1)) // 2 + 4 + 6 ...
#define OUTPUT(first, second) ((first) + 8 * (second))

#define SLOT(s) (3 * (s))
#define IN_POS 0
#define OUT_POS 1
#define COUNT 2
#define EPOCH 6
byte memory[7];

byte state[STATE_WORDS];
byte entries[LOG_WORDS]; // entry: old words, then 4 * offset + words
byte used, log_epoch;
byte read_pos, write_pos;
byte given_back; // how far read_pos ever was: the input before it may be overwritten
byte out[RECORDS];

// One step, or SIGKILL before it and the next process.
#define STEP(...) \
    if \
    :: d_step { __VA_ARGS__ } \
    :: d_step { dies() }; goto restart \
    fi

// ---- stores on their way (ring.pml)

#define STORES 4
typedef store_type {
    byte word;
    byte value;
    bool release
};
store_type stores[STORES];
byte stores_count;

#define MAY_LEAVE(i) (stores_count > i && (!stores[i].release || i == 0))
#define SAME_WORD(i, j) (stores[i].word == stores[j].word)
#define CAN_STORE (stores_count < STORES)

inline forget(i)
{
    stores[i].word = 0;
    stores[i].value = 0;
    stores[i].release = false
}

inline leave(i, may)
{
    d_step {
        may;
        memory[stores[i].word] = stores[i].value;
        k = i;
        do
        :: k + 1 < stores_count ->
            stores[k].word = stores[k + 1].word;
            stores[k].value = stores[k + 1].value;
            stores[k].release = stores[k + 1].release;
            k++
        :: else -> break
        od;
        stores_count--;
        forget(stores_count);
        k = 0
    }
}

active proctype Memory()
{
    byte k;
end:
    do
    :: leave(0, MAY_LEAVE(0))
    :: leave(1, MAY_LEAVE(1) && !SAME_WORD(1, 0))
    :: leave(2, MAY_LEAVE(2) && !SAME_WORD(2, 0) && !SAME_WORD(2, 1))
    :: leave(3, MAY_LEAVE(3) && !SAME_WORD(3, 0) && !SAME_WORD(3, 1) && !SAME_WORD(3, 2))
    od
}

inline store(at, what, is_release)
{
    stores[stores_count].word = at;
    stores[stores_count].value = what;
    stores[stores_count].release = is_release;
    stores_count++
}

inline complete_stores()
{
    k = 0;
    do
    :: k < stores_count ->
        memory[stores[k].word] = stores[k].value;
        forget(k);
        k++
    :: else -> break
    od;
    k = 0;
    stores_count = 0
}

// ---- the stage

byte record, epoch, batch;          // private: where it stands, the epoch that holds
byte offset, words, i, entry, value;

inline dies()
{
    complete_stores();
    record = 0;
    epoch = 0;
    batch = 0;
    offset = 0;
    words = 0;
    i = 0;
    entry = 0;
    value = 0
}

// mr_stage_touch: the old words, the trailer, then `used`; only then may the state change.
inline touch()
{
    if
    :: log_epoch != epoch + 1 -> // begin_epoch
#ifdef BUG_LOG_EPOCH_BEFORE_EMPTIED
        STEP(log_epoch = epoch + 1);
        STEP(used = 0)
#else
        STEP(used = 0);
        STEP(log_epoch = epoch + 1)
#endif
    :: else
    fi;
    STEP(entry = used);
#ifdef BUG_USED_BEFORE_ENTRY
    STEP(used = entry + words + 1);
#endif
    do
    :: i < words -> STEP(entries[entry + i] = state[offset + i]; i++)
    :: else -> break
    od;
    STEP(entries[entry + words] = 4 * offset + words; i = 0);
#ifndef BUG_USED_BEFORE_ENTRY
    STEP(used = entry + words + 1);
#endif
    entry = 0
}

inline modify()
{
    STEP(state[0] = state[0] + 1);
    if
    :: words == 2 -> STEP(state[1] = state[1] + state[0])
    :: else
    fi
}

inline take_record()
{
    d_step {
        assert(record >= given_back);
        offset = 0;
        words = (record % 2 == 1 -> 2 : 1)
    }
#ifdef BUG_MODIFY_BEFORE_TOUCH
    modify();
    touch();
#else
    touch();
    modify();
#endif
    STEP(out[record] = OUTPUT(state[0], state[1]); words = 0; record++; batch++)
}

inline fill_slot()
{
    STEP(CAN_STORE; store(value + IN_POS, record, false));
    STEP(CAN_STORE; store(value + OUT_POS, record, false));
    STEP(CAN_STORE; store(value + COUNT, record, false))
}

#ifdef BUG_EPOCH_RELAXED
#define EPOCH_RELEASE false
#else
#define EPOCH_RELEASE true
#endif

inline publish_cursors()
{
    STEP(write_pos = record;
         value = 0;
         do
         :: value < write_pos -> // what is visible is right
             assert(out[value] == OUTPUT(FIRST_AFTER(value + 1), SECOND_AFTER(value + 1)));
             value++
         :: else -> break
         od;
         value = 0);
    STEP(read_pos = record; given_back = (read_pos > given_back -> read_pos : given_back))
}

inline commit()
{
#ifndef BUG_NO_FENCE_BEFORE_SLOT
    // mr_fence_release. Who only stores cannot tell an order of stores from having waited for them.
    STEP(stores_count == 0);
#endif
#ifdef BUG_SLOT_THAT_HOLDS
    STEP(value = SLOT(epoch % 2));
#else
    STEP(value = SLOT((epoch + 1) % 2));
#endif
#ifdef BUG_CURSORS_BEFORE_EPOCH
    fill_slot();
    publish_cursors();
    STEP(CAN_STORE; store(EPOCH, epoch + 1, EPOCH_RELEASE); epoch++; batch = 0)
#else
#ifdef BUG_EPOCH_BEFORE_SLOT
    STEP(CAN_STORE; store(EPOCH, epoch + 1, EPOCH_RELEASE); epoch++; batch = 0);
    fill_slot();
#else
    fill_slot();
    STEP(CAN_STORE; store(EPOCH, epoch + 1, EPOCH_RELEASE); epoch++; batch = 0);
#endif
    publish_cursors()
#endif
}

// roll_back: newest entry first; an entry counts until it was applied.
inline roll_back()
{
    do
    :: log_epoch == epoch + 1 && used > 0 ->
        d_step {
            words = entries[used - 1] % 4;
            offset = entries[used - 1] / 4;
            assert(words > 0 && words + 1 <= used && offset + words <= STATE_WORDS);
            entry = used - words - 1
        }
#ifdef BUG_USED_SHRINKS_FIRST
        STEP(used = entry);
#endif
        do
        :: i < words -> STEP(state[offset + i] = entries[entry + i]; i++)
        :: else -> break
        od;
        STEP(used = entry; words = 0; offset = 0; i = 0; entry = 0)
    :: else -> break
    od
}

active proctype Stage()
{
    byte k;
restart:
    STEP(epoch = memory[EPOCH]; record = memory[SLOT(epoch % 2) + IN_POS];
         assert(memory[SLOT(epoch % 2) + OUT_POS] == record && memory[SLOT(epoch % 2) + COUNT] == record));
    STEP(read_pos = record);  // mr_reader_recover
    STEP(write_pos = record); // mr_writer_recover
#ifdef BUG_NO_ROLL_BACK
    STEP(used = 0);
#else
    roll_back();
#endif
    do
    :: record < RECORDS && batch < BATCH_MAX -> take_record()
    :: batch > 0 -> commit()
    :: record == RECORDS && batch == 0 -> break
    od;
    assert(state[0] == FIRST_AFTER(RECORDS) && state[1] == SECOND_AFTER(RECORDS));
    assert(read_pos == RECORDS && write_pos == RECORDS);
end:
    if
    :: d_step { dies() }; goto restart
    fi
}

// ---- who looks from outside

active proctype Observer()
{
    byte before, in, out_pos, count;
end:
    do
    :: before = memory[EPOCH];
       in = memory[SLOT(before % 2) + IN_POS];
       out_pos = memory[SLOT(before % 2) + OUT_POS];
       count = memory[SLOT(before % 2) + COUNT];
       d_step {
           assert(memory[EPOCH] != before || (in == out_pos && in == count));
           before = 0;
           in = 0;
           out_pos = 0;
           count = 0
       }
    od
}
