// SPDX-License-Identifier: Apache-2.0
// The ring between two stages, either of which may be killed before any step, again while it recovers,
// any number of times. Checked over the whole state space: the reader's stage takes each record exactly
// once, in order and whole; the cursor never speaks of a record whose length word is not there; recovery
// never runs back; the two never both wait.
//
// What stands for what:
//
//     here                                  in ringbuf/ and core/pipeline/
//     memory[0 .. CAPACITY-1]               ring->data, in words of 8 bytes; a record's first is its length
//     memory[WRITE_POS]                     ring->writer_line->write_pos
//     read_pos                              ring->reader_line->read_pos
//     committed[WRITER], committed[READER]  the slots that hold: out_pos and source mark, in_pos and state. A
//                                           commit is one store here; why it is one, stage.pml shows
//     Writer: claim, pad, commit, publish   mr_claim_slow, write_padding, mr_commit, mr_publish
//     Writer: zero_commit_word, zero_ahead  mr_zero_commit_word, mr_zero_ahead
//     Writer: recovery                      mr_writer_open with end_of_published, mr_writer_recover
//     Reader: by length word, by cursor     mr_next; mr_peek_bytes and mr_reader_check
//     Reader: recovery                      mr_reader_recover
//
// The stream has no end: positions count modulo two laps and sequence numbers modulo SEQUENCES, which is
// more records than a lap holds, so that none can be missed unseen. A payload word is the sequence number
// plus one: every stale word of an earlier lap looks like a length that was published.
//
// Memory. A writer's stores become visible in any order that C17 allows: each goes into its buffer and
// leaves it in any order, except that a release store leaves after everything before it, and two stores to
// one word in their order. The buffer has STORES places: two stores further apart than that are not
// exchanged. A process that is killed has its stores done, in program order (the kernel's switch to
// another one is a barrier). The reader stores one word that others see (read_pos), so it needs no buffer;
// its loads are ordered by the acquire before them and by the release of read_pos behind them.
//
// Not in this model: the timing lane, taps, checksums, drop_newest, claims longer than a quarter of the
// ring, sleeping (bell.pml). -DBUG_... seeds an error; each must be found (scripts/model.sh).

#ifndef CAPACITY
#define CAPACITY 6 // words
#endif
#ifndef STORES
#define STORES 3
#endif
#define RECORD_MAX 3
#define SEQUENCES 3
#define ZERO_AHEAD 3 // MR_ZERO_AHEAD_BYTES, in words
#define LAPS (2 * CAPACITY)
#define WRITE_POS CAPACITY

// A length word: 0, or the length, perhaps with PADDING, perhaps with UNPUBLISHED (MR_RING_UNPUBLISHED).
#define LENGTH 7
#define PADDING 8
#define UNPUBLISHED 16
#define IS_PUBLISHED(word) ((word) > 0 && (word) < UNPUBLISHED)

#define AHEAD(a, b) (((a) + LAPS - (b)) % LAPS) // how far a is before b; more than CAPACITY: it is behind
#define IS_AHEAD(a, b) (AHEAD(a, b) > 0 && AHEAD(a, b) <= CAPACITY)
#define AT(position) ((position) % CAPACITY)
#define TO_WRAP(position) (CAPACITY - AT(position))
#define PLUS(position, words) (((position) + (words)) % LAPS)

byte memory[CAPACITY + 1];
byte read_pos;

#define WRITER 0
#define READER 1
typedef commit_type {
    byte position;
    byte sequence // the next one
};
commit_type committed[2];

// One step, or SIGKILL before it and the next process.
#define STEP(dies, ...) \
    if \
    :: d_step { __VA_ARGS__ } \
    :: d_step { dies() }; goto restart \
    fi
#define WRITER_STEP(...) STEP(writer_dies, __VA_ARGS__)
#define READER_STEP(...) STEP(reader_dies, __VA_ARGS__)

// ---- the writer's stores on their way

typedef store_type {
    byte word;
    byte value;
    bool release
};
store_type stores[STORES];
byte stores_count;

#define MAY_LEAVE(i) (stores_count > i && (!stores[i].release || i == 0))
#define SAME_WORD(i, j) (stores[i].word == stores[j].word)

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

inline forget(i)
{
    stores[i].word = 0;
    stores[i].value = 0;
    stores[i].release = false
}

active proctype Memory()
{
    byte k;
    do
    :: leave(0, MAY_LEAVE(0))
    :: leave(1, MAY_LEAVE(1) && !SAME_WORD(1, 0))
#if STORES > 2
    :: leave(2, MAY_LEAVE(2) && !SAME_WORD(2, 0) && !SAME_WORD(2, 1))
#endif
#if STORES > 3
    :: leave(3, MAY_LEAVE(3) && !SAME_WORD(3, 0) && !SAME_WORD(3, 1) && !SAME_WORD(3, 2))
#endif
    od
}

