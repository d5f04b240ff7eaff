/* SPDX-License-Identifier: 0BSD */
/* The way of a batch: who is told what, when the database may refuse, fail, or not answer?
 *
 * Writers gather requests that wait into a batch, run it as one transaction, and answer. A transaction claims the
 * idempotency keys of its requests (that waits while another has the same key claimed), locks its domain, decides each
 * request, and stores in one COMMIT all effects and the answers of the keys.
 *
 * Requests here, one of each sort:
 *   K  has an idempotency key; its client may send it again at any time, since it heard nothing, as K2
 *   U  has none, and doing it twice would be two effects (a hold)
 *   R  has none, and finds out itself when it has been done before (joining: a user has one live place)
 *
 * What can go wrong, at most FAULTS times:
 *   refused   a deadlock, a lock wait that took too long: all is undone, and the writer is told
 *   cut       the connection is lost. Before COMMIT was sent the server undoes the transaction, sooner or later; until
 *             then it keeps its locks. After that it commits or undoes it, sooner or later, and the writer doesn't know
 *   an error of one request's own: all is undone
 *
 * What the writer does:
 *   refused, or cut before COMMIT was sent   the whole batch again
 *   cut after that                           those with a key and those that find out, again; others are told UNKNOWN
 *   one's own error                          each of the batch alone; who has it is told FAILED
 *   enough of that                           BUSY, nothing has happened; but UNKNOWN to whoever an earlier try may have served
 *
 * What spin shows (assertions, and no invalid end state): each request is answered exactly once; who was told DONE was
 * committed, exactly once; who was told REFUSED (by a rule), BUSY or FAILED has had no effect; who was told UNKNOWN has had
 * at most one; the same key has at most one effect, and one answer. With BROKEN_… defined, one thing is done wrong, and
 * spin must find it. */

#define K 0
#define K2 1
#define U 2
#define R 3
#define REQUESTS 4
#define BIT(request) (1 << (request))
#define KEYED (BIT(K) | BIT(K2))

#define FAULTS 2
/* K, maybe K2, and U; or, for AGAIN, R instead: all four at once are too many states for a quick look. */
#ifdef AGAIN
#define OTHER R
#else
#define OTHER U
#endif
#define CONNECTIONS 4 /* a writer each, and as many left behind; FAULTS is at most 2 */

/* What requests are told, and what becomes of transactions. */
mtype = { NONE, DONE, REFUSED, UNKNOWN, BUSY, FAILED, OPEN, COMMITTING, COMMITTED, UNDONE };

byte sent, taken;          /* a bit a request */
mtype told[REQUESTS] = NONE;
byte faults;
byte mistaken = REQUESTS;  /* the request that has an error of its own */
byte refused;              /* those that a rule refuses, as long as they have not been done */

/* The database: what is committed, locks (a connection plus one, 0: free), and transactions. */
byte effects[REQUESTS];
mtype key_answer = NONE;
byte key_lock, domain_lock;
mtype transaction[CONNECTIONS] = NONE;
bit lost[CONNECTIONS];
byte has_effect[CONNECTIONS];
mtype has_answer[CONNECTIONS] = NONE;
byte in_use; /* a bit a connection: has a writer, or a transaction that was left behind */

inline unlock(connection) {
    if :: key_lock == connection + 1 -> key_lock = 0 :: else fi;
    if :: domain_lock == connection + 1 -> domain_lock = 0 :: else fi
}

/* Nobody looks at it any more. */
inline forget(connection) {
    transaction[connection] = NONE;
    lost[connection] = 0;
    in_use = in_use & ~(1 << connection)
}

inline end(connection, how) {
    has_effect[connection] = 0;
    has_answer[connection] = NONE;
    unlock(connection);
    if :: lost[connection] -> forget(connection) :: else -> transaction[connection] = how fi
}

inline undo(connection) { end(connection, UNDONE) }

inline commit(connection) {
    i = 0;
    do
    :: i < REQUESTS -> if :: has_effect[connection] & BIT(i) -> effects[i]++ :: else fi; i++
    :: else -> break
    od;
    i = 0;
    if :: has_answer[connection] != NONE -> key_answer = has_answer[connection] :: else fi;
    end(connection, COMMITTED)
}

#define MAY_FAIL (faults < FAULTS)

/* The server ends what was sent to it, and what was left behind by who lost the connection. */
active proctype server() {
    byte i, c;
end_idle:
    do
    :: atomic { transaction[0] == COMMITTING; c = 0 }; goto serve
    :: atomic { transaction[1] == COMMITTING; c = 1 }; goto serve
    :: atomic { transaction[2] == COMMITTING; c = 2 }; goto serve
    :: atomic { transaction[3] == COMMITTING; c = 3 }; goto serve
    :: atomic { transaction[0] == OPEN && lost[0] -> undo(0) }
    :: atomic { transaction[1] == OPEN && lost[1] -> undo(1) }
    :: atomic { transaction[2] == OPEN && lost[2] -> undo(2) }
    :: atomic { transaction[3] == OPEN && lost[3] -> undo(3) }
    od;
serve:
    if
    :: atomic { commit(c) }
    :: atomic { MAY_FAIL -> faults++; undo(c) }
    fi;
    c = 0;
    goto end_idle
}

