/* SPDX-License-Identifier: 0BSD */
/* What people do who were let in: look at dates and seats, hold, charge, pay, or not. */
#include "admin/rehearse_person.h"

#include <string.h>

/* Of what a buyer thinks in all. */
#define THINK_DATES 0.15
#define THINK_SEATS 0.45
#define THINK_MONEY 0.40
#define THINK_AGAIN 0.08 /* another was quicker */

#define MISSES_MAX 20 /* of seats: then one has had enough */
#define NOTHING_MAX 3 /* looks at a hall that is full, in case somebody lets go */
#define HOLDER_ROUNDS_MAX 12

/* The place has ended, or the pass: too slow. */
static void lost(struct person *p) {
    p->live = false;
    crowd.seen->lost++;
    person_over(p);
}

void buy_begin(struct person *p) {
    p->let_in_ms = http_now_ms();
    crowd.seen->let_in++;
    hist_add(&crowd.seen->wait_ms, p->let_in_ms - p->joined_ms);
    person_think(p, THINK_DATES, STEP_DATES);
}

static void nothing_left(struct person *p) {
    if (++p->misses < NOTHING_MAX) {
        person_think(p, THINK_DATES, STEP_DATES);
        return;
    }
    crowd.seen->nothing_left++;
    person_do(p, STEP_LEAVE);
}

void buy_dates(struct person *p, const struct answer *a) {
    uint64_t pick = (uint64_t)(dice(&p->dice) * 1000);
    if (a->status != 200)
        lost(p);
    else if (answer_date(a, pick, &p->performance, &p->price_minor))
        person_do(p, STEP_SEATS);
    else
        nothing_left(p);
}

/* Everybody wants to sit in front, where the low numbers are. */
void buy_seats(struct person *p, const struct answer *a) {
    double share = dice(&p->dice);
    if (a->status != 200) {
        lost(p);
        return;
    }
    p->seats = answer_seats(a, share * share, p->seats_wanted, p->seat);
    if (p->seats == 0)
        nothing_left(p);
    else
        person_think(p, THINK_SEATS, STEP_HOLD);
}

void buy_hold(struct person *p, const struct answer *a) {
    char code[40];
    bool taken = a->status == 409 && answer_text(a, "code", code, sizeof code) &&
                 strcmp(code, err_name(E_SEAT_TAKEN)) == 0;
    if (a->status == 201 && answer_u64(a, "reservationId", &p->reservation) &&
        answer_u64(a, "amount", &p->amount_minor)) {
        p->owed_minor = p->amount_minor;
        if (p->role == ROLE_HOLDER)
            person_think(p, THINK_SEATS, STEP_RELEASE);
        else
            person_think(p, THINK_MONEY, p->owed_minor ? STEP_CHARGE : STEP_PAY);
    } else if (a->status == 401) {
        lost(p);
    } else if (taken && ++p->misses < MISSES_MAX) {
        crowd.seen->seats_lost++;
        person_think(p, THINK_AGAIN, STEP_SEATS);
    } else {
        person_do(p, STEP_LEAVE);
    }
}

void buy_charge(struct person *p, const struct answer *a) {
    uint64_t most = crowd.conf->charge_max;
    if (a->status == 403) {
        crowd_fails("charging is refused (403): set charging = open for the rehearsal, and reload "
                    "the service");
        return;
    }
    if (a->status != 200 && a->status != 201) {
        person_do(p, STEP_LEAVE);
        return;
    }
    p->owed_minor -= p->owed_minor < most ? p->owed_minor : most;
    person_do(p, p->owed_minor ? STEP_CHARGE : STEP_PAY);
}

static void sold(struct person *p) {
    crowd.seen->sold++;
    crowd.seen->seats_sold += p->seats;
    crowd.seen->let_in_ms += http_now_ms() - p->let_in_ms;
    crowd.second.sales++;
    p->live = false;
    person_over(p);
}

void buy_pay(struct person *p, const struct answer *a) {
    switch (a->status) {
    case 200:
    case 201: sold(p); break;
    case 402:
        p->owed_minor = p->amount_minor;
        person_do(p, STEP_CHARGE);
        break;
    case 410: person_do(p, STEP_SEATS); break;
    default: lost(p);
    }
}

bool buy_pay_double(struct person *p, const struct answer *a) {
    uint64_t payment;
    if (p->pays > 0) p->pays--;
    if ((a->status == 200 || a->status == 201) && answer_u64(a, "paymentId", &payment)) {
        if (p->payment && p->payment != payment) crowd.seen->paid_twice++;
        p->payment = payment;
    }
    if (p->pays > 0) return true;
    if (!p->payment) return false;
    if (p->pays_again) {
        sold(p);
    } else { /* a third time, as if no answer had come */
        p->pays_again = true;
        p->pays = 1;
        person_ask(p, &p->conn);
    }
    return true;
}

void buy_release(struct person *p, const struct answer *a) {
    if (a->status == 401)
        lost(p);
    else if (++p->rounds < HOLDER_ROUNDS_MAX)
        person_think(p, THINK_AGAIN, STEP_SEATS);
    else
        person_do(p, STEP_LEAVE);
}
