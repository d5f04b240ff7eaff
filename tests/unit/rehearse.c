/* SPDX-License-Identifier: 0BSD */
/* The parts of a rehearsal that need no service: who comes when, counting, advice, answers, timers.
 */
#include "unit.h"

#include "../tap.h"

#include "admin/rehearse_answer.h"
#include "admin/rehearse_figures.h"
#include "admin/rehearse_plan.h"
#include "admin/rehearse_timer.h"

#include <stdlib.h>
#include <string.h>

void people_come_as_at_an_on_sale(void) {
    static const struct {
        uint64_t people;
        double minutes;
    } rows[] = {{1, 0.05}, {60, 0.1}, {3000, 3}, {200000, 120}};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        struct plan p = plan_make(rows[k].people, rows[k].minutes, 20);
        int64_t last_ms = -(int64_t)p.lead_ms;
        uint64_t before = 0, soon = 0;
        for (uint64_t i = 0; i < p.people; i++) {
            int64_t at_ms = plan_arrival_ms(&p, i);
            CU_ASSERT(at_ms >= last_ms);
            CU_ASSERT(at_ms < (int64_t)p.length_ms);
            last_ms = at_ms;
            before += at_ms < 0;
            soon += at_ms < 60000;
        }
        if (p.people < 60) continue;
        CU_ASSERT(before * 100 >= p.people * 48 && before * 100 <= p.people * 52);
        CU_ASSERT(soon * 100 >= p.people * 78);
        CU_ASSERT(p.think_ms <= REHEARSE_THINK_MS && p.think_ms * 10 <= p.length_ms);
    }
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Nobody shares a home; and behind no address there are more than was said. */
void people_have_addresses_and_roles(void) {
    struct plan p = plan_make(6000, 1, 20), good = plan_make(500, 1, 0),
                bad = plan_make(500, 1, 100);
    uint32_t *address = calloc(p.people, sizeof *address), *home = calloc(p.people, sizeof *home);
    uint64_t role[ROLES] = {0}, most = 0, run = 0, alone = 0;
    CU_ASSERT_FATAL(address && home);
    for (uint64_t i = 0; i < p.people; i++) {
        address[i] = plan_address(&p, i);
        home[i] = plan_home_address(i);
        CU_ASSERT(address[i] >> 24 == 127 && home[i] >> 24 == 127);
        role[plan_role(&p, i)]++;
    }
    qsort(address, p.people, sizeof *address, by_value);
    qsort(home, p.people, sizeof *home, by_value);
    for (uint64_t i = 0; i < p.people; i++) {
        run = i && address[i] == address[i - 1] ? run + 1 : 1;
        if (run > most) most = run;
        alone += run == 1 && (i + 1 == p.people || address[i] != address[i + 1]);
        if (i) CU_ASSERT(home[i] != home[i - 1]);
    }
    CU_ASSERT_EQUAL(most, plan_crowd(&p));
    CU_ASSERT_EQUAL(most, PLAN_CROWD);
    CU_ASSERT_EQUAL(alone, p.people / 3);
    CU_ASSERT(role[ROLE_BUYER] > p.people * 77 / 100 && role[ROLE_BUYER] < p.people * 83 / 100);
    for (size_t r = 1; r < ROLES; r++) CU_ASSERT(role[r] > p.people * 3 / 100);
    for (uint64_t i = 0; i < good.people; i++) {
        CU_ASSERT_EQUAL(plan_role(&good, i), ROLE_BUYER);
        CU_ASSERT_NOT_EQUAL(plan_role(&bad, i), ROLE_BUYER);
    }
    free(address);
    free(home);
}

void percentiles_are_near(void) {
    struct hist h = {0};
    CU_ASSERT_EQUAL(hist_percentile(&h, 0.5), 0);
    for (uint64_t v = 1; v <= 100000; v++) hist_add(&h, v);
    static const double shares[] = {0.01, 0.5, 0.9, 0.99, 1};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        uint64_t exact = (uint64_t)(shares[i] * 100000), got = hist_percentile(&h, shares[i]);
        CU_ASSERT(got >= exact && got * 8 <= exact * 9);
    }
    CU_ASSERT_EQUAL(hist_percentile(&h, 1), 100000);
    h = (struct hist){0};
    for (uint64_t v = 0; v < 8; v++) hist_add(&h, v);
    CU_ASSERT_EQUAL(hist_percentile(&h, 0.5), 3);
    hist_add(&h, UINT64_MAX);
    CU_ASSERT_EQUAL(hist_percentile(&h, 1), UINT64_MAX);
}