/* Clients: all send at once, and K once more at any time. */
active proctype clients() {
    atomic {
        sent = BIT(K) | BIT(OTHER);
        if :: mistaken = OTHER :: true fi;
        if :: refused = KEYED :: refused = BIT(OTHER) :: true fi
    };
    if
    :: atomic { sent = sent | BIT(K2) }
    :: true
    fi;
    /* All has been answered, and the server has ended all transactions. */
    atomic {
        told[K] != NONE && told[OTHER] != NONE && (told[K2] != NONE || !(sent & BIT(K2))) &&
        transaction[0] != COMMITTING && transaction[1] != COMMITTING && transaction[2] != COMMITTING && transaction[3] != COMMITTING ->
        assert(effects[K] + effects[K2] <= 1 && effects[U] <= 1 && effects[R] <= 1);
        assert((told[K] != DONE && told[K2] != DONE) || effects[K] + effects[K2] == 1);
        assert((told[K] != REFUSED && told[K2] != REFUSED) || effects[K] + effects[K2] == 0);
        assert(effects[K] + effects[K2] == 0 || key_answer == DONE);
        assert(told[U] != DONE || effects[U] == 1);
        assert(told[R] != DONE || effects[R] == 1);
        assert((told[K] != BUSY && told[K] != FAILED) || effects[K] == 0);
        assert((told[K2] != BUSY && told[K2] != FAILED) || effects[K2] == 0);
        assert((told[U] == DONE || told[U] == UNKNOWN) || effects[U] == 0);
        assert((told[R] == DONE || told[R] == UNKNOWN) || effects[R] == 0)
    }
}

inline tell(request, what) {
    assert(told[request] == NONE);
    told[request] = what;
    /* Who was answered was committed. */
    assert(what != DONE || effects[request] == 1 || ((KEYED & BIT(request)) && effects[K] + effects[K2] == 1))
}

/* To all of a set. */
inline tell_each(set, what) {
    i = 0;
    do
    :: i < REQUESTS -> if :: (set) & BIT(i) -> tell(i, what) :: else fi; i++
    :: else -> break
    od;
    i = 0
}

