/* SPDX-License-Identifier: 0BSD */
/* How people come, wait and go. What one does who was let in is in rehearse_buy.c. */
#include "admin/rehearse_people.h"

#include "admin/rehearse_person.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNING_UP_MAX 64 /* at a time, before the sale */
#define GOING_HOME_MAX 64
#define HOME_WAITS_MS 3000 /* for answers that are on their way */
#define LAST_LOOK_MS 200   /* the command looks at the last second, before all this begins */
#define TRIES_MAX 12
#define RETRY_MS 1000
#define RETRY_MS_MAX 8000

/* As the waiting page has it (nginx/www/pages/waiting.js). */
#define NEAR 200
#define NEAR_MS 1000
#define FAR_MS 3000
#define ASK_NEAR_MS 3000 /* with a number up to askThrough */
#define RELOAD_MS 150

struct crowd crowd;

static struct {
    uint64_t signing, signed_from, home_from, home_from_ms, home_until_ms;
    bool home;
    struct person watcher; /* it looks at the queue's file all the time, whoever else does */
} at;

static uint64_t index_of(const struct person *p) { return (uint64_t)(p - crowd.person); }

static double jitter(struct person *p) { return 0.8 + 0.4 * dice(&p->dice); }

void crowd_fails(const char *format, ...) {
    va_list args;
    if (atomic_load(&crowd.seen->phase) == PHASE_FAILED) return;
    va_start(args, format);
    vsnprintf(crowd.seen->why, sizeof crowd.seen->why, format, args);
    va_end(args);
    atomic_store(&crowd.seen->phase, PHASE_FAILED);
}

/* --- asking --- */

static void came(struct conn *c, const struct answer *a, enum trouble trouble, uint64_t took_us);

enum { USER = 1, TOKEN = 2, KEY = 4 };
static const struct {
    const char *method;
    unsigned bears;
} steps[STEPS] = {
    [STEP_SIGN_UP] = {"POST", 0},
    [STEP_JOIN] = {"POST", USER | KEY},
    [STEP_FILE] = {"GET", 0},
    [STEP_PLACE] = {"GET", TOKEN},
    [STEP_DATES] = {"GET", TOKEN},
    [STEP_SEATS] = {"GET", TOKEN},
    [STEP_HOLD] = {"POST", TOKEN | KEY},
    [STEP_CHARGE] = {"POST", USER | KEY},
    [STEP_PAY] = {"POST", USER | TOKEN | KEY},
    [STEP_RELEASE] = {"DELETE", USER},
    [STEP_LEAVE] = {"DELETE", TOKEN},
};

#define API "/api/v1"

static void path_of(const struct person *p, char *path_r, size_t size) {
    uint64_t concert = crowd.seen->concert;
#define PATH(...) snprintf(path_r, size, __VA_ARGS__)
    switch (p->step) {
    case STEP_SIGN_UP: PATH(API "/users"); break;
    case STEP_FILE: PATH("/queue/%" PRIu64 ".json", concert); break;
    case STEP_JOIN:
    case STEP_PLACE:
    case STEP_LEAVE: PATH(API "/concerts/%" PRIu64 "/queue", concert); break;
    case STEP_DATES: PATH(API "/concerts/%" PRIu64 "/performances", concert); break;
    case STEP_SEATS: PATH(API "/performances/%" PRIu64 "/seats", p->performance); break;
    case STEP_HOLD: PATH(API "/performances/%" PRIu64 "/reservations", p->performance); break;
    case STEP_CHARGE: PATH(API "/users/%s/balance/charges", p->user); break;
    case STEP_PAY: PATH(API "/reservations/%" PRIu64 "/payment", p->reservation); break;
    case STEP_RELEASE: PATH(API "/reservations/%" PRIu64, p->reservation); break;
    case STEPS: break;
    }
#undef PATH
}

