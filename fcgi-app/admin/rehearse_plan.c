/* SPDX-License-Identifier: 0BSD */
/* Who comes when, from where, and how they behave. */
#include "admin/rehearse_plan.h"

#include <assert.h>
#include <math.h>

#define LEAD_MS_MIN 1000
#define LEAD_MS_MAX 10000
#define LEAD_US_PER_PERSON 1000 /* a larger crowd gathers for longer */
#define THINK_MS_MIN 400
#define RUSH_MS_MAX 60000
#define SHARE_BEFORE 0.5
#define SHARE_RUSH 0.3
#define FAMILY 8

const char *role_name(enum role role) {
    static const char *const names[ROLES] = {"buyers",           "abandoners",    "silent fakes",
                                             "hold-and-release", "double payers", "reloaders"};
    return names[role];
}

/* splitmix64 */
static uint64_t mix(uint64_t v) {
    v = (v + 0x9e3779b97f4a7c15u);
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
    v = (v ^ v >> 27) * 0x94d049bb133111ebu;
    return v ^ v >> 31;
}

double dice(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15u;
    return (double)(mix(*state) >> 11) * 0x1p-53;
}

static uint64_t bounded(uint64_t v, uint64_t least, uint64_t most) {
    return v < least ? least : v > most ? most : v;
}

struct plan plan_make(uint64_t people, double minutes, unsigned misbehaving_percent) {
    assert(people > 0 && people <= REHEARSE_PEOPLE_MAX && misbehaving_percent <= 100);
    assert(minutes > 0 && minutes <= REHEARSE_MINUTES_MAX);
    struct plan p = {.people = people, .misbehaving_percent = misbehaving_percent};
    p.length_ms = (uint64_t)(minutes * 60000);
    p.lead_ms = bounded(p.length_ms / 6, LEAD_MS_MIN, LEAD_MS_MAX);
    if (p.lead_ms < people * LEAD_US_PER_PERSON / 1000)
        p.lead_ms = people * LEAD_US_PER_PERSON / 1000;
    p.think_ms = bounded(p.length_ms / 12, THINK_MS_MIN, REHEARSE_THINK_MS);
    return p;
}

int64_t plan_arrival_ms(const struct plan *plan, uint64_t i) {
    assert(i < plan->people);
    double u = ((double)i + 0.5) / (double)plan->people, length = (double)plan->length_ms;
    double rush = fmin(RUSH_MS_MAX, length / 4);
    if (u < SHARE_BEFORE) /* their density grows linearly up to the opening */
        return -(int64_t)((double)plan->lead_ms * (1 - sqrt(u / SHARE_BEFORE)));
    u -= SHARE_BEFORE;
    if (u < SHARE_RUSH) return (int64_t)(rush * (u / SHARE_RUSH));
    /* fewer and fewer, until there is just time to buy something */
    u = (u - SHARE_RUSH) / (1 - SHARE_BEFORE - SHARE_RUSH);
    return (int64_t)(rush + (length * 0.85 - rush) * (1 - sqrt(1 - u)));
}

enum role plan_role(const struct plan *plan, uint64_t i) {
    uint64_t h = mix(i ^ 0x726f6c65);
    if (h % 10000 >= plan->misbehaving_percent * 100) return ROLE_BUYER;
    return (enum role)(1 + (h >> 32) % (ROLES - 1));
}

/* The k-th address of a sixteenth of 127.0.0.0/8, leaving out .0 and .255. */
static uint32_t address(unsigned sixteenth, uint64_t k) {
    uint32_t host = (uint32_t)(k / 250 << 8 | (1 + k % 250));
    assert(host < 1u << 20);
    return 127u << 24 | sixteenth << 20 | host;
}

uint64_t plan_crowd(const struct plan *plan) {
    uint64_t third = (plan->people + 2) / 3;
    return third < PLAN_CROWD ? third : PLAN_CROWD;
}

uint32_t plan_address(const struct plan *plan, uint64_t i) {
    uint64_t k = i / 3, third = (plan->people + 2) / 3;
    switch (i % 3) { /* who share an address do not come one after the other */
    case 0: return address(1, k);
    case 1: return address(2, k % ((third + FAMILY - 1) / FAMILY));
    default: return address(3, k % ((third + PLAN_CROWD - 1) / PLAN_CROWD));
    }
}

uint32_t plan_home_address(uint64_t i) { return address(4, i); }

uint64_t plan_early(const struct plan *plan) {
    return (uint64_t)((double)plan->people * (SHARE_BEFORE + SHARE_RUSH));
}
