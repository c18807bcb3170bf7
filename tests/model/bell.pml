// SPDX-License-Identifier: Apache-2.0
// Sleeping on a ring: one side publishes and looks whether the other one sleeps, the other says that it
// sleeps and looks a last time. Either may be killed before any step, any number of times. Checked over the
// whole state space: the sleeper never sleeps on while there is something for it and nobody is left to ring.
// It has no timeout here (but where the code gives it a brief one): the code's 50 ms hide a lost wake-up.
//
// What stands for what:
//
//     here                                  in ringbuf/
//     cursor                                what the waker publishes: a commit word; or read_pos, and the ring's size on
//                                           top of it: up to there the writer may write (for_room)
//     asleep, rung                          asleep and bell of struct mr_ring_reader_sleep (or writer's)
//     Waker: publish, ring                  mr_publish or mr_release, then mr_ring_wake_reader or mr_ring_wake_writer
//     taken                                 read up to there; or write_pos, and PART of ROOM is MR_WAKE_PART of the ring
//     Waker: recovery                       mr_writer_recover or mr_reader_recover, which ring, too
//     Sleeper: park                         park_readers or park_writer
//     fenced_by_others                      mr_bell_is_fenced_by_others: the waker has registered
//     refused                               membarrier(2) is refused to the sleeper
//
// Memory. Each side's stores stand in a buffer until they become visible, while its loads look at memory: so a
// load overtakes the stores before it. A full fence waits until the own buffer is empty. membarrier empties
// the waker's as well: it runs a full fence on every core of a registered process, and a process that does not
// run has passed one. Adding to the bell is an atomic operation behind a release fence. A side that is killed
// has its stores done.
//
// -DBUG_... seeds an error; each must be found (scripts/model.sh).

#define RECORDS 3
#define ROOM 3
#ifdef BUG_WAKES_FOR_MORE_THAN_THE_RING
#define PART (ROOM + 1)
#else
#define PART 2
#endif

byte cursor, asleep;
bool rung;                // the bell is not what the sleeper has seen: it takes 2^32 rings to come round
byte taken;               // by the sleeper, committed
bool queued;              // in the kernel's queue, on the futex
bool fenced_by_others, refused, chosen;
bool for_room;            // the sleeper is the writer

// A side's stores go to one word, so the newest but one matters only until it is visible: two places.
byte cursor_stores[2], cursor_count; // of the waker
byte asleep_stores[2], asleep_count; // of the sleeper

#define STEP(dies, ...) \
    if \
    :: d_step { __VA_ARGS__ } \
    :: d_step { dies() }; goto restart \
    fi
#define WAKER_STEP(...) STEP(waker_dies, __VA_ARGS__)
#define SLEEPER_STEP(...) STEP(sleeper_dies, __VA_ARGS__)

inline complete_cursor()
{
    cursor = (cursor_count > 0 -> cursor_stores[cursor_count - 1] : cursor);
    cursor_stores[0] = 0;
    cursor_stores[1] = 0;
    cursor_count = 0
}

inline complete_asleep()
{
    asleep = (asleep_count > 0 -> asleep_stores[asleep_count - 1] : asleep);
    asleep_stores[0] = 0;
    asleep_stores[1] = 0;
    asleep_count = 0
}

active proctype Memory()
{
end:
    do
    :: d_step {
        cursor_count > 0;
        cursor = cursor_stores[0];
        cursor_stores[0] = cursor_stores[1];
        cursor_stores[1] = 0;
        cursor_count--
       }
    :: d_step {
        asleep_count > 0;
        asleep = asleep_stores[0];
        asleep_stores[0] = asleep_stores[1];
        asleep_stores[1] = 0;
        asleep_count--
       }
    od
}

// ---- the side that publishes

byte published; // its own: the stage's committed position, which survives it
byte saw;

inline waker_dies()
{
    complete_cursor();
    saw = 0
}