static bool body_of(const struct person *p, char *body_r, size_t size) {
    uint64_t most = crowd.conf->charge_max;
    size_t n = 0;
    switch (p->step) {
    case STEP_SIGN_UP:
        snprintf(body_r, size, "{\"name\":\"Rehearsal %" PRIu64 "\"}", index_of(p) + 1);
        return true;
    case STEP_CHARGE:
        snprintf(body_r, size, "{\"amount\":%" PRIu64 "}",
                 p->owed_minor < most ? p->owed_minor : most);
        return true;
    case STEP_HOLD:
        n = (size_t)snprintf(body_r, size, "{\"seatNumbers\":[");
        for (size_t i = 0; i < p->seats; i++)
            n += (size_t)snprintf(body_r + n, size - n, "%s%" PRIu64, i ? "," : "", p->seat[i]);
        snprintf(body_r + n, size - n, "]}");
        return true;
    default: return false;
    }
}

void person_ask(struct person *p, struct conn *c) {
    char path[120], headers[800], body[200];
    unsigned bears = steps[p->step].bears;
    bool has_body = body_of(p, body, sizeof body);
    size_t n = (size_t)snprintf(headers, sizeof headers, "User-Agent: boxofficectl-rehearse\r\n");
#define ADD(...) n += (size_t)snprintf(headers + n, sizeof headers - n, __VA_ARGS__)
    if (bears & USER) ADD("Authorization: Bearer %s\r\n", p->access);
    if (bears & TOKEN) ADD("Queue-Token: %s\r\n", p->token);
    if (bears & KEY)
        ADD("Idempotency-Key: rehearsal-%" PRIu64 "-%" PRIu64 "-%" PRIu64 "\r\n",
            crowd.seen->concert, index_of(p), p->key);
    if (!has_body && strcmp(steps[p->step].method, "POST") == 0) ADD("Content-Length: 0\r\n");
#undef ADD
    assert(n < sizeof headers);
    path_of(p, path, sizeof path);
    c->owner = p;
    crowd.asked[p->step]++;
    http_ask(c, steps[p->step].method, path, headers, has_body ? body : NULL, came);
}

void person_over(struct person *p) {
    if (p->over) return;
    p->over = true;
    timer_stop(&p->timer);
    crowd.over++;
    crowd.seen->done[p->role]++;
    if (!http_busy(&p->conn)) http_close(&p->conn);
    if (p->second && !http_busy(p->second)) http_close(p->second);
}

static struct person *of_timer(struct timer *t) {
    return (struct person *)((char *)t - offsetof(struct person, timer));
}

void person_try(struct person *p) {
    if (p->over || (crowd.at_home && p->step != STEP_LEAVE)) return;
    if (p->step == STEP_PAY && p->role == ROLE_DOUBLE_PAYER && !p->pays_again) {
        if (!p->second && (p->second = calloc(1, sizeof *p->second)))
            p->second->source = p->conn.source;
        p->pays = 1;
        if (p->second && !http_busy(p->second)) {
            p->pays = 2;
            person_ask(p, p->second);
        }
    }
    if (!http_busy(&p->conn)) person_ask(p, &p->conn);
}

static void try_due(struct timer *t) { person_try(of_timer(t)); }

static void quit(struct person *p) {
    p->quits_at = STEPS;
    if (p->quits_silently)
        person_over(p);
    else
        person_do(p, STEP_LEAVE);
}

void person_do(struct person *p, enum step step) {
    if (step == p->quits_at && (step != STEP_FILE || http_now_ms() >= p->quits_ms)) {
        quit(p);
        return;
    }
    p->step = step;
    p->tries = 0;
    p->key++;
    person_try(p);
}

static void do_due(struct timer *t) { person_do(of_timer(t), of_timer(t)->step); }

static void later(struct person *p, uint64_t ms, enum step step) {
    if (p->over || crowd.at_home) return;
    p->step = step;
    timer_set(http_wheel(), &p->timer, http_now_ms() + ms, do_due);
}

void person_think(struct person *p, double share, enum step step) {
    double drawn = fmin(-log(1 - dice(&p->dice)), 5); /* mean 1, all but */
    later(p, (uint64_t)((double)crowd.plan->think_ms * share * (0.3 + 0.7 * drawn)), step);
}

