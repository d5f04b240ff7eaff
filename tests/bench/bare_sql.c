/* SPDX-License-Identifier: 0BSD */
/* Yardstick: the same work on the same tables as plain transactions, statement by statement,
 * prepared, without HTTP and without procedures, over as many connections as there are workers.
 * bare-sql SOCKET USER PASSWORD DATABASE MODE CONNECTIONS SECONDS FIRST CONCERT PERFORMANCE
 * Operation i, from FIRST on, is done for the i-th user of the bench's data. Prints operations a
 * second, and the median and 99th percentile in microseconds. */
#include <mysql.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOW "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)"
#define USER "UNHEX(MD5(?))"

/* I: the operation's number; C: concert; F: performance. */
struct step {
    const char *sql, *params;
};

static const struct step join_steps[] = {
    {"START TRANSACTION", ""},
    {"UPDATE queue SET tail = tail + 1, waiting = waiting + 1, event_seq = event_seq + 1 WHERE "
     "concert_id = ?",
     "C"},
    {"SELECT tail, event_seq INTO @tail, @seq FROM queue WHERE concert_id = ?", "C"},
    {"INSERT INTO place (concert_id, number, user_id, state, live, join_seq, joined_active, "
     "joined_at_ms)"
     " VALUES (?, @tail, " USER ", 'WAITING', 1, @seq, 0, " NOW ")",
     "CI"},
    {"COMMIT", ""},
    {0},
};
static const struct step hold_steps[] = {
    {"START TRANSACTION", ""},
    {"SELECT price_minor, total_seats, sales_open_at_ms, sales_close_at_ms FROM performance WHERE "
     "performance_id = ?",
     "F"},
    {"SELECT state, expires_at_ms FROM place WHERE concert_id = ? AND user_id = " USER
     " AND live = 1",
     "CI"},
    {"SELECT balance_minor FROM user WHERE user_id = " USER " FOR UPDATE", "I"},
    {"SELECT COALESCE(SUM(seat_count), 0) FROM reservation WHERE user_id = " USER
     " AND performance_id = ? AND status IN ('PAID', 'HELD')",
     "IF"},
    {"SELECT taken_until_ms FROM seat WHERE performance_id = ? AND seat_number = ? FOR UPDATE",
     "FI"},
    {"INSERT INTO reservation (user_id, concert_id, place_number, performance_id, seat_numbers, "
     "seat_count, amount_minor, status,"
     " held_until_ms, sweep_at_ms, created_at_ms) VALUES (" USER
     ", ?, ?, ?, ?, 1, 1000, 'HELD', " NOW " + 300000, " NOW " + 300000, " NOW ")",
     "ICIFI"},
    {"UPDATE seat SET reservation_id = LAST_INSERT_ID(), taken_until_ms = " NOW
     " + 300000 WHERE performance_id = ? AND seat_number = ?",
     "FI"},
    {"INSERT INTO reservation_event (reservation_id, kind, at_ms) VALUES (LAST_INSERT_ID(), "
     "'HELD', " NOW ")",
     ""},
    {"UPDATE place SET expires_at_ms = GREATEST(expires_at_ms, " NOW
     " + 300000) WHERE concert_id = ? AND user_id = " USER " AND live = 1",
     "CI"},
    {"COMMIT", ""},
    {0},
};
/* The i-th user's hold is reservation i of seat i; see the bench's data. */
static const struct step pay_steps[] = {
    {"START TRANSACTION", ""},
    {"SELECT balance_minor FROM user WHERE user_id = " USER " FOR UPDATE", "I"},
    {"SELECT seat_numbers, amount_minor, status, held_until_ms FROM reservation WHERE "
     "reservation_id = ? FOR UPDATE",
     "I"},
    {"UPDATE seat SET taken_until_ms = 9223372036854775807 WHERE performance_id = ? AND "
     "seat_number = ? AND reservation_id = ?",
     "FII"},
    {"UPDATE user SET balance_minor = balance_minor - 1000 WHERE user_id = " USER, "I"},
    {"INSERT INTO payment (reservation_id, user_id, amount_minor, balance_minor, paid_at_ms) "
     "VALUES (?, " USER ", 1000, 9000, " NOW ")",
     "II"},
    {"INSERT INTO balance_entry (user_id, type, amount_minor, balance_after_minor, reservation_id, "
     "created_at_ms)"
     " VALUES (" USER ", 'PAYMENT', -1000, 9000, ?, " NOW ")",
     "II"},
    {"UPDATE reservation SET status = 'PAID', paid_at_ms = " NOW
     ", sweep_at_ms = NULL WHERE reservation_id = ?",
     "I"},
    {"INSERT INTO reservation_event (reservation_id, kind, at_ms) VALUES (?, 'PAID', " NOW ")",
     "I"},
    {"SELECT active FROM queue WHERE concert_id = ? FOR UPDATE", "C"},
    {"SELECT state, expires_at_ms FROM place WHERE concert_id = ? AND number = ? FOR UPDATE", "CI"},
    {"UPDATE place SET state = 'COMPLETED', live = NULL, expires_at_ms = NULL, ended_at_ms = " NOW
     " WHERE concert_id = ? AND number = ?",
     "CI"},
    {"UPDATE queue SET active = active - 1, event_seq = event_seq + 1 WHERE concert_id = ?", "C"},
    {"INSERT INTO queue_event (concert_id, seq, kind, number, value, at_ms)"
     " SELECT concert_id, event_seq, 'COMPLETE', ?, 0, " NOW " FROM queue WHERE concert_id = ?",
     "IC"},
    {"COMMIT", ""},
    {0},
};