/* Once or twice is chance. */
void what_gives_way_does_so_for_a_while(void) {
    struct second s[20] = {0};
    size_t at = 99;
    for (size_t i = 0; i < 20; i++) s[i].answers = 1000;
    s[3].busy = s[5].busy = 500;
    CU_ASSERT_FALSE(figures_gave_way(s, 20, STRAIN_BUSY, &at));
    s[7].busy = 10;
    CU_ASSERT_TRUE(figures_gave_way(s, 20, STRAIN_BUSY, &at));
    CU_ASSERT_EQUAL(at, 3);
    s[7].busy = 9; /* less than one in a hundred */
    CU_ASSERT_FALSE(figures_gave_way(s, 20, STRAIN_BUSY, &at));
    s[17].p99_us = s[18].p99_us = s[19].p99_us = 1000001;
    CU_ASSERT_TRUE(figures_gave_way(s, 20, STRAIN_SLOW, &at));
    CU_ASSERT_EQUAL(at, 17);
    s[0].cpu_percent = s[1].cpu_percent = s[2].cpu_percent = 100;
    CU_ASSERT_FALSE(figures_gave_way(s, 20, STRAIN_CPU, &at)); /* nobody looked */
    s[0].watched = s[1].watched = s[2].watched = true;
    CU_ASSERT_TRUE(figures_gave_way(s, 20, STRAIN_CPU, &at));
    CU_ASSERT_EQUAL(at, 0);
    CU_ASSERT_FALSE(figures_gave_way(s, 0, STRAIN_CPU, &at));
}

