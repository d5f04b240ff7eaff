/* SPDX-License-Identifier: 0BSD */
/* Writers of one host take turns in a domain (a concert's queue, a performance): at most SHARE of them may be in the
 * database for one domain, so that a domain whose row is stuck never has them all.
 *
 * Each writer has a word in shared memory in which it publishes the domain that it is in. To enter it publishes, and
 * then looks how many others are in the domain, one word after the other, with no lock: where there are too many it
 * takes its word back and its requests are told BUSY at once. It never waits for a turn: a writer that waits is as lost to
 * others as one that is stuck. A writer that dies is seen by the master, which clears its word before it starts another
 * in its place.
 *
 * Domain A is crowded, and at any time its row may become stuck for good; of domain B there is one request at a time.
 * Any writer may die, in any place, DEATHS times in all. Who was answered comes again, at the end of the line.
 *
 * What spin shows: never more than SHARE in a domain's transactions; a writer that is in no domain has published none
 * (no turn is lost by a death); not all get stuck (invalid end states); and, with every process going on that can (weak
 * fairness), B is served again and again (no non-progress cycle). BUSY is told for B only
 * when words of dead writers are still to be cleared. With BROKEN_… defined, one thing is done wrong, and spin must find it. */

#define WRITERS 3
#define SHARE 2
#ifndef DEATHS
#define DEATHS 1
#endif
#define CROWD 3 /* requests of A */

/* Domains, and requests for them. */
#define A 1
#define B 2

chan line = [CROWD + 1] of { byte };
#define me _pid /* writers are the first processes */
byte in[WRITERS];      /* the words in shared memory; 0: none */
byte working[WRITERS]; /* the request that a writer has taken */
bit doomed[WRITERS], dead[WRITERS]; /* is to die; has died, and no other was started yet */
byte deaths;
byte inside[3];        /* how many are in transactions of a domain: what really is, for the assertions */
byte entered[WRITERS];
bit stuck;             /* A's row is locked by who never lets go */

#define OTHERS_IN(domain) ((me != 0 && in[0] == domain) + (me != 1 && in[1] == domain) + (me != 2 && in[2] == domain))

/* One word after the other. */
inline count_others() {
    count = 0;
    at = 0;
    do
    :: at < WRITERS -> atomic { if :: at != me && in[at] == domain -> count++ :: else fi; at++ }
    :: else -> at = 0; break
    od
}

inline work() {
    atomic { inside[domain]++; entered[me] = domain; assert(inside[domain] <= SHARE) };
    /* The database answers, but for A when it is stuck. */
    atomic { domain == B || !stuck -> inside[domain]--; entered[me] = 0 };
    if
    :: domain == B ->
progress_b:
        skip
    :: else
    fi
}

active [WRITERS] proctype writer() {
    byte domain, count, at;
born:
    {
end_idle:
        do
        :: atomic {
#ifdef BROKEN_CROWD_FIRST
                if
                :: line??[A] -> line??A; domain = A
                :: !line??[A] && line??[B] -> line??B; domain = B
                fi;
#else
                line?domain;
#endif
                working[me] = domain;
                assert(in[me] == 0)
            };
#if defined(BROKEN_NO_SHARE)
            skip;
#elif defined(BROKEN_WAITS_FOR_ITS_TURN)
            atomic { OTHERS_IN(domain) < SHARE -> in[me] = domain };
#elif defined(BROKEN_LOOKS_FIRST)
            count_others();
            if
            :: count >= SHARE -> goto busy
            :: else -> in[me] = domain
            fi;
#else
            in[me] = domain;
            count_others();
            if
            :: count >= SHARE -> in[me] = 0; goto busy
            :: else
            fi;
#endif
            work();
            in[me] = 0;
            goto answer;
busy:
            assert(domain == A || deaths > 0);
answer:
            atomic { line!working[me]; working[me] = 0; domain = 0; count = 0; at = 0 }
        od
    } unless {
        /* The server undoes what it had begun, and nginx tells its client. What it published stays. */
        atomic {
            doomed[me] -> doomed[me] = 0;
            if :: entered[me] -> inside[entered[me]]--; entered[me] = 0 :: else fi;
            if :: working[me] -> line!working[me]; working[me] = 0 :: else fi;
            domain = 0; count = 0; at = 0;
            dead[me] = 1
        }
    };
end_dead:
    !dead[me];
    goto born
}

/* Starts another for one that has died. */
inline replace(w) {
#if defined(BROKEN_CLEARS_LATE)
    dead[w] = 0;
    in[w] = 0
#elif defined(BROKEN_NEVER_CLEARS)
    dead[w] = 0
#else
    in[w] = 0;
    dead[w] = 0
#endif
}

active proctype master() {
    atomic { line!B; line!A; line!A; line!A };
end_watching:
    do
    :: dead[0] -> replace(0)
    :: dead[1] -> replace(1)
    :: dead[2] -> replace(2)
    od
}

/* What can happen to them. */
active proctype fate() {
end_fate:
    do
    :: atomic { !stuck -> stuck = 1 }
    :: atomic { deaths < DEATHS && !dead[0] && !doomed[0] -> doomed[0] = 1; deaths++ }
    :: atomic { deaths < DEATHS && !dead[1] && !doomed[1] -> doomed[1] = 1; deaths++ }
    :: atomic { deaths < DEATHS && !dead[2] && !doomed[2] -> doomed[2] = 1; deaths++ }
    od
}