void person_retry(struct person *p, const struct answer *a) {
    uint64_t ms = RETRY_MS << (p->tries < 3 ? p->tries : 3);
    if (p->role == ROLE_RELOADER) {
        ms = RELOAD_MS;
    } else if (++p->tries > TRIES_MAX && a->status != 429 && crowd.at_sale && p != &at.watcher) {
        crowd.seen->lost++;
        person_over(p);
        return;
    }
    if (p->role != ROLE_RELOADER && a->retry_after_s * 1000 > ms) ms = a->retry_after_s * 1000;
    if (ms > RETRY_MS_MAX && !a->retry_after_s) ms = RETRY_MS_MAX;
    if (p->over || crowd.at_home) return;
    timer_set(http_wheel(), &p->timer,
              http_now_ms() + (uint64_t)((double)ms * (1 + dice(&p->dice))), try_due);
}

/* --- answers --- */

static void count(const struct person *p, const struct answer *a, enum trouble trouble,
                  uint64_t took_us) {
    struct seen *seen = crowd.seen;
    struct second *second = &crowd.second;
    bool bad = p->role != ROLE_BUYER;
    char code[40];
    hist_add(&seen->step_us[p->step], took_us);
    if (p->step != STEP_FILE) {
        second->answers++;
        hist_add(&crowd.second_us, took_us);
    }
    if (trouble) {
        seen->trouble[bad][trouble]++;
        second->failed++;
        return;
    }
    if (a->status < 400) return;
    enum err e =
        answer_text(a, "code", code, sizeof code) ? err_by_name(code, strlen(code)) : E_INTERNAL;
    seen->code[bad][e]++;
    if (a->status == 429) {
        second->limited++;
        second->limited_good += !bad;
        seen->limited[bad][p->step]++;
    } else if (a->status == 503) {
        second->busy++;
    } else if (a->status >= 500) {
        second->failed++;
    } else {
        second->refused++;
    }
}

static void signed_up(struct person *p, const struct answer *a) {
    if (a->status == 403) {
        crowd_fails("signing up is refused (403): set signup = open for the rehearsal, and reload "
                    "the service");
    } else if (a->status != 201 || !answer_text(a, "userId", p->user, sizeof p->user) ||
               !answer_text(a, "accessKey", p->access, sizeof p->access)) {
        crowd_fails("signing up answers %d, and no access key: is it this service?", a->status);
    } else if (crowd.at_sale) {
        person_do(p, STEP_JOIN);
    } else {
        at.signing--;
        http_close(&p->conn); /* that was another day, and at home */
        p->conn.source = plan_address(crowd.plan, index_of(p));
    }
    if (*p->access) atomic_fetch_add(&crowd.seen->signed_up, 1);
}

static void wait_on(struct person *p, bool near) {
    bool reloads = p->role == ROLE_RELOADER;
    uint64_t ms = reloads ? RELOAD_MS : near ? NEAR_MS : FAR_MS;
    later(p, (uint64_t)((double)ms * jitter(p)), reloads ? STEP_PLACE : STEP_FILE);
}

static void joined(struct person *p, const struct answer *a) {
    char status[20];
    if ((a->status != 200 && a->status != 201) ||
        !answer_text(a, "token", p->token, sizeof p->token) ||
        !answer_text(a, "status", status, sizeof status)) {
        person_over(p); /* sales are closed, say */
        return;
    }
    uint64_t poll_s = 1;
    p->live = true;
    p->joined_ms = p->told_ms = http_now_ms();
    p->number = UINT64_MAX; /* of a draw: not known yet */
    if (!answer_u64(a, "number", &p->number)) p->number = UINT64_MAX;
    if (answer_u64(a, "pollAfterSeconds", &poll_s)) p->ask_ms = p->joined_ms + poll_s * 1000;
    p->quits_ms = p->joined_ms + (uint64_t)(dice(&p->dice) * (double)crowd.plan->length_ms / 3);
    crowd.seen->joined++;
    crowd.second.joins++;
    if (p->role == ROLE_SILENT)
        person_over(p);
    else if (strcmp(status, "ACTIVE") == 0)
        buy_begin(p);
    else
        wait_on(p, true);
}

static void note_queue(const struct answer *a) {
    uint64_t waiting, active;
    if (answer_u64(a, "waiting", &waiting)) crowd.second.waiting = (uint32_t)waiting;
    if (answer_u64(a, "active", &active)) crowd.second.in = (uint32_t)active;
}

