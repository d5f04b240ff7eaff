/* SPDX-License-Identifier: 0BSD */
/* One person of a rehearsal, for rehearse_people.c (coming, waiting, going) and rehearse_buy.c
 * (what one does who was let in). */
#ifndef BOXOFFICE_REHEARSE_PERSON_H
#define BOXOFFICE_REHEARSE_PERSON_H

#include "admin/rehearse_http.h"
#include "admin/rehearse_plan.h"
#include "admin/rehearse_seen.h"
#include "base/conf.h"
#include "base/ids.h"

#define PERSON_SEATS_MAX 4

struct person {
    struct conn conn;
    struct conn *second; /* of a double payer, once it pays */
    struct timer timer;  /* until the next thing that it does */
    uint64_t dice, key;  /* key: the last idempotency key, by number */
    enum role role;
    enum step step;
    enum step quits_at; /* an abandoner: instead of doing that. STEPS: never */
    bool quits_silently;
    bool live; /* its place has not ended, as far as it knows */
    bool over; /* it does nothing more */
    unsigned tries, rounds, misses;
    uint64_t quits_ms;        /* when it gives up waiting */
    uint64_t told_ms, ask_ms; /* when the service told it its place; when it is to ask again */
    uint64_t number, joined_ms, let_in_ms;
    uint64_t performance, price_minor, reservation, amount_minor, owed_minor;
    uint64_t seat[PERSON_SEATS_MAX];
    size_t seats_wanted, seats;
    unsigned pays; /* answers to come */
    bool pays_again;
    uint64_t payment;
    char user[UUID_TEXT_SIZE], access[100], token[400];
};

/* All of them; one crowd a process. */
struct crowd {
    const struct plan *plan;
    const struct conf *conf;
    struct seen *seen;
    struct person *person;
    uint64_t over; /* how many */
    bool at_sale, at_home;
    struct second second; /* the one that runs */
    struct hist second_us;
    uint32_t asked[STEPS];
};
extern struct crowd crowd;

/* Does it now, as the first try; unless it is time to go. */
void person_do(struct person *p, enum step step);
/* The same once more, with the same key. */
void person_try(struct person *p);
/* Does it after having thought for this share of what a buyer thinks in all, more or less. */
void person_think(struct person *p, double share, enum step step);
void person_over(struct person *p);
/* Asks what its step is over this connection. */
void person_ask(struct person *p, struct conn *c);
/* Waits as told (by `answer`, or else longer each time), then tries again. */
void person_retry(struct person *p, const struct answer *answer);
/* The rehearsal can't go on: tells why. */
__attribute__((format(printf, 1, 2))) void crowd_fails(const char *format, ...);

/* Answers to what one does who was let in; of statuses that are neither 429 nor 5xx. */
void buy_begin(struct person *p);
void buy_dates(struct person *p, const struct answer *a);
void buy_seats(struct person *p, const struct answer *a);
void buy_hold(struct person *p, const struct answer *a);
void buy_charge(struct person *p, const struct answer *a);
void buy_pay(struct person *p, const struct answer *a);
void buy_release(struct person *p, const struct answer *a);
/* Of a double payer, any answer; false: nothing came of it yet, to be tried again as any other. */
bool buy_pay_double(struct person *p, const struct answer *a);

#endif