/* What costs a user: a row of one's own. ids of no other user of the bench's. */
static const struct step user_steps[] = {
    {"INSERT INTO user (user_id, name, access_hash, created_at_ms) VALUES (UNHEX(MD5(CONCAT('new', "
     "?))), 'bench', REPEAT('x', 32),"
     " " NOW ")",
     "I"},
    {0},
};

static const char *server_socket, *user, *password, *database;
static const struct step *steps;
static double seconds;
static uint64_t concert, performance;
static _Atomic uint64_t next;

#define LATENCIES_MAX 400000
struct client {
    pthread_t thread;
    uint64_t done;
    uint32_t *us;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what) {
    fprintf(stderr, "bare-sql: %s\n", what);
    exit(1);
}

static void run(MYSQL_STMT *s, const char *params, uint64_t i) {
    MYSQL_BIND bind[8] = {0};
    uint64_t v[8];
    size_t n = strlen(params);
    for (size_t k = 0; k < n; k++) {
        v[k] = params[k] == 'I' ? i : params[k] == 'C' ? concert : performance;
        bind[k].buffer_type = MYSQL_TYPE_LONGLONG;
        bind[k].buffer = &v[k];
        bind[k].is_unsigned = 1;
    }
    if ((n && mysql_stmt_bind_param(s, bind)) || mysql_stmt_execute(s)) die(mysql_stmt_error(s));
    while (mysql_stmt_field_count(s) && mysql_stmt_fetch(s) == 0) continue;
    mysql_stmt_free_result(s);
}

static void *client(void *ctx) {
    struct client *c = ctx;
    MYSQL *m = mysql_init(NULL);
    MYSQL_STMT *s[32];
    size_t n = 0;
    if (!mysql_real_connect(m, NULL, user, password, database, 0, server_socket, 0))
        die(mysql_error(m));
    if (mysql_query(m, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"))
        die(mysql_error(m));
    for (; steps[n].sql; n++) {
        s[n] = mysql_stmt_init(m);
        if (mysql_stmt_prepare(s[n], steps[n].sql, strlen(steps[n].sql)))
            die(mysql_stmt_error(s[n]));
    }
    for (double end = now() + seconds, began; (began = now()) < end;) {
        uint64_t i = atomic_fetch_add(&next, 1);
        for (size_t k = 0; k < n; k++) run(s[k], steps[k].params, i);
        if (c->done < LATENCIES_MAX) c->us[c->done++] = (uint32_t)((now() - began) * 1e6);
    }
    for (size_t k = 0; k < n; k++) mysql_stmt_close(s[k]);
    mysql_close(m);
    return NULL;
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc != 11) return 2;
    server_socket = argv[1];
    user = argv[2];
    password = argv[3];
    database = argv[4];
    steps = !strcmp(argv[5], "join")   ? join_steps
            : !strcmp(argv[5], "hold") ? hold_steps
            : !strcmp(argv[5], "user") ? user_steps
            : !strcmp(argv[5], "pay")  ? pay_steps
                                       : NULL;
    if (!steps) return 2;
    int clients = atoi(argv[6]);
    seconds = atof(argv[7]);
    next = strtoull(argv[8], NULL, 10);
    concert = strtoull(argv[9], NULL, 10);
    performance = strtoull(argv[10], NULL, 10);
    mysql_library_init(0, NULL, NULL);
    struct client *c = calloc((size_t)clients, sizeof *c);
    for (int i = 0; i < clients; i++) c[i].us = malloc(LATENCIES_MAX * sizeof(uint32_t));
    for (int i = 0; i < clients; i++) pthread_create(&c[i].thread, NULL, client, &c[i]);
    uint64_t done = 0;
    for (int i = 0; i < clients; i++) {
        pthread_join(c[i].thread, NULL);
        done += c[i].done;
    }
    uint32_t *all = malloc((done + 1) * sizeof *all);
    uint64_t n = 0;
    for (int i = 0; i < clients; i++) {
        memcpy(all + n, c[i].us, c[i].done * sizeof *all);
        n += c[i].done;
    }
    qsort(all, n, sizeof *all, ascending);
    printf("%.0f %u %u\n", (double)done / seconds, n ? all[n / 2] : 0, n ? all[n * 99 / 100] : 0);
    return 0;
}
