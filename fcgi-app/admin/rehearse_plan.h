/* SPDX-License-Identifier: 0BSD */
/* The script of a rehearsal: who comes when, from which address, and how they behave. Pure: the
 * same numbers give the same crowd, so that two rehearsals can be compared. */
#ifndef BOXOFFICE_REHEARSE_PLAN_H
#define BOXOFFICE_REHEARSE_PLAN_H

#include <stdint.h>

#define REHEARSE_PEOPLE_MAX 200000
#define REHEARSE_MINUTES_MAX 120
/* A buyer looks at dates and seats and finds the money for so long in all:
 * about what people at a shop take. A short rehearsal has quicker people, see think_ms. */
#define REHEARSE_THINK_MS 45000

enum role {
    ROLE_BUYER,
    ROLE_ABANDONER,    /* leaves somewhere on the way, some without a word */
    ROLE_SILENT,       /* joins and is never heard of again */
    ROLE_HOLDER,       /* holds seats, lets them go, holds others, and never pays */
    ROLE_DOUBLE_PAYER, /* pays twice at once, then once more */
    ROLE_RELOADER,     /* asks all the time, and takes no refusal */
    ROLES
};
const char *role_name(enum role role);

struct plan {
    uint64_t people;
    unsigned misbehaving_percent;
    uint64_t length_ms; /* from the opening on */
    uint64_t lead_ms;   /* before it, when most come */
    uint64_t think_ms;  /* mean of all that a buyer thinks */
};
struct plan plan_make(uint64_t people, double minutes, unsigned misbehaving_percent);

/* When person i of 0 to people - 1 comes, in ms from the opening (below 0: before). Never
 * decreasing: half of all before, and of those more the nearer it is; three tenths soon after; the
 * rest in a tail. */
int64_t plan_arrival_ms(const struct plan *plan, uint64_t i);
enum role plan_role(const struct plan *plan, uint64_t i);
/* IPv4, host order, in 127.0.0.0/8. Of three people one is alone behind an address, one with seven
 * others, and one with up to PLAN_CROWD - 1 (an office, a mobile network). */
#define PLAN_CROWD 500
uint32_t plan_address(const struct plan *plan, uint64_t i);
/* One that is nobody else's: people sign up at home, on other days. */
uint32_t plan_home_address(uint64_t i);
/* The most people behind one address. */
uint64_t plan_crowd(const struct plan *plan);
/* So many of the first ones have signed up before the sale begins; the rest does when they come. */
uint64_t plan_early(const struct plan *plan);

/* The next number of a sequence, in [0, 1). */
double dice(uint64_t *state);

#endif
