/* SPDX-License-Identifier: 0BSD */
/* The order in which transactions lock rows: is it free of deadlocks?
 *
 * Every batch of requests is one transaction; it locks the rows that it touches and keeps all of them until it commits.
 * Writers, on any number of hosts, run batches of any kind at the same time. Here each writer runs for ever, and each
 * time takes any kind with any of its rows. Two writers with two rows of each sort, and three with one performance, one
 * queue and two places (THREE), since three can wait in a circle where no two do.
 *
 * The order: idempotency keys; users, ascending; performances, ascending; the queue's row; places, by number.
 *   - A hold locks its performance and then its users' places, and no queue row: so that who holds in one performance
 *     waits for nobody who joins.
 *   - A tick locks the queue, then of the places whose pass is over those that nobody has locked just now (SKIP
 *     LOCKED), then those who wait, by number, as it lets them in.
 *   - Who leaves gives back holds, in performances that are known only by looking. It looks without a lock, locks
 *     those performances, the queue and the place, and looks again: is there a hold in a performance that it has not
 *     locked, it lets everything go and starts over.
 *
 * What spin shows: no state in which a writer waits for ever (an invalid end state), and that a hold is only ever
 * touched by who has locked its performance (assertions). With BROKEN_… defined, one rule of the order is broken,
 * and spin must find it. */

#ifdef THREE
#define WRITERS 3
#else
#define WRITERS 2
#endif

/* Rows that can be locked, a bit each, in the order. Places 0 and 1 have been let in, the last one waits. */
#define KEY(i) (1 << (i))
#define USER(i) (4 << (i))
#define PERFORMANCE(i) (16 << (i))
#define QUEUE 64
#define PLACE(i) (128 << (i))
#define LAST_PLACE 512
#define ROWS 10

#define ME (_pid + 1)
byte owner[ROWS]; /* who has locked a row; 0: nobody */
bit held[2];      /* whether place 0 has a hold in performance f */
#define HAS_PERFORMANCE(f) (owner[4 + (f)] == ME)

/* All of these rows, one after the other, in the order; each as soon as it is free. */
inline lock(rows) {
    want = rows;
    do
    :: atomic {
            want ->
            do
            :: !(want & (1 << at)) -> at++
            :: else -> break
            od;
            owner[at] == 0 -> owner[at] = ME;
            want = want & ~(1 << at);
            at = 0
        }
    :: else -> break
    od
}

/* The other way round. */
inline lock_backwards(rows) {
    want = rows;
    do
    :: atomic {
            want ->
            at = ROWS - 1;
            do
            :: !(want & (1 << at)) -> at--
            :: else -> break
            od;
            owner[at] == 0 -> owner[at] = ME;
            want = want & ~(1 << at);
            at = 0
        }
    :: else -> break
    od
}

/* SKIP LOCKED. */
inline lock_unless_locked(rows) {
    atomic {
        if
        :: (rows & PLACE(1)) && owner[8] == 0 -> owner[8] = ME
        :: else
        fi;
        if
        :: (rows & PLACE(0)) && owner[7] == 0 -> owner[7] = ME
        :: else
        fi
    }
}

/* COMMIT or ROLLBACK. */
inline let_go() {
    d_step {
        do
        :: at < ROWS -> if :: owner[at] == ME -> owner[at] = 0 :: else fi; at++
        :: else -> break
        od;
        at = 0
    }
}

/* What was held in performances that this one has locked ends. */
inline end_holds() {
    atomic {
        if :: HAS_PERFORMANCE(0) -> held[0] = 0 :: else fi;
        if :: HAS_PERFORMANCE(1) -> held[1] = 0 :: else fi
    }
}

/* What the next batch has of each sort. That is less than it could have, but whoever waits for each other with some
 * rows of a sort does so with all of them, too. */
#ifdef THREE
/* Of performances; no keys and users. */
inline draw_some(list, row) { if :: list = 0 :: row == PERFORMANCE(0) -> list = row fi }
inline draw_places() { places = PLACE(0) | LAST_PLACE }
inline draw_performance() { performances = PERFORMANCE(0) }
#else
inline draw_some(list, row) { if :: list = 0 :: list = 3 * row fi }
inline draw_places() { if :: places = PLACE(0) | PLACE(1) | LAST_PLACE :: places = LAST_PLACE fi }
inline draw_performance() { if :: performances = PERFORMANCE(0) :: performances = PERFORMANCE(1) fi }
#endif