// mr_ring_finds_asleep, then mr_ring_bell or mr_ring_bell_for_room
inline ring_if_asleep()
{
    if
    :: fenced_by_others
    :: !fenced_by_others -> WAKER_STEP(cursor_count == 0) // mr_fence_full
    fi;
    WAKER_STEP(saw = asleep);
    if
    :: saw == 1 && for_room -> WAKER_STEP(saw = (published - taken >= PART -> 1 : 0))
    :: else
    fi;
    if
    :: saw == 1 ->
        WAKER_STEP(cursor_count == 0; rung = true; saw = 0);
        WAKER_STEP(queued = false) // FUTEX_WAKE
    :: else
    fi
}

active proctype Waker()
{
    chosen;
restart:
    WAKER_STEP(cursor_count < 2; cursor_stores[cursor_count] = published; cursor_count++);
#ifndef BUG_RECOVERY_DOES_NOT_RING
    ring_if_asleep();
#endif
idles:
    do
    :: !for_room && published < RECORDS || for_room && published < taken + ROOM ->
        WAKER_STEP(published++); // committed in the stage's slot
        WAKER_STEP(cursor_count < 2; cursor_stores[cursor_count] = published; cursor_count++);
        ring_if_asleep()
    :: published == (for_room -> RECORDS + ROOM : RECORDS) -> break
    od;
is_done:
    if
    :: d_step { waker_dies() }; goto restart
    fi
}

// ---- the side that sleeps

bool news;

inline sleeper_dies()
{
    complete_asleep();
    queued = false;
    news = false
}

#define LOOK news = (cursor > taken)

inline fence_all() // mr_bell_fence_all
{
#ifdef BUG_NO_MEMBARRIER
    SLEEPER_STEP(asleep_count == 0)
#else
    SLEEPER_STEP(asleep_count == 0);
    if
    :: !refused -> SLEEPER_STEP(complete_cursor())
    :: refused
    fi
#endif
}

inline park()
{
#ifndef BUG_BELL_LOOKED_AT_LATE
    SLEEPER_STEP(rung = false);
#endif
#ifdef BUG_LOOKS_BEFORE_IT_SAYS_SO
    SLEEPER_STEP(LOOK);
    SLEEPER_STEP(asleep_count < 2; asleep_stores[asleep_count] = 1; asleep_count++);
    fence_all();
#else
    SLEEPER_STEP(asleep_count < 2; asleep_stores[asleep_count] = 1; asleep_count++);
    fence_all();
    SLEEPER_STEP(LOOK);
#endif
#ifdef BUG_BELL_LOOKED_AT_LATE
    SLEEPER_STEP(rung = false);
#endif
    if
    :: !news ->
        SLEEPER_STEP(queued = !rung); // FUTEX_WAIT
sleeps:
        if
        :: !queued
        :: refused && fenced_by_others -> queued = false // brief
        :: d_step { sleeper_dies() }; goto restart
        fi
    :: news
    fi;
    SLEEPER_STEP(asleep_count < 2; asleep_stores[asleep_count] = 0; asleep_count++; news = false)
}

active proctype Sleeper()
{
    chosen;
restart:
    // mr_reader_recover, mr_writer_recover
    SLEEPER_STEP(asleep_count < 2; asleep_stores[asleep_count] = 0; asleep_count++);
    do
    :: cursor > taken -> SLEEPER_STEP(taken = cursor)
    :: taken < RECORDS -> park() // also where there is something: it may not have been seen yet
    :: taken == RECORDS -> break
    od
end:
    false
}

// ---- asleep beside work, and nobody is left to ring
active proctype Watch()
{
    do
    :: (Waker@is_done || Waker@idles && for_room && published == taken + ROOM) &&
       Sleeper@sleeps && queued && !(refused && fenced_by_others) && cursor_count == 0 &&
       asleep_count == 0 && cursor > taken ->
        assert(false)
    od
}

// The kernel, as it is.
init
{
    if
    :: fenced_by_others = true
    :: fenced_by_others = false
    fi;
    if
    :: refused = true
    :: refused = false
    fi;
    if
    :: for_room = true; published = ROOM; cursor = ROOM
    :: for_room = false
    fi;
    chosen = true
}