static void looked(struct person *p, const struct answer *a) {
    uint64_t admitted = 0, ask = 0, now_ms = http_now_ms();
    if (a->status == 200) note_queue(a);
    if (p == &at.watcher) {
        later(p, NEAR_MS / 2, STEP_FILE);
        return;
    }
    bool known = a->status == 200 && answer_u64(a, "admittedThrough", &admitted);
    bool says_who_asks = known && answer_u64(a, "askThrough", &ask);
    bool turn = known && p->number <= admitted;
    bool far = says_who_asks && p->number > ask && p->number != UINT64_MAX;
    bool asks = says_who_asks && p->number != UINT64_MAX
                    ? !far && now_ms >= p->told_ms + ASK_NEAR_MS
                    : now_ms >= p->ask_ms;
    if (turn || asks)
        person_do(p, STEP_PLACE);
    else
        wait_on(p,
                p->number == UINT64_MAX || p->number - admitted <= NEAR || (says_who_asks && !far));
}

static void told(struct person *p, const struct answer *a) {
    char status[20] = "";
    uint64_t poll_s = 2;
    if (a->status == 200 && !answer_text(a, "status", status, sizeof status)) *status = 0;
    if (strcmp(status, "ACTIVE") == 0) {
        buy_begin(p);
    } else if (strcmp(status, "WAITING") == 0) {
        if (!answer_u64(a, "number", &p->number)) p->number = UINT64_MAX;
        if (!answer_u64(a, "pollAfterSeconds", &poll_s)) poll_s = 2;
        p->told_ms = http_now_ms();
        p->ask_ms = p->told_ms + poll_s * 1000;
        wait_on(p, true);
    } else {
        p->live = false;
        crowd.seen->lost++;
        person_over(p);
    }
}

static void left(struct person *p, const struct answer *a) {
    (void)a;
    p->live = false;
    crowd.seen->left++;
    person_over(p);
}

static void came(struct conn *c, const struct answer *a, enum trouble trouble, uint64_t took_us) {
    static void (*const takes[STEPS])(struct person *, const struct answer *) = {
        [STEP_SIGN_UP] = signed_up,   [STEP_JOIN] = joined,       [STEP_FILE] = looked,
        [STEP_PLACE] = told,          [STEP_DATES] = buy_dates,   [STEP_SEATS] = buy_seats,
        [STEP_HOLD] = buy_hold,       [STEP_CHARGE] = buy_charge, [STEP_PAY] = buy_pay,
        [STEP_RELEASE] = buy_release, [STEP_LEAVE] = left,
    };
    struct person *p = c->owner;
    count(p, a, trouble, took_us);
    if (p->step == STEP_PAY && p->role == ROLE_DOUBLE_PAYER && buy_pay_double(p, a)) return;
    bool in_progress = a->status == 409 && p->step == STEP_PAY; /* its first one still runs */
    if (trouble || a->status == 429 || a->status >= 500 || in_progress)
        person_retry(p, a);
    else
        takes[p->step](p, a);
}

/* --- the crowd --- */

static void make(struct person *p, uint64_t i) {
    static const enum step quits[] = {STEP_FILE, STEP_FILE,   STEP_DATES, STEP_SEATS,
                                      STEP_HOLD, STEP_CHARGE, STEP_PAY};
    p->dice = i * 0x9e3779b97f4a7c15u;
    p->role = plan_role(crowd.plan, i);
    p->quits_at = p->role == ROLE_ABANDONER
                      ? quits[(size_t)(dice(&p->dice) * (sizeof quits / sizeof *quits))]
                      : STEPS;
    p->quits_silently = dice(&p->dice) < 0.5;
    double d = dice(&p->dice);
    p->seats_wanted = d < 0.25 ? 1 : d < 0.75 ? 2 : d < 0.85 ? 3 : 4;
    if (p->seats_wanted > crowd.conf->seats_per_user_max)
        p->seats_wanted = crowd.conf->seats_per_user_max;
    p->conn.source =
        i < plan_early(crowd.plan) ? plan_home_address(i) : plan_address(crowd.plan, i);
    crowd.seen->role[p->role]++;
}

