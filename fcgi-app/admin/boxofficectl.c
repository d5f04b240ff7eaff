/* SPDX-License-Identifier: 0BSD */
/* boxofficectl: what an operator does. One row a command; each prints for people, or JSON with
 * --json. Exit status: 0 done, 1 refused or not so, 2 usage or can't run. */
#include "admin/audit.h"
#include "admin/check.h"
#include "admin/rehearse.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/token.h"
#include "base/utf8.h"
#include "batch/account.h"
#include "batch/queue.h"
#include "batch/reservation.h"
#include "store/concert.h"
#include "store/migrate.h"
#include "store/ticket.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

struct ctl {
    struct conf conf;
    struct db *db;
    bool json;
    /* the command's options; NULL or 0 when not given */
    const char *config, *url; /* of check and rehearse */
    const char *title, *max_active, *sales_open, *sales_close, *starts_at, *venue, *price, *seats;
    const char *people, *minutes, *misbehaving, *confirm_mine, *picture; /* of rehearse */
    bool sale, fifo, off, pending, mdoc, no_audit;
    int argc;
    char **argv; /* what is no option */
};

typedef int command_fn(struct ctl *ctl);

__attribute__((format(printf, 2, 3))) static int say(int status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("boxofficectl: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

static int fail(enum err e) {
    bool refused = err_status(e) < 500;
    return say(refused ? 1 : 2, "%s",
               e == E_DATABASE_UNAVAILABLE
                   ? "can't reach the database; see the database_ settings, and that it runs"
                   : err_text(e));
}

static int print(struct json_object *o) {
    puts(
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
    return 0;
}

static int print_id(struct ctl *ctl, const char *name, uint64_t id) {
    if (!ctl->json) {
        printf("%" PRIu64 "\n", id);
        return 0;
    }
    struct json_object *o = json_object_new_object();
    json_add_u64(o, name, id);
    return print(o);
}

/* --- arguments --- */

static bool number(const char *text, uint64_t least, uint64_t most, uint64_t *v_r) {
    char *end;
    *v_r = text ? strtoull(text, &end, 10) : 0;
    return text && *text >= '0' && *text <= '9' && *end == 0 && *v_r >= least && *v_r <= most;
}

#define TITLE_CHARS_MAX 200 /* as wide as the columns of titles and venues are */
#define SEATS_OF_A_HALL_MAX 100000
#define ACTIVE_MAX 1000000

/* These say what is wrong with an option, and return 2 then; 0 when it is in order. */

static int bad_text(const char *option, const char *text) {
    if (!text) return say(2, "%s is needed: a text of 1 to %d characters", option, TITLE_CHARS_MAX);
    struct utf8_text t = utf8_look(text, strlen(text));
    if (!t.valid) return say(2, "%s is not in UTF-8: run this in a UTF-8 locale", option);
    if (t.control) return say(2, "%s has control characters: leave them out", option);
    if (t.chars > TITLE_CHARS_MAX)
        return say(2, "%s is longer than %d characters: shorten it", option, TITLE_CHARS_MAX);
    return t.blank
               ? say(2, "%s is blank: give a text of 1 to %d characters", option, TITLE_CHARS_MAX)
               : 0;
}

/* Time 0 is what stands for none, so the first moment of 1970 is no time either. */
static int bad_time(const char *option, const char *text, uint64_t *at_ms_r) {
    if (clock_parse(text, at_ms_r) && *at_ms_r > 0) return 0;
    return say(2,
               "%s must be a time that there is, such as 2026-12-24T20:00:00Z or "
               "2026-12-24T20:00:00+09:00",
               option);
}

/* The times of sale; 0 where none is given. */
static int bad_sales(struct ctl *ctl, uint64_t *open_ms_r, uint64_t *close_ms_r) {
    *open_ms_r = *close_ms_r = 0;
    if (ctl->sales_open && bad_time("--sales-open", ctl->sales_open, open_ms_r)) return 2;
    if (ctl->sales_close && bad_time("--sales-close", ctl->sales_close, close_ms_r)) return 2;
    if (*open_ms_r && *close_ms_r && *close_ms_r <= *open_ms_r)
        return say(2, "--sales-close must be after --sales-open");
    return 0;
}

/* Not given: what v_r has is the default. */
static int bad_number(const char *option, const char *text, uint64_t least, uint64_t most,
                      uint64_t *v_r) {
    if (!text || number(text, least, most, v_r)) return 0;
    return say(2, "%s must be a whole number from %" PRIu64 " to %" PRIu64, option, least, most);
}

static int bad_concert(struct ctl *ctl, uint64_t *concert_r) {
    if (number(ctl->argv[0], 1, INT64_MAX, concert_r)) return 0;
    return say(2, "CONCERT_ID must be a number from 1; see: boxofficectl concert list");
}

/* --- commands --- */

static int c_migrate(struct ctl *ctl) {
    unsigned applied, version;
    char why[800];
    if (ctl->pending) return schema_fits(&ctl->conf, why, sizeof why) ? 0 : say(1, "%s", why);
    if (!migrate(&ctl->conf, &applied, &version, why, sizeof why)) return say(2, "%s", why);
    if (ctl->json) {
        struct json_object *o = json_object_new_object();
        json_add_u64(o, "applied", applied);
        json_add_u64(o, "version", version);
        return print(o);
    }
    printf("schema version %u, %u migrations run\n", version, applied);
    return 0;
}

static int c_concert_add(struct ctl *ctl) {
    uint64_t max_active = 100, open_ms, close_ms;
    struct concert_id id = {0};
    if (bad_text("--title", ctl->title) ||
        bad_number("--max-active", ctl->max_active, 0, ACTIVE_MAX, &max_active) ||
        bad_sales(ctl, &open_ms, &close_ms))
        return 2;
    enum err e = concert_add(ctl->db, ctl->title, max_active, open_ms, close_ms, &id);
    return e ? fail(e) : print_id(ctl, "concertId", id.v);
}

static void list_concert(void *ctx, const struct concert *c) {
    struct json_object *items = ctx;
    if (!items) {
        printf("%6" PRIu64 "  %3" PRIu64 " performances  %s\n", c->id.v, c->performances, c->title);
        return;
    }
    struct json_object *o = json_object_new_object();
    json_add_u64(o, "concertId", c->id.v);
    json_add_text(o, "title", c->title);
    json_add_time(o, "salesOpenAt", c->sales_open_at_ms);
    json_add_time(o, "salesCloseAt", c->sales_close_at_ms);
    json_add_u64(o, "performances", c->performances);
    json_object_array_add(items, o);
}

static int c_concert_list(struct ctl *ctl) {
    struct json_object *items = ctl->json ? json_object_new_array() : NULL;
    enum err e = concert_list(ctl->db, 0, UINT32_MAX, list_concert, items);
    return e ? fail(e) : items ? print(items) : 0;
}

static int c_performance_add(struct ctl *ctl) {
    uint64_t concert, starts_ms, price, seats = 50, open_ms, close_ms;
    struct performance_id id = {0};
    if (bad_concert(ctl, &concert)) return 2;
    if (!ctl->starts_at) return say(2, "--starts-at is needed: the time of the performance");
    if (bad_time("--starts-at", ctl->starts_at, &starts_ms) || bad_text("--venue", ctl->venue))
        return 2;
    if (!ctl->price)
        return say(2, "--price is needed: a whole number of minor units, for each seat");
    if (!number(ctl->price, 0, PRICE_MINOR_MAX, &price))
        return say(2, "--price must be a whole number of minor units from 0 to %" PRIu64,
                   (uint64_t)PRICE_MINOR_MAX);
    if (bad_number("--seats", ctl->seats, 1, SEATS_OF_A_HALL_MAX, &seats) ||
        bad_sales(ctl, &open_ms, &close_ms))
        return 2;
    if (open_ms >= starts_ms) return say(2, "--sales-open must be before --starts-at");
    enum err e = performance_add(ctl->db, (struct concert_id){concert}, starts_ms, ctl->venue,
                                 price, seats, open_ms, close_ms, &id);
    return e ? fail(e) : print_id(ctl, "performanceId", id.v);
}

struct show {
    uint64_t concert;
    struct json_object *found;
    uint64_t oldest_number, oldest_ms, now_ms;
};

static void show_queue(void *ctx, const struct db_row *row) {
    struct show *s = ctx;
    if (DB_ROW_U64(row, "concert_id") != s->concert) return;
    struct json_object *o = s->found = json_object_new_object();
    json_add_u64(o, "concertId", s->concert);
    json_add_u64(o, "tail", DB_ROW_U64(row, "tail"));
    json_add_u64(o, "admittedThrough", DB_ROW_U64(row, "admitted_through"));
    json_add_u64(o, "waiting", DB_ROW_U64(row, "waiting"));
    json_add_u64(o, "active", DB_ROW_U64(row, "active"));
    json_add_u64(o, "maxActive", DB_ROW_U64(row, "max_active"));
    json_add_u64(o, "admittedTotal", DB_ROW_U64(row, "admitted_total"));
    json_add_u64(o, "noShows", DB_ROW_U64(row, "no_show_total"));
    json_add(o, "paused", json_object_new_boolean(DB_ROW_U64(row, "paused") != 0));
    json_add(o, "draining", json_object_new_boolean(DB_ROW_U64(row, "draining") != 0));
    json_add(o, "open", json_object_new_boolean(DB_ROW_U64(row, "is_open") != 0));
}

static void show_oldest(void *ctx, const struct db_row *row) {
    struct show *s = ctx;
    s->oldest_number = DB_ROW_U64(row, "number");
    s->oldest_ms = DB_ROW_U64(row, "joined_at_ms");
    s->now_ms = DB_ROW_U64(row, "now_ms");
}

static void take_number(void *ctx, const struct db_row *row) {
    *(uint64_t *)ctx = DB_ROW_U64(row, "admitted");
}

static enum err queue_state(struct ctl *ctl, struct show *s) {
    uint64_t rate = 0;
    enum err e = db_run(ctl->db, STMT_QUEUE_ALL, 0, NULL, show_queue, s, NULL);
    if (!e && !s->found) e = E_CONCERT_NOT_FOUND;
    if (!e)
        e = db_run(ctl->db, STMT_QUEUE_RATE, DB_ARGS(DB_U64(s->concert)), take_number, &rate, NULL);
    if (!e)
        e = db_run(ctl->db, STMT_QUEUE_OLDEST, DB_ARGS(DB_U64(s->concert)), show_oldest, s, NULL);
    if (e) return e;
    json_add_u64(s->found, "admittedPerMinute", rate);
    json_add(s->found, "oldestWaitingNumber",
             s->oldest_number ? json_object_new_uint64(s->oldest_number) : NULL);
    json_add(s->found, "oldestWaitingSeconds",
             s->oldest_number ? json_object_new_uint64((s->now_ms - s->oldest_ms) / 1000) : NULL);
    return E_OK;
}

static int c_queue_show(struct ctl *ctl) {
    struct show s = {0};
    if (bad_concert(ctl, &s.concert)) return 2;
    enum err e = queue_state(ctl, &s);
    if (e) return fail(e);
    if (ctl->json) return print(s.found);
    json_object_object_foreach(s.found, name, value)
        printf("%-22s %s\n", name, value ? json_object_get_string(value) : "-");
    json_object_put(s.found);
    return 0;
}

static int command(struct ctl *ctl, const char *kind, uint64_t value) {
    uint64_t concert;
    if (bad_concert(ctl, &concert)) return 2;
    enum err e = queue_command(ctl->db, (struct concert_id){concert}, kind, value);
    if (e) return fail(e);
    if (ctl->json) return c_queue_show(ctl);
    return 0;
}

static int c_queue_pause(struct ctl *ctl) { return command(ctl, "PAUSE", 0); }

static int c_queue_resume(struct ctl *ctl) { return command(ctl, "RESUME", 0); }

static int c_queue_set(struct ctl *ctl) {
    uint64_t cap;
    if (!ctl->max_active) return say(2, "--max-active is needed: how many may be in at a time");
    if (bad_number("--max-active", ctl->max_active, 0, ACTIVE_MAX, &cap)) return 2;
    return command(ctl, "CAP", cap);
}

/* Stops new joins, lets in those who wait, and tells when nobody is left. */
static int c_queue_drain(struct ctl *ctl) {
    bool json = ctl->json;
    ctl->json = false;
    int status = command(ctl, "DRAIN", ctl->off ? 0 : 1);
    ctl->json = json;
    if (status || ctl->off) return status;
    for (;;) {
        struct show s = {0};
        struct json_object *waiting, *active;
        if (bad_concert(ctl, &s.concert)) return 2;
        enum err e = queue_state(ctl, &s);
        if (e) return fail(e);
        json_object_object_get_ex(s.found, "waiting", &waiting);
        json_object_object_get_ex(s.found, "active", &active);
        uint64_t in = json_object_get_uint64(waiting) + json_object_get_uint64(active);
        if (in == 0 && ctl->json) return print(s.found);
        if (!ctl->json) {
            printf("%s waiting, %s active\n", json_object_get_string(waiting),
                   json_object_get_string(active));
            fflush(stdout);
        }
        json_object_put(s.found);
        if (in == 0) return 0;
        clock_sleep_ms(1000);
    }
}

static void show_user(void *ctx, const struct db_row *row) {
    struct json_object *o = *(struct json_object **)ctx = json_object_new_object();
    json_add_text(o, "name", DB_ROW_TEXT(row, "name"));
    json_add_u64(o, "balance", DB_ROW_U64(row, "balance_minor"));
    json_add_time(o, "createdAt", DB_ROW_U64(row, "created_at_ms"));
}

static int print_object(struct ctl *ctl, struct json_object *o) {
    if (ctl->json) return print(o);
    json_object_object_foreach(o, name, value)
        printf("%-16s %s\n", name, value ? json_object_get_string(value) : "-");
    json_object_put(o);
    return 0;
}

static int c_user_show(struct ctl *ctl) {
    struct user_id id;
    struct json_object *o = NULL;
    if (!user_id_parse(ctl->argv[0], &id)) return say(2, "USER_ID must be a UUID");
    enum err e = db_run(ctl->db, STMT_USER_SHOW, DB_ARGS(DB_BYTES(id.v, 16)), show_user, &o, NULL);
    if (e || !o) return fail(e ? e : E_USER_NOT_FOUND);
    json_add_user(o, "userId", id);
    json_add_text(o, "currency", ctl->conf.currency);
    return print_object(ctl, o);
}

static void show_reservation(void *ctx, const struct db_row *row) {
    struct reservation r;
    struct user_id user;
    reservation_from_row(row, &r);
    if (!DB_ROW_BYTES(row, "user_id", user.v, sizeof user.v)) abort(); /* BINARY(16) */
    struct json_object *o = *(struct json_object **)ctx = json_object_new_object(),
                       *seats = json_object_new_array();
    for (size_t i = 0; i < r.seats.count; i++)
        json_object_array_add(seats, json_object_new_uint64(r.seats.number[i]));
    json_add_u64(o, "reservationId", r.id.v);
    json_add_user(o, "userId", user);
    json_add_u64(o, "concertId", r.concert.v);
    json_add_u64(o, "number", DB_ROW_U64(row, "place_number"));
    json_add_u64(o, "performanceId", r.performance.v);
    json_add(o, "seatNumbers", seats);
    json_add_u64(o, "amount", r.amount_minor);
    json_add_text(o, "status", r.status);
    json_add_time(o, "heldUntil", r.held_until_ms);
    json_add_time(o, "createdAt", r.created_at_ms);
    json_add_time(o, "paidAt", r.paid_at_ms);
}

static int c_reservation_show(struct ctl *ctl) {
    uint64_t id;
    struct json_object *o = NULL;
    if (!number(ctl->argv[0], 1, INT64_MAX, &id))
        return say(2, "ID must be the number of a reservation");
    enum err e =
        db_run(ctl->db, STMT_RESERVATION_SHOW, DB_ARGS(DB_U64(id)), show_reservation, &o, NULL);
    if (e || !o) return fail(e ? e : E_RESERVATION_NOT_FOUND);
    return print_object(ctl, o);
}

/* What to do with somebody at the door: GENUINE, CANCELLED or FORGED. */
static int c_ticket_verify(struct ctl *ctl) {
    static struct token_keys keys;
    struct ticket t;
    char why[600], seats[SEATS_TEXT_MAX];
    if (!token_keys_load(ctl->conf.token_keys_file, &keys, why, sizeof why))
        return say(2, "%s", why);
    enum err e = ticket_verify(ctl->db, &keys, ctl->argv[0], &t);
    if (e != E_OK && e != E_PAYMENT_NOT_FOUND && e != E_RESERVATION_ENDED) return fail(e);
    struct json_object *o = json_object_new_object();
    json_add_text(o, "verdict",
                  e == E_OK                  ? "GENUINE"
                  : e == E_RESERVATION_ENDED ? "CANCELLED"
                                             : "FORGED");
    if (e != E_PAYMENT_NOT_FOUND) {
        seat_numbers_text(&t.seats, seats);
        json_add_u64(o, "paymentId", t.payment.v);
        json_add_u64(o, "reservationId", t.reservation.v);
        json_add_text(o, "concert", t.title);
        json_add_text(o, "venue", t.venue);
        json_add_time(o, "startsAt", t.starts_at_ms);
        json_add_u64(o, "performanceId", t.performance.v);
        json_add_text(o, "seats", seats);
        json_add_time(o, "paidAt", t.paid_at_ms);
    }
    print_object(ctl, o);
    return e ? 1 : 0;
}

static int c_audit(struct ctl *ctl) {
    struct json_object *checks = ctl->json ? json_object_new_array() : NULL;
    bool both = !ctl->sale && !ctl->fifo;
    int status = audit_run(ctl->db, ctl->sale || both, ctl->fifo || both, stdout, checks);
    if (checks) print(checks);
    return status;
}

static int c_check(struct ctl *ctl) {
    struct json_object *rows = ctl->json ? json_object_new_array() : NULL;
    int status = check_run(ctl->config, ctl->url, stdout, rows);
    if (status < 2 && rows)
        print(rows);
    else
        json_object_put(rows);
    return status;
}

static int c_rehearse(struct ctl *ctl) {
    struct rehearse_options o = {.people = ctl->people,
                                 .minutes = ctl->minutes,
                                 .misbehaving = ctl->misbehaving,
                                 .max_active = ctl->max_active,
                                 .url = ctl->url,
                                 .confirm_mine = ctl->confirm_mine,
                                 .picture = ctl->picture,
                                 .no_audit = ctl->no_audit};
    struct json_object *json = NULL;
    if (bad_concert(ctl, &o.concert)) return 2;
    int status = rehearse_run(ctl->db, &ctl->conf, &o, stdout, ctl->json ? &json : NULL);
    if (json) print(json);
    return status;
}

static int c_settings(struct ctl *ctl) {
    (ctl->mdoc ? conf_print_mdoc : conf_print_example)(stdout);
    return 0;
}

static const struct {
    const char *noun, *verb;
    int arguments;
    bool needs_settings;
    command_fn *run;
    const char *usage;
} commands[] = {
    {"migrate", NULL, 0, true, c_migrate, "migrate [--pending]"},
    {"concert", "add", 0, true, c_concert_add,
     "concert add --title T [--max-active N] [--sales-open TS] [--sales-close TS]"},
    {"concert", "list", 0, true, c_concert_list, "concert list"},
    {"performance", "add", 1, true, c_performance_add,
     "performance add CONCERT_ID --starts-at TS --venue V --price P [--seats N] [--sales-open TS] "
     "[--sales-close TS]"},
    {"queue", "show", 1, true, c_queue_show, "queue show CONCERT_ID"},
    {"queue", "pause", 1, true, c_queue_pause, "queue pause CONCERT_ID"},
    {"queue", "resume", 1, true, c_queue_resume, "queue resume CONCERT_ID"},
    {"queue", "set", 1, true, c_queue_set, "queue set CONCERT_ID --max-active N"},
    {"queue", "drain", 1, true, c_queue_drain, "queue drain CONCERT_ID [--off]"},
    {"user", "show", 1, true, c_user_show, "user show USER_ID"},
    {"reservation", "show", 1, true, c_reservation_show, "reservation show ID"},
    {"ticket", "verify", 1, true, c_ticket_verify, "ticket verify CODE"},
    {"audit", NULL, 0, true, c_audit, "audit [--sale] [--fifo]"},
    {"rehearse", NULL, 1, true, c_rehearse,
     "rehearse CONCERT_ID --people N --minutes M [--misbehaving PERCENT] [--max-active N] [--url "
     "URL] [--confirm-mine HOST] [--picture FILE] [--no-audit]"},
    {"check", NULL, 0, false, c_check, "check [--url URL]"},
    {"settings", NULL, 0, false, c_settings, "settings [--mdoc]"},
};

static int usage(FILE *out, int status) {
    fputs("Usage: boxofficectl [--config FILE] [--json] COMMAND\n", out);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(out, "  %s\n", commands[i].usage);
    return status;
}

/* Whether a command's usage names the option: an option that nothing would come of is a mistake. */
static bool takes(const char *usage, const char *option) {
    char name[40];
    size_t n = (size_t)snprintf(name, sizeof name, "--%s", option);
    for (const char *at = usage; (at = strstr(at, name)); at += n)
        if (!isalnum((unsigned char)at[n]) && at[n] != '-') return true;
    return false;
}

static int run(int argc, char **argv) {
    enum {
        TITLE = 256,
        MAX_ACTIVE,
        SALES_OPEN,
        SALES_CLOSE,
        STARTS_AT,
        VENUE,
        PRICE,
        SEATS,
        SALE,
        FIFO,
        OFF,
        PENDING,
        MDOC,
        URL,
        PEOPLE,
        MINUTES,
        MISBEHAVING,
        CONFIRM_MINE,
        PICTURE,
        NO_AUDIT,
        JSON
    };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, JSON},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {"title", required_argument, NULL, TITLE},
        {"max-active", required_argument, NULL, MAX_ACTIVE},
        {"sales-open", required_argument, NULL, SALES_OPEN},
        {"sales-close", required_argument, NULL, SALES_CLOSE},
        {"starts-at", required_argument, NULL, STARTS_AT},
        {"venue", required_argument, NULL, VENUE},
        {"price", required_argument, NULL, PRICE},
        {"seats", required_argument, NULL, SEATS},
        {"sale", no_argument, NULL, SALE},
        {"fifo", no_argument, NULL, FIFO},
        {"off", no_argument, NULL, OFF},
        {"pending", no_argument, NULL, PENDING},
        {"mdoc", no_argument, NULL, MDOC},
        {"url", required_argument, NULL, URL},
        {"people", required_argument, NULL, PEOPLE},
        {"minutes", required_argument, NULL, MINUTES},
        {"misbehaving", required_argument, NULL, MISBEHAVING},
        {"confirm-mine", required_argument, NULL, CONFIRM_MINE},
        {"picture", required_argument, NULL, PICTURE},
        {"no-audit", no_argument, NULL, NO_AUDIT},
        {0},
    };
    static struct ctl ctl;
    const char *path = CONF_FILE_DEFAULT, *given[sizeof options / sizeof *options] = {NULL};
    char why[600];
    opterr = 0;
    for (int c, at = -1; (c = getopt_long(argc, argv, "c:Vh", options, &at)) != -1; at = -1) {
        if (c >= TITLE && c != JSON && at >= 0) {
            if (given[at]) return say(2, "--%s is given twice", options[at].name);
            given[at] = options[at].name;
        }
        switch (c) {
        case 'c': path = optarg; break;
        case 'V': puts("boxofficectl " PACKAGE_VERSION); return 0;
        case 'h': return usage(stdout, 0);
        case JSON: ctl.json = true; break;
        case TITLE: ctl.title = optarg; break;
        case MAX_ACTIVE: ctl.max_active = optarg; break;
        case SALES_OPEN: ctl.sales_open = optarg; break;
        case SALES_CLOSE: ctl.sales_close = optarg; break;
        case STARTS_AT: ctl.starts_at = optarg; break;
        case VENUE: ctl.venue = optarg; break;
        case PRICE: ctl.price = optarg; break;
        case SEATS: ctl.seats = optarg; break;
        case SALE: ctl.sale = true; break;
        case FIFO: ctl.fifo = true; break;
        case OFF: ctl.off = true; break;
        case PENDING: ctl.pending = true; break;
        case MDOC: ctl.mdoc = true; break;
        case URL: ctl.url = optarg; break;
        case PEOPLE: ctl.people = optarg; break;
        case MINUTES: ctl.minutes = optarg; break;
        case MISBEHAVING: ctl.misbehaving = optarg; break;
        case CONFIRM_MINE: ctl.confirm_mine = optarg; break;
        case PICTURE: ctl.picture = optarg; break;
        case NO_AUDIT: ctl.no_audit = true; break;
        default:
            return say(2, "%s is no option, or lacks its value; see boxofficectl --help",
                       argv[optind - 1]);
        }
    }
    argc -= optind;
    argv += optind;
    if (argc == 0) return usage(stderr, 2);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        int words = commands[i].verb ? 2 : 1;
        if (argc < words || strcmp(argv[0], commands[i].noun) != 0 ||
            (words == 2 && strcmp(argv[1], commands[i].verb) != 0))
            continue;
        if (argc != words + commands[i].arguments)
            return say(2, "usage: boxofficectl %s", commands[i].usage);
        for (size_t k = 0; k < sizeof given / sizeof *given; k++)
            if (given[k] && !takes(commands[i].usage, given[k]))
                return say(2, "%s%s%s takes no --%s; usage: boxofficectl %s", commands[i].noun,
                           words == 2 ? " " : "", words == 2 ? commands[i].verb : "", given[k],
                           commands[i].usage);
        ctl.argc = argc - words;
        ctl.argv = argv + words;
        ctl.config = path;
        log_init("boxofficectl", LOG_L_ERROR);
        if (!commands[i].needs_settings) return commands[i].run(&ctl);
        if (!conf_load(path, &ctl.conf, why, sizeof why)) return say(2, "%s", why);
        ctl.conf.database_timeout_ms = 3600000; /* an audit of millions of rows takes its time */
        ctl.db = db_new(&ctl.conf);
        if (!ctl.db)
            return say(2, "database_password_file %s can't be read",
                       ctl.conf.database_password_file);
        int status = commands[i].run(&ctl);
        db_free(ctl.db);
        return status;
    }
    return say(2, "no such command; boxofficectl --help lists them");
}

int main(int argc, char **argv) {
    int status = run(argc, argv);
    /* What went to a full disk was not done, whoever reads it later. */
    if (fflush(stdout) || ferror(stdout))
        return say(2, "what it prints could not be written: %s", strerror(errno));
    return status;
}