/* 100 in, 2 sales a second: a place inside is taken for 50 s a sale. */
void advice_is_rate_times_time(void) {
    struct second s[60] = {0};
    for (size_t i = 0; i < 60; i++)
        s[i] = (struct second){.in = 100,
                               .sales = 2,
                               .waiting = 5,
                               .watched = true,
                               .cpu_percent = 35,
                               .writers_percent = 20};
    struct facts f = figures_facts(s, 60, 2);
    CU_ASSERT_DOUBLE_EQUAL(f.sales_a_minute, 120, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(f.in_s_per_sale, 50, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(f.cpu, 0.35, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(f.full, 1, 1e-6);
    struct advice a = figures_advise(&f, REHEARSE_THINK_MS);
    CU_ASSERT_EQUAL(a.narrow, NARROW_CPU);
    CU_ASSERT_DOUBLE_EQUAL(a.sales_a_minute, 240, 1e-6); /* up to 70 % of it */
    CU_ASSERT_EQUAL(a.max_active, 200);
    /* People who were quicker than people are: 10 s more each. */
    CU_ASSERT_EQUAL(figures_advise(&f, REHEARSE_THINK_MS - 10000).max_active, 240);
    /* Of what is hardly used no more than four times is promised; what is used up gives less. */
    f.cpu = f.writers = 0.01;
    CU_ASSERT_DOUBLE_EQUAL(figures_advise(&f, REHEARSE_THINK_MS).sales_a_minute, 480, 1e-6);
    f.writers = 1;
    a = figures_advise(&f, REHEARSE_THINK_MS);
    CU_ASSERT_EQUAL(a.narrow, NARROW_WRITERS);
    CU_ASSERT_EQUAL(a.max_active, 70);
    /* The load process took half of two cores: the service had 40 of what was left. */
    for (size_t i = 0; i < 60; i++) s[i].load_percent = 100, s[i].cpu_percent = 70;
    CU_ASSERT_DOUBLE_EQUAL(figures_facts(s, 60, 2).cpu, 0.4, 1e-6);
    memset(s, 0, sizeof s);
    f = figures_facts(s, 60, 2);
    CU_ASSERT_FALSE(figures_advise(&f, 1000).known);
    f = figures_facts(s, 0, 2);
    CU_ASSERT_FALSE(figures_advise(&f, 1000).known);
}

/* Read in two parts, cut anywhere. */
static void read_whole(const char *text, int status, const char *body) {
    size_t len = strlen(text);
    for (size_t cut = 0; cut < len; cut++) {
        char bytes[400];
        struct answer a;
        CU_ASSERT_FATAL(len < sizeof bytes);
        memcpy(bytes, text, len);
        CU_ASSERT_EQUAL(answer_read(bytes, cut, false, &a), ANSWER_PART);
        memcpy(bytes + cut, text + cut, len - cut);
        CU_ASSERT_EQUAL_FATAL(answer_read(bytes, len, false, &a), ANSWER_WHOLE);
        CU_ASSERT_EQUAL(a.status, status);
        CU_ASSERT_STRING_EQUAL(a.body, body);
        CU_ASSERT_EQUAL(a.len, strlen(body));
    }
}

void answers_are_read_in_parts(void) {
    struct answer a;
    char bad[] = "SSH-2.0-OpenSSH\r\n\r\n",
         early[] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab";
    char refused[] = "HTTP/1.1 429 Too Many\r\nretry-after: 7\r\nConnection: close\r\n"
                     "Content-Length: 2\r\n\r\n{}";
    read_whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde", 200, "abcde");
    read_whole("HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n", 204, "");
    read_whole(
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n"
        "0\r\n\r\n",
        201, "abc0123456789");
    CU_ASSERT_EQUAL(answer_read(bad, strlen(bad), false, &a), ANSWER_BROKEN);
    CU_ASSERT_EQUAL(answer_read(early, strlen(early), true, &a), ANSWER_BROKEN);
    CU_ASSERT_EQUAL(answer_read(refused, strlen(refused), false, &a), ANSWER_WHOLE);
    CU_ASSERT(a.status == 429 && a.retry_after_s == 7 && a.closes);
}

void answers_tell_what_to_buy(void) {
    static const char dates[] =
        "{\"items\":[{\"performanceId\":4,\"price\":10,\"availableSeats\":0},"
        "{\"performanceId\":5,\"price\":20,\"availableSeats\":3},"
        "{\"performanceId\":6,\"price\":30,\"availableSeats\":1}]}";
#define SEAT(n, s) "{\"seatNumber\":" n ",\"price\":1,\"status\":\"" s "\"}"
    static const char seats[] =
        "{\"seats\":[" SEAT("1", "AVAILABLE") "," SEAT("2", "SOLD") "," SEAT(
            "3", "AVAILABLE") "," SEAT("4", "AVAILABLE") "," SEAT("5", "HELD") "]}";
#undef SEAT
    struct answer a = {.status = 200, .body = dates, .len = strlen(dates)};
    uint64_t id, price, seat[4];
    char text[5];
    CU_ASSERT(answer_date(&a, 0, &id, &price) && id == 5 && price == 20);
    CU_ASSERT(answer_date(&a, 3, &id, &price) && id == 6 && price == 30);
    a.body = seats;
    CU_ASSERT_EQUAL(answer_seats(&a, 0, 2, seat), 1); /* its neighbour is sold */
    CU_ASSERT_EQUAL(seat[0], 1);
    CU_ASSERT_EQUAL(answer_seats(&a, 0.4, 4, seat), 2);
    CU_ASSERT(seat[0] == 3 && seat[1] == 4);
    CU_ASSERT_FALSE(answer_text(&a, "status", text, sizeof text)); /* longer than there is room */
    a.body = "{\"seats\":[]}";
    CU_ASSERT_EQUAL(answer_seats(&a, 0.9, 1, seat), 0);
    CU_ASSERT_FALSE(answer_date(&a, 0, &id, &price));
    CU_ASSERT_FALSE(answer_u64(&a, "number", &id));
}

static uint64_t fired_at_ms[64], now_ms;
static size_t fired;
static struct wheel *wheel;

static void note(struct timer *t) {
    CU_ASSERT(t->due_ms <= now_ms);
    fired_at_ms[fired++ % 64] = now_ms;
}

static void once_more(struct timer *t) {
    note(t);
    if (fired < 3) timer_set(wheel, t, now_ms, once_more); /* at once: with the next turn */
}

void timers_are_never_early(void) {
    static struct timer t[5];
    fired = 0;
    wheel = calloc(1, sizeof *wheel);
    CU_ASSERT_FATAL(wheel != NULL);
    wheel_init(wheel, now_ms = 1000);
    timer_set(wheel, &t[0], 1003, note);
    timer_set(wheel, &t[1], 1005, note);
    timer_set(wheel, &t[2], 1000 + (uint64_t)WHEEL_SLOTS * WHEEL_SLOT_MS + 3,
              note); /* a turn later */
    timer_set(wheel, &t[3], 1004, note);
    timer_stop(&t[3]);
    timer_set(wheel, &t[1], 2000, note); /* put off */
    wheel_turn(wheel, now_ms = 1002);
    CU_ASSERT_EQUAL(fired, 0);
    wheel_turn(wheel, now_ms = 1003);
    CU_ASSERT_EQUAL(fired, 1);
    wheel_turn(wheel, now_ms = 1999);
    CU_ASSERT_EQUAL(fired, 1);
    wheel_turn(wheel, now_ms = 2100);
    CU_ASSERT_EQUAL(fired, 2);
    wheel_turn(wheel, now_ms = 1000 + (uint64_t)WHEEL_SLOTS * WHEEL_SLOT_MS * 3);
    CU_ASSERT_EQUAL(fired, 3);
    fired = 0;
    timer_set(wheel, &t[4], now_ms, once_more);
    for (int i = 0; i < 5; i++) wheel_turn(wheel, ++now_ms);
    CU_ASSERT_EQUAL(fired, 3);
    free(wheel);
}