bool people_meet(const struct plan *plan, const struct conf *conf, struct seen *seen) {
    crowd = (struct crowd){.plan = plan, .conf = conf, .seen = seen};
    crowd.person = calloc(plan->people, sizeof *crowd.person);
    for (uint64_t i = 0; crowd.person && i < plan->people; i++) make(&crowd.person[i], i);
    return crowd.person != NULL;
}

bool people_sign_up(void) {
    uint64_t early = plan_early(crowd.plan);
    while (at.signing < SIGNING_UP_MAX && at.signed_from < early) {
        at.signing++;
        person_do(&crowd.person[at.signed_from++], STEP_SIGN_UP);
    }
    return at.signed_from == early && at.signing == 0;
}

static void arrive(struct timer *t) {
    struct person *p = of_timer(t);
    person_do(p, *p->access ? STEP_JOIN : STEP_SIGN_UP);
}

void people_sale(uint64_t open_at_mono_ms) {
    crowd.at_sale = true;
    for (uint64_t i = 0; i < crowd.plan->people; i++) {
        int64_t due_ms = (int64_t)open_at_mono_ms + plan_arrival_ms(crowd.plan, i);
        timer_set(http_wheel(), &crowd.person[i].timer, (uint64_t)due_ms, arrive);
    }
    at.watcher.quits_at = STEPS;
    person_do(&at.watcher, STEP_FILE);
}

bool people_over(void) { return crowd.over == crowd.plan->people; }

void people_second(struct second *s_r) {
    struct second *now = &crowd.second;
    now->sold = (uint32_t)crowd.seen->sold;
    now->p50_us = (uint32_t)hist_percentile(&crowd.second_us, 0.5);
    now->p99_us = (uint32_t)hist_percentile(&crowd.second_us, 0.99);
    for (size_t i = 0; i < STEPS; i++)
        if (crowd.asked[i] > crowd.seen->peak[i]) crowd.seen->peak[i] = crowd.asked[i];
    *s_r = *now;
    *now = (struct second){.waiting = now->waiting, .in = now->in};
    crowd.second_us = (struct hist){0};
    memset(crowd.asked, 0, sizeof crowd.asked);
}

/* --- going home --- */

static void send_home(struct timer *t);

static void went(struct conn *c, const struct answer *a, enum trouble trouble, uint64_t took_us) {
    struct person *p = c->owner;
    (void)took_us;
    if ((trouble || a->status == 429 || a->status >= 500) && ++p->tries < TRIES_MAX) {
        timer_set(http_wheel(), &p->timer, http_now_ms() + RETRY_MS, send_home);
        return;
    }
    at.signing--;
    crowd.seen->gone_home += a->status == 204;
    crowd.seen->still_in += trouble || a->status >= 429;
    p->live = false;
    http_close(c);
}

static void send_home(struct timer *t) {
    struct person *p = of_timer(t);
    char path[80], headers[500];
    snprintf(path, sizeof path, API "/concerts/%" PRIu64 "/queue", crowd.seen->concert);
    snprintf(headers, sizeof headers, "Queue-Token: %s\r\n", p->token);
    p->conn.owner = p;
    http_ask(&p->conn, "DELETE", path, headers, NULL, went);
}

static void stop_all(void) {
    crowd.at_home = true;
    at.signing = 0;
    at.home_from_ms = http_now_ms() + LAST_LOOK_MS;
    at.home_until_ms = http_now_ms() + HOME_WAITS_MS;
    timer_stop(&at.watcher.timer);
    http_close(&at.watcher.conn);
    for (uint64_t i = 0; i < crowd.plan->people; i++) timer_stop(&crowd.person[i].timer);
}

bool people_home(void) {
    if (!crowd.at_home) stop_all();
    if (!at.home) { /* a join whose answer is on its way has a place to give back */
        if (http_now_ms() < at.home_from_ms) return false;
        if (http_asking() > 0 && http_now_ms() < at.home_until_ms) return false;
        at.home = true;
    }
    while (at.signing < GOING_HOME_MAX && at.home_from < crowd.plan->people) {
        struct person *p = &crowd.person[at.home_from++];
        if (p->second) http_close(p->second);
        http_close(&p->conn);
        p->tries = 0;
        if (!p->live) continue;
        at.signing++;
        send_home(&p->timer);
    }
    return at.home_from == crowd.plan->people && at.signing == 0;
}