inline tell_decided() {
    i = 0;
    do
    :: i < REQUESTS ->
        if
        :: batch & BIT(i) -> if :: done & BIT(i) -> tell(i, DONE) :: else -> tell(i, REFUSED) fi
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

inline decide(request) {
    if
    :: !(refused & BIT(request)) -> done = done | BIT(request); has_effect[me] = has_effect[me] | BIT(request)
    :: else
    fi
}

inline decide_keyed(request) {
    if
    :: !(batch & BIT(request))
    :: (batch & BIT(request)) && answered == DONE -> done = done | BIT(request)
    :: (batch & BIT(request)) && answered == REFUSED
    :: (batch & BIT(request)) && answered == NONE ->
        decide(request);
        if :: done & BIT(request) -> has_answer[me] = DONE :: else -> has_answer[me] = REFUSED fi
    fi
}

inline decide_all() {
    done = 0;
    decide_keyed(K);
    decide_keyed(K2);
    if :: batch & BIT(U) -> decide(U) :: else fi;
    if
    :: !(batch & BIT(R))
    :: (batch & BIT(R)) && effects[R] > 0 -> done = done | BIT(R)
    :: (batch & BIT(R)) && effects[R] == 0 -> decide(R)
    fi
}

inline connect() {
    me = 0;
    do
    :: in_use & (1 << me) -> me++
    :: else -> break
    od;
    in_use = in_use | (1 << me)
}

/* The server goes on with what it has, if anything. */
inline lose_connection() {
    faults++;
    if
    :: transaction[me] == OPEN || transaction[me] == COMMITTING -> lost[me] = 1
    :: else -> forget(me)
    fi;
    connect();
    done = 0;
    answered = NONE
}

/* Takes one that waits, and any others; of the same key the later one waits for the next batch. */
inline gather() {
    atomic {
        (sent & ~taken) ->
        batch = 0;
        if
        :: (sent & ~taken) & BIT(K) -> batch = BIT(K)
        :: (sent & ~taken) & BIT(K2) -> batch = BIT(K2)
        :: (sent & ~taken) & BIT(U) -> batch = BIT(U)
        :: (sent & ~taken) & BIT(R) -> batch = BIT(R)
        fi;
        if :: (sent & ~taken) & BIT(U) -> batch = batch | BIT(U) :: true fi;
        if :: (sent & ~taken) & BIT(R) -> batch = batch | BIT(R) :: true fi;
#ifdef BROKEN_SAME_KEY_TWICE
        if :: (sent & ~taken) & BIT(K) -> batch = batch | BIT(K) :: true fi;
        if :: (sent & ~taken) & BIT(K2) -> batch = batch | BIT(K2) :: true fi;
#else
        if :: !(batch & KEYED) && ((sent & ~taken) & BIT(K)) -> batch = batch | BIT(K) :: true fi;
#endif
        taken = taken | batch;
        todo = batch
    }
}

/* Ends the try: again, or enough of it. */
inline again_or_enough() {
    if
    :: atomic { done = 0; answered = NONE; goto again }
    :: atomic {
#ifdef BROKEN_BUSY_AFTER_UNKNOWN
            tell_each(batch, BUSY);
#else
            tell_each(batch & unsure, UNKNOWN);
            tell_each(batch & ~unsure, BUSY);
#endif
            goto next
        }
    fi
}

active [2] proctype writer() {
    byte me, i, todo, batch, done, unsure;
    mtype answered = NONE;
    bit alone;
    atomic { connect() };
end_idle:
    gather();
again:
    atomic {
        transaction[me] = OPEN;
        /* The keys are claimed. */
        if
        :: !(batch & KEYED)
        :: batch & KEYED ->
            if
#ifdef BROKEN_KEY_LOOKED_AT_ONLY
            :: answered = key_answer
#else
            :: key_lock == 0 -> key_lock = me + 1; answered = key_answer
#endif
            :: key_lock != 0 && MAY_FAIL -> faults++; undo(me); goto undone
            fi
        fi
    };
    atomic {
        /* The domain's row is locked. */
        if
#ifdef BROKEN_NO_DOMAIN_LOCK
        :: true
#else
        :: domain_lock == 0 -> domain_lock = me + 1
#endif
        :: domain_lock != 0 && MAY_FAIL -> faults++; undo(me); goto undone
        fi;
        decide_all()
    };

    /* An error of one request's own. */
    if
    :: mistaken < REQUESTS && (batch & BIT(mistaken)) ->
        atomic {
            undo(me);
            if
            :: batch == BIT(mistaken) -> tell(mistaken, FAILED); goto next
            :: else -> alone = 1;
#ifdef BROKEN_MATES_TOLD
                batch = batch & ~BIT(mistaken);
                tell_decided();
                batch = BIT(mistaken);
                goto again
#else
                goto pick
#endif
            fi
        }
    :: else
    fi;

    /* Cut before COMMIT is sent. */
    if
    :: atomic { MAY_FAIL -> lose_connection(); goto undone }
    :: true
    fi;

#ifdef BROKEN_ANSWER_BEFORE_COMMIT
    atomic { tell_decided(); transaction[me] = COMMITTING };
    transaction[me] == COMMITTED || transaction[me] == UNDONE;
    goto next;
#endif
#ifdef BROKEN_KEY_STORED_AFTER
    atomic { has_answer[me] = NONE; if :: key_lock == me + 1 -> key_lock = 0 :: else fi };
#endif
    atomic { transaction[me] = COMMITTING };
    if
    :: atomic { transaction[me] == COMMITTED ->
#ifdef BROKEN_KEY_STORED_AFTER
            if
            :: MAY_FAIL -> faults++; unsure = batch; goto again
            :: true
            fi;
            if
            :: (batch & KEYED) && answered == NONE -> if :: done & KEYED -> key_answer = DONE :: else -> key_answer = REFUSED fi
            :: else
            fi;
#endif
            tell_decided(); goto next
        }
    :: atomic { transaction[me] == UNDONE -> goto undone }
    :: atomic {
            MAY_FAIL -> lose_connection();
#ifndef BROKEN_UNKEYED_AGAIN
            if :: batch & BIT(U) -> tell(U, UNKNOWN); batch = batch & ~BIT(U); todo = todo & ~BIT(U) :: else fi;
#endif
            unsure = unsure | batch;
            if :: batch == 0 -> goto next :: else fi
        }
    fi;

undone:
    again_or_enough();
next:
    atomic { todo = todo & ~batch; transaction[me] = NONE; unsure = unsure & todo; done = 0; answered = NONE };
pick:
    atomic {
        if
        :: todo == 0 -> batch = 0; alone = 0; goto end_idle
        :: else ->
            batch = 0;
            if
            :: todo & BIT(K) -> batch = BIT(K)
            :: todo & BIT(K2) -> batch = BIT(K2)
            :: todo & BIT(U) -> batch = BIT(U)
            :: todo & BIT(R) -> batch = BIT(R)
            fi;
            goto again
        fi
    }
}