#define CAN_STORE (stores_count < STORES)
inline store(at, what, is_release)
{
    stores[stores_count].word = at;
    stores[stores_count].value = what;
    stores[stores_count].release = is_release;
    stores_count++
}

// The writer's own view of a word: its newest store on its way, else memory.
inline load_own(at, what)
{
    what = memory[at];
    k = 0;
    do
    :: k < stores_count ->
        what = (stores[k].word == at -> stores[k].value : what);
        k++
    :: else -> break
    od;
    k = 0
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

// ---- seeded errors

#ifdef BUG_NO_SPARE_WORD
#define SPARE 0
#else
#define SPARE 1
#endif
#ifdef BUG_CLAIM_LOOKS_PUBLISHED
#define HEAD 0
#else
#define HEAD UNPUBLISHED
#endif
#ifdef BUG_COMMIT_WORD_RELAXED
#define COMMIT_WORD_RELEASE false
#else
#define COMMIT_WORD_RELEASE true
#endif

inline commit_stage(side, at, next_sequence)
{
    committed[side].position = at;
    committed[side].sequence = next_sequence
}

// ---- the writer, with its stage

// struct mr_writer: what a killed one forgets.
byte position, published, seen_read_pos, zeroed, touched, head, sequence;
bool padded; // claim_end: no look beyond a claim that was padded
byte length, padding, end, batch, i, word;

// mr_claim_slow: `end` is the claim's, spare word included.
#define HAS_ROOM(cursor) (AHEAD(end, cursor) <= CAPACITY)

inline begin_claim(words)
{
    length = words;
    padding = (length > TO_WRAP(position) -> TO_WRAP(position) : 0);
    end = PLUS(position, padding + length + SPARE)
}

inline end_claim()
{
    length = 0;
    padding = 0;
    end = 0;
    i = 0
}

inline touch()
{
    end = PLUS(position, padding + length);
    touched = (IS_AHEAD(end, touched) -> end : touched);
    padded = (padding > 0);
    end = 0
}

// How far mr_zero_ahead goes: a few words, but not beyond the wrap and what the reader has left.
inline find_zero_end()
{
    end = PLUS(position, ZERO_AHEAD);
    end = (AHEAD(end, position) > TO_WRAP(position) -> PLUS(position, TO_WRAP(position)) : end);
    end = (AHEAD(end, seen_read_pos) >= CAPACITY -> PLUS(seen_read_pos, CAPACITY - 1) : end);
    end = (padded || AHEAD(zeroed, position) >= ZERO_AHEAD - 1 -> position : end)
}

inline publish_batch()
{
#ifdef BUG_CURSOR_BEFORE_COMMIT_WORD
    WRITER_STEP(CAN_STORE; store(WRITE_POS, position, true));
    WRITER_STEP(CAN_STORE; load_own(AT(published), word); store(AT(published), word & (LENGTH | PADDING), true); word = 0;
         published = position)
#else
    WRITER_STEP(CAN_STORE; load_own(AT(published), word);
         store(AT(published), word & (LENGTH | PADDING), COMMIT_WORD_RELEASE); word = 0; published = position);
    WRITER_STEP(CAN_STORE; store(WRITE_POS, position, true))
#endif
}

inline publish()
{
#ifndef BUG_NO_ZERO_WORD_BEHIND
    if
    :: !IS_AHEAD(zeroed, position) || IS_AHEAD(touched, position) -> // mr_zero_commit_word
        WRITER_STEP(CAN_STORE; store(AT(position), 0, false); zeroed = PLUS(position, 1); touched = position)
    :: else
    fi;
#endif
    publish_batch();
    WRITER_STEP(head = HEAD; find_zero_end());
    do
    :: IS_AHEAD(end, zeroed) -> WRITER_STEP(CAN_STORE; store(AT(zeroed), 0, false); zeroed = PLUS(zeroed, 1))
    :: else -> break
    od
}

// Forgotten, all that was private.
inline writer_dies()
{
    complete_stores();
    position = 0;
    published = 0;
    seen_read_pos = 0;
    zeroed = 0;
    touched = 0;
    head = 0;
    sequence = 0;
    padded = false;
    batch = 0;
    word = 0;
    end_claim()
}

active proctype Writer()
{
    byte k;
restart:
    // mr_writer_open and recover(). Nobody else stores what is loaded here, but read_pos: one step.
    WRITER_STEP(published = memory[WRITE_POS];
         do
         :: IS_PUBLISHED(memory[AT(published)]) && (memory[AT(published)] & LENGTH) <= TO_WRAP(published) &&
            AHEAD(published, memory[WRITE_POS]) < CAPACITY ->
             published = PLUS(published, memory[AT(published)] & LENGTH)
         :: else -> break
         od;
         seen_read_pos = read_pos; head = HEAD;
         position = committed[WRITER].position; sequence = committed[WRITER].sequence;
         zeroed = position; touched = position; // or less: what counts is that they are not ahead of it
         assert(AHEAD(position, published) <= CAPACITY)); // it would run back
    // mr_writer_recover
#ifndef BUG_RECOVERY_LEAVES_STALE_WORD
    if
    :: memory[AT(position)] != 0 -> WRITER_STEP(CAN_STORE; store(AT(position), 0, false))
    :: else
    fi;
#endif
    if
    :: position != published -> publish_batch()
    :: else -> WRITER_STEP(CAN_STORE; store(WRITE_POS, position, true))
    fi;
    do
    :: true -> // mr_claim
        if
        :: d_step { begin_claim(2) }
        :: d_step { begin_claim(RECORD_MAX) }
        fi;
waits_for_room:
        if
        :: d_step { HAS_ROOM(seen_read_pos) -> touch() }
        :: d_step { !HAS_ROOM(seen_read_pos) && HAS_ROOM(read_pos) -> seen_read_pos = read_pos; touch() }
        :: !HAS_ROOM(seen_read_pos) && batch > 0 -> goto commit // what there is
        :: d_step { writer_dies() }; goto restart
        fi;
        do // write_padding
        :: i < padding ->
            WRITER_STEP(CAN_STORE; word = (i == 0 -> padding | PADDING | head : 0); store(AT(position) + i, word, false);
                 word = 0; i++)
        :: else -> break
        od;
        WRITER_STEP(CAN_STORE; store(AT(PLUS(position, padding)), length | (padding > 0 -> 0 : head), false); i = 1);
        do
        :: i < length -> WRITER_STEP(CAN_STORE; store(AT(PLUS(position, padding)) + i, sequence + 1, false); i++)
        :: else -> break
        od;
        if
        :: d_step { // mr_commit
            position = PLUS(position, padding + length);
            head = 0;
            sequence = (sequence + 1) % SEQUENCES;
            batch++;
            end_claim()
           }
        :: d_step { batch == 0 -> end_claim() } // mr_abort
        fi;
        if
        :: batch < 2 // another one
        :: batch > 0 ->
commit:
#ifdef BUG_PUBLISH_BEFORE_COMMIT
            publish();
            WRITER_STEP(commit_stage(WRITER, position, sequence); end_claim(); batch = 0)
#else
            WRITER_STEP(commit_stage(WRITER, position, sequence); end_claim(); batch = 0);
            publish()
#endif
        fi
    od
}

// ---- the reader, with its stage

byte reading, released, expected, found, at;
bool taken; // something since the last commit

#define SEES_LENGTH_WORD IS_PUBLISHED(memory[AT(reading)])
#define SEES_CURSOR IS_AHEAD(memory[WRITE_POS], reading)

inline reader_dies()
{
    reading = 0;
    released = 0;
    expected = 0;
    taken = false
}

// mr_next and all looks at the record. One step: whatever could change between two loads could as well have
// changed before the first.
inline take_record()
{
    found = memory[AT(reading)];
    assert(IS_PUBLISHED(found)); // the cursor is stored after the word it speaks of
    assert((found & LENGTH) <= TO_WRAP(reading));
    assert(AHEAD(PLUS(reading, found & LENGTH), released) <= CAPACITY);
    assert(found & PADDING || ((found & LENGTH) >= 2 && (found & LENGTH) <= RECORD_MAX));
    at = 1;
    do
    :: !(found & PADDING) && at < (found & LENGTH) ->
        assert(memory[AT(reading) + at] == expected + 1);
        at++
    :: else -> break
    od;
    reading = PLUS(reading, found & LENGTH);
    expected = (found & PADDING -> expected : (expected + 1) % SEQUENCES);
    found = 0;
    at = 0;
    taken = true
}

active proctype Reader()
{
restart:
    READER_STEP(reading = committed[READER].position; expected = committed[READER].sequence); // recover()
    READER_STEP(read_pos = reading; released = reading); // mr_reader_recover
    do
    :: true ->
looks:
        if
        :: d_step { SEES_LENGTH_WORD || SEES_CURSOR -> take_record() }
        :: taken ->
#ifdef BUG_RELEASE_BEFORE_COMMIT
            READER_STEP(read_pos = reading; released = reading);
            READER_STEP(commit_stage(READER, reading, expected); taken = false)
#else
            READER_STEP(commit_stage(READER, reading, expected));
            READER_STEP(read_pos = reading; released = reading; taken = false)
#endif
        :: d_step { reader_dies() }; goto restart
        fi
    od
}

// ---- both wait, and nothing is on its way
active proctype Watch()
{
    do
    :: Writer@waits_for_room && !HAS_ROOM(seen_read_pos) && !HAS_ROOM(read_pos) && batch == 0 &&
       Reader@looks && !taken && !SEES_LENGTH_WORD && !SEES_CURSOR && stores_count == 0 ->
        assert(false)
    od
}
