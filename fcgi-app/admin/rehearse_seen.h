/* SPDX-License-Identifier: 0BSD */
/* What a rehearsal has seen: memory that the load process and the command share. Each field is
 * written by one of them: by the load process, unless it says otherwise. */
#ifndef BOXOFFICE_REHEARSE_SEEN_H
#define BOXOFFICE_REHEARSE_SEEN_H

#include "admin/rehearse_plan.h"
#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a client asks for. */
enum step {
    STEP_SIGN_UP,
    STEP_JOIN,
    STEP_FILE,
    STEP_PLACE,
    STEP_DATES,
    STEP_SEATS,
    STEP_HOLD,
    STEP_CHARGE,
    STEP_PAY,
    STEP_RELEASE,
    STEP_LEAVE,
    STEPS
};

/* What comes instead of an answer. */
enum trouble {
    TROUBLE_NONE,
    TROUBLE_CONNECT,
    TROUBLE_CLOSED,
    TROUBLE_TIMEOUT,
    TROUBLE_ODD,
    TROUBLES
};

/* How often each value was seen, in buckets an eighth of a power of two wide. */
#define HIST_BUCKETS 256
struct hist {
    uint64_t count, max;
    uint32_t bucket[HIST_BUCKETS];
};
void hist_add(struct hist *h, uint64_t v);
/* The value that this share (0 to 1) of all is not above: exact below 8, else at most an eighth too
 * large. 0 when there is none. */
uint64_t hist_percentile(const struct hist *h, double share);

/* One second of it, counted from when the first person comes. */
struct second {
    uint32_t waiting, in, sold; /* at its end: two as the queue's file says, and payments so far */
    uint32_t joins, sales;      /* in it, as are the rest */
    uint32_t answers;           /* of the service, the queue's file left out */
    uint32_t limited, limited_good; /* 429, of all and of those who behave */
    uint32_t busy;                  /* 503 */
    uint32_t failed;                /* other 5xx, and no answer */
    uint32_t refused;               /* other 4xx: seats taken, mostly */
    uint32_t p50_us, p99_us;        /* of those answers */
    uint32_t load_percent;          /* of one core, by the load process */
    /* by the command, who looks at the service and the host */
    bool watched;
    uint32_t cpu_percent;                      /* of all cores */
    uint32_t readers_percent, writers_percent; /* that were busy */
    uint32_t database_ms;                      /* that they waited for the database, all together */
    uint32_t board_age_ms;
};

enum phase {
    PHASE_SIGN_UP,
    PHASE_READY, /* for the command to add the copy, and to say GO */
    PHASE_GO,    /* by the command */
    PHASE_SALE,
    PHASE_HOME, /* all places are given back */
    PHASE_DONE,
    PHASE_FAILED
};

struct seen {
    _Atomic int phase;
    _Atomic bool stop, at_once;        /* by the command: to end the sale; not even to go home */
    uint64_t concert, open_at_mono_ms; /* by the command, before PHASE_GO */
    char why[300];                     /* of PHASE_FAILED */

    _Atomic uint64_t signed_up;
    uint64_t joined, let_in, sold, seats_sold, left, lost, nothing_left, gone_home, still_in;
    uint64_t paid_twice;       /* two payments for one: the service has broken its word */
    uint64_t seats_lost;       /* chosen, and another was quicker */
    uint64_t short_of_sockets; /* our own limit of open files */
    uint64_t let_in_ms;        /* that those who bought were in, all together */
    uint64_t role[ROLES], done[ROLES];
    uint64_t code[2][E_COUNT]; /* [1]: of those who misbehave */
    uint64_t trouble[2][TROUBLES];
    uint64_t limited[2][STEPS];
    uint32_t peak[STEPS]; /* the most asked for in one second */
    struct hist step_us[STEPS], wait_ms;
    struct hist turn_us; /* of the load process's loop: how late it may have seen an answer */
    uint64_t load_cpu_us;

    size_t seconds_max;
    _Atomic size_t seconds; /* that are whole */
    struct second second[];
};

/* Shared with what is forked from here on; NULL without memory. */
struct seen *seen_new(size_t seconds_max);
const char *step_name(enum step step);
const char *trouble_name(enum trouble trouble);

#endif