inline join_batch() {
    atomic { draw_some(keys, KEY(0)); draw_places() };
    /* The places are live ones of who joins again. */
#ifdef BROKEN_JOIN_PLACES_BY_USER
    lock(keys | QUEUE);
    lock_backwards(places)
#else
    lock(keys | QUEUE | places)
#endif
}

/* Place 0 leaves. */
inline leave_batch() {
    do
    :: atomic { performances = held[0] * PERFORMANCE(0) | held[1] * PERFORMANCE(1) };
        lock(performances | QUEUE | PLACE(0));
        atomic {
            performances = 0;
            if :: held[0] && !HAS_PERFORMANCE(0) -> performances = PERFORMANCE(0) :: else fi;
            if :: held[1] && !HAS_PERFORMANCE(1) -> performances = performances | PERFORMANCE(1) :: else fi
        };
#if defined(BROKEN_LEAVE_LOOKS_ONCE)
        break
#elif defined(BROKEN_LEAVE_LOCKS_LATE)
        lock(performances);
        break
#else
        if
        :: performances -> let_go()
        :: else -> break
        fi
#endif
    od;
    atomic {
        assert(!held[0] || HAS_PERFORMANCE(0));
        assert(!held[1] || HAS_PERFORMANCE(1));
        held[0] = 0;
        held[1] = 0
    }
}

inline hold_batch() {
    atomic { draw_some(keys, KEY(0)); draw_performance(); draw_places() };
#if defined(BROKEN_HOLD_PLACES_FIRST)
    lock(keys | places);
    lock(performances);
#elif defined(BROKEN_HOLD_PLACES_DESCENDING)
    lock(keys | performances);
    lock_backwards(places);
#elif defined(BROKEN_HOLD_QUEUE_LAST)
    lock(keys | performances | places);
    lock(QUEUE);
#elif defined(BROKEN_HOLD_KEYS_LAST)
    lock(performances | places);
    lock(keys);
#else
    lock(keys | performances | places);
#endif
    atomic {
        if :: (places & PLACE(0)) && HAS_PERFORMANCE(0) -> held[0] = 1 :: else fi;
        if :: (places & PLACE(0)) && HAS_PERFORMANCE(1) -> held[1] = 1 :: else fi
    }
}

inline pay_batch() {
    atomic { draw_some(keys, KEY(0)); draw_some(users, USER(0)); draw_some(performances, PERFORMANCE(0)); draw_places() };
#ifdef BROKEN_PAY_QUEUE_FIRST
    lock(keys | users | QUEUE);
    lock(performances | places);
#else
    lock(keys | users | performances | QUEUE | places);
#endif
    end_holds()
}

inline cancel_batch() {
    atomic { draw_some(keys, KEY(0)); draw_some(users, USER(0)); draw_some(performances, PERFORMANCE(0)) };
#ifdef BROKEN_CANCEL_USERS_LAST
    lock(keys | performances);
    lock(users);
#else
    lock(keys | users | performances);
#endif
    end_holds()
}

inline charge_batch() {
    atomic { draw_some(keys, KEY(0)); draw_some(users, USER(0)) };
#ifdef BROKEN_CHARGE_USERS_DESCENDING
    lock(keys);
    lock_backwards(users)
#else
    lock(keys | users)
#endif
}

/* Reservations of any performances; holds that ran out are marked likewise, in one performance. */
inline release_batch() {
    atomic { draw_some(performances, PERFORMANCE(0)) };
    lock(performances);
    end_holds()
}

/* Places whose pass is over come in the order in which they ended, which is none of numbers. */
inline tick_batch() {
    atomic { draw_places() };
    lock(QUEUE);
#ifdef BROKEN_TICK_WAITS
    lock_backwards(places & ~LAST_PLACE);
#else
    lock_unless_locked(places);
#endif
    lock(places & LAST_PLACE)
}

active [WRITERS] proctype writer() {
    short want, keys, users, performances, places;
    byte at;
end_idle:
    do
    :: true ->
        if
        :: true -> join_batch()
        :: true -> leave_batch()
        :: true -> hold_batch()
        :: true -> pay_batch()
        :: true -> cancel_batch()
        :: true -> charge_batch()
        :: true -> release_batch()
        :: true -> tick_batch()
        fi;
        atomic { keys = 0; users = 0; performances = 0; places = 0; let_go() }
    od
}
