/* SPDX-License-Identifier: 0BSD */
/* What the seconds of a rehearsal say: when something gave way, what was reached at best, and what
 * to set. Pure. */
#ifndef BOXOFFICE_REHEARSE_FIGURES_H
#define BOXOFFICE_REHEARSE_FIGURES_H

#include "admin/rehearse_seen.h"

/* What may give way. */
enum strain {
    STRAIN_CPU,     /* all cores busy */
    STRAIN_WRITERS, /* all writers busy */
    STRAIN_READERS, /* all readers busy */
    STRAIN_LIMITS,  /* those who behave are refused with 429 */
    STRAIN_BUSY,    /* 503 */
    STRAIN_FAILED,  /* other 5xx, or no answer */
    STRAIN_SLOW,    /* one answer in a hundred takes longer than a second */
    STRAIN_BOARD,   /* the ticker is a second late */
    STRAINS
};
const char *strain_text(enum strain strain);
/* The first second of three within five in which it was so. False: it held. */
bool figures_gave_way(const struct second *second, size_t count, enum strain strain, size_t *at_r);

struct facts {
    size_t from, to; /* the seconds in which most was sold: all below are means over them */
    double sales_a_minute;
    double in;            /* people let in */
    double in_s_per_sale; /* by Little's law: how long a place inside is taken for each sale */
    bool watched;         /* the rest is known */
    double cpu, readers, writers; /* shares that were busy, 0 to 1; cpu: of what the load process
                                     left of the machine */
    double load;                  /* the load process's share of one core */
    double full;                  /* the share of the time that people waited for a place inside */
};
/* `cores`: of this machine. */
struct facts figures_facts(const struct second *second, size_t count, unsigned cores);

enum narrow { NARROW_NOTHING, NARROW_CPU, NARROW_READERS, NARROW_WRITERS };
struct advice {
    bool known;            /* something was sold */
    double sales_a_minute; /* what this machine can take for long, with a reserve */
    double in_s_per_sale;  /* of people who think for as long as people do */
    uint64_t max_active;   /* rate x time, two digits of it */
    enum narrow narrow;    /* what was used most */
    double used;           /* its share */
};
#define ADVICE_USED_MAX 0.7 /* the share of what is narrowest that a sale may take for long */
#define ADVICE_TIMES_MAX 4  /* no more than this times what was seen is promised */
/* think_ms: of a buyer in this rehearsal. */
struct advice figures_advise(const struct facts *facts, uint64_t think_ms);

#endif
