/* SPDX-License-Identifier: 0BSD */
/* Checks of what runs: workers and ticker behind their socket, and nginx in front. */
#include "admin/check_rows.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOARD_AGE_MS_MAX 2000
#define SETTLE_MS 1000
#define FILE_AGE_MS_MAX 10000
#define CERTIFICATE_DAYS_MIN 14
#define LIMIT_TRIES 30          /* at once; the narrowest limit refuses the 24th join of one key */
#define LIMIT_TRIES_MS_MAX 2000 /* slower than that, the rate makes good for them */

/* --- the workers --- */

static const char *why_no_answer(int error) {
    switch (error) {
    case ENOENT: return "there is no such socket: start boxoffice-fcgi";
    case ECONNREFUSED: return "nobody listens there any more: start boxoffice-fcgi";
    case ENOTSOCK: return "it is no socket: remove it and start boxoffice-fcgi";
    case EACCES: return "this user may not connect: run this as root";
    case EAGAIN:
        return "no answer in time: boxoffice-fcgi does not run behind it, or all workers are busy "
               "or stuck; look at the log and at the database";
    case EPROTO: return "what answers there is no boxoffice-fcgi";
    default: return strerror(error);
    }
}

static uint64_t member(struct json_object *o, const char *name, uint64_t otherwise) {
    struct json_object *v;
    return json_object_object_get_ex(o, name, &v) && v ? json_object_get_uint64(v) : otherwise;
}

static void read_status(struct check *c) {
    char *body;
    struct json_object *pool;
    int status = probe_fcgi(c->conf.listen_socket, "/status", &body);
    struct json_object *o = body ? json_tokener_parse(body) : NULL;
    free(body);
    if (status == 200 && o && json_object_object_get_ex(o, "pool", &pool)) {
        c->workers_answer = true;
        c->pool.workers = member(pool, "workers", 0);
        c->pool.busy = member(pool, "busy", 0);
        c->pool.idle = member(pool, "idle", 0);
        c->pool.board_age_ms = member(pool, "boardAgeMs", UINT64_MAX);
        uint64_t ticker = member(pool, "tickerPid", 0);
        if (ticker) procinfo_of((pid_t)ticker, &c->service);
    } else {
        check_wrong(c, "/status answers %d: is it another version? restart it", status);
    }
    json_object_put(o);
}

void check_socket(struct check *c) {
    char *body;
    const char *path = c->conf.listen_socket;
    struct stat st;
    int status = probe_fcgi(path, "/healthz", &body);
    free(body);
    if (status == -ECONNREFUSED && stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        status = -ENOTSOCK;
    if (status == -EACCES)
        check_unchecked(c, "%s: %s", path, why_no_answer(EACCES));
    else if (status < 0)
        check_wrong(c, "%s: %s", path, why_no_answer(-status));
    else if (status != 200)
        check_wrong(c, "%s: /healthz answers %d; look at the log", path, status);
    else
        read_status(c);
    if (c->result == RESULT_OK) check_ok(c, "a worker answers at %s", path);
}

/* What has just been started, by our own connection even, is given time; and of a busy worker it
 * may be us who keep it so, or it may still be closing the connection of before. */
static void settle(struct check *c, bool (*settled)(const struct check *)) {
    for (int look = 0; look < SETTLE_MS / 100 && !settled(c); look++) {
        clock_sleep_ms(100);
        read_status(c);
    }
}

static bool workers_settled(const struct check *c) {
    return c->pool.busy + c->pool.idle >= c->pool.workers &&
           (c->pool.idle > 0 || c->pool.busy <= 1);
}

static bool ticker_settled(const struct check *c) { return c->pool.board_age_ms != UINT64_MAX; }

void check_workers(struct check *c) {
    settle(c, workers_settled);
    uint64_t running = c->pool.busy + c->pool.idle;
    if (running < c->pool.workers)
        check_warning(c, "%" PRIu64 " of %" PRIu64 " run: the log says why others end", running,
                      c->pool.workers);
    if (c->pool.workers != conf_readers(&c->conf))
        check_warning(c, "started with %" PRIu64 ", and the settings say %" PRIu64 ": restart",
                      c->pool.workers, conf_readers(&c->conf));
    if (running > 1 && c->pool.idle == 0)
        check_warning(
            c, "all %" PRIu64 " are busy: raise workers, or see what the database is busy with",
            running);
    if (c->result == RESULT_OK) check_ok(c, "%" PRIu64 ", %" PRIu64 " idle", running, c->pool.idle);
}

void check_ticker(struct check *c) {
    settle(c, ticker_settled);
    uint64_t age_ms = c->pool.board_age_ms;
    if (age_ms == UINT64_MAX)
        check_wrong(
            c,
            "it has never read the queues: nobody is let in; look at the log and at the database");
    else if (age_ms > BOARD_AGE_MS_MAX)
        check_wrong(c,
                    "it has not read the queues for %.1f s: nobody is let in; look at the log and "
                    "at the database",
                    (double)age_ms / 1000);
    else
        check_ok(c, "it read the queues %" PRIu64 " ms ago", age_ms);
}

void check_socket_access(struct check *c) {
    const char *path = c->conf.listen_socket;
    struct stat st;
    if (stat(path, &st)) {
        check_wrong(c, "%s: %s", path, strerror(errno));
        return;
    }
    if (st.st_mode & S_IWOTH)
        check_warning(
            c,
            "any user of this machine may connect to %s, past nginx and its limits: chmod o-w it",
            path);
    if (!c->nginx.pid)
        check_unchecked(c, "whether nginx may connect: no nginx is seen behind that address (name "
                           "it with --url, and run this as root)");
    else if (!procinfo_may(&c->nginx, path, R_OK | W_OK))
        check_wrong(c,
                    "nginx (user %s) may not connect to %s: add that user to the socket's group "
                    "(%u) and restart nginx",
                    procinfo_name(&c->nginx), path, (unsigned)st.st_gid);
    if (c->result == RESULT_OK)
        check_ok(c, "nginx (user %s) may connect", procinfo_name(&c->nginx));
}

/* --- static queue files --- */

struct files {
    struct check *c;
    uint64_t count, bad;
    char first[300]; /* what is wrong with the first bad one */
};

/* How old it is by the clock that wrote it, the database's; UINT64_MAX: it tells no time. */
static uint64_t file_age_ms(const struct check *c, const char *path) {
    struct json_object *o = json_object_from_file(path), *v;
    uint64_t at_ms = 0, now_ms = (uint64_t)((int64_t)clock_wall_ms() + c->skew_ms);
    bool told = o && json_object_object_get_ex(o, "updatedAt", &v) &&
                clock_parse(json_object_get_string(v), &at_ms);
    json_object_put(o);
    return !told ? UINT64_MAX : now_ms > at_ms ? now_ms - at_ms : 0;
}

static void look_at_file(void *ctx, const struct db_row *row) {
    struct files *f = ctx;
    char path[PATH_MAX], what[200] = "";
    snprintf(path, sizeof path, "%s/%" PRIu64 ".json", f->c->conf.queue_state_dir,
             DB_ROW_U64(row, "concert_id"));
    /* Where nobody waits and nobody is let in there need not be one: a worker answers then. */
    if (DB_ROW_U64(row, "waiting") + DB_ROW_U64(row, "active") == 0 && access(path, F_OK)) return;
    uint64_t age_ms = file_age_ms(f->c, path);
    if (access(path, R_OK))
        snprintf(what, sizeof what, "%s", strerror(errno));
    else if (age_ms == UINT64_MAX)
        snprintf(what, sizeof what, "it has no updatedAt");
    else if (age_ms > FILE_AGE_MS_MAX)
        snprintf(what, sizeof what, "updated %.0f s ago", (double)age_ms / 1000);
    else if (f->c->nginx.pid && !procinfo_may(&f->c->nginx, path, R_OK))
        snprintf(what, sizeof what, "nginx (user %s) may not read it", procinfo_name(&f->c->nginx));
    f->count++;
    if (!*what) return;
    if (f->bad++ == 0)
        snprintf(f->first, sizeof f->first, "%.80s/%" PRIu64 ".json: %s",
                 f->c->conf.queue_state_dir, DB_ROW_U64(row, "concert_id"), what);
}

void check_queue_files(struct check *c) {
    struct files f;
    unsigned number;
    /* A concert may have been added just now. */
    for (int look = 0; look < 2; look++) {
        if (look) clock_sleep_ms(1000);
        f = (struct files){.c = c};
        if (db_run(c->db, STMT_QUEUE_ALL, 0, NULL, look_at_file, &f, NULL)) {
            check_unchecked(c, "the queues can't be read: %s", db_error(c->db, &number));
            return;
        }
        if (!f.bad) break;
    }
    if (f.bad)
        check_wrong(c,
                    "%" PRIu64 " of %" PRIu64 " are missing, old or unreadable: %s; the ticker "
                    "writes them: does it run, and may it write there?",
                    f.bad, f.count, f.first);
    else
        check_ok(c, "%" PRIu64 ", up to date", f.count);
}

/* --- nginx --- */

/* What nginx answers by itself is in no other count. */
void check_nginx_errors(struct check *c) {
    const char *path = c->conf.nginx_errors_file;
    if (access(path, F_OK))
        check_warning(c,
                      "nginx's own errors are not counted: %s: %s; name the same file in "
                      "nginx_errors_file and in the site",
                      path, strerror(errno));
    else if (c->service.pid && !procinfo_may(&c->service, path, R_OK))
        check_warning(c,
                      "nginx's own errors are not counted: the service (user %s) may not read %s",
                      procinfo_name(&c->service), path);
    else
        check_ok(c, "nginx's own are counted from %s", path);
}

static void expect_200(struct check *c, const char *path) {
    char why[200];
    struct probe p;
    int status = probe_send(&p, &c->url, "GET", path, "", why, sizeof why)
                     ? probe_status(&p, why, sizeof why)
                     : -1;
    c->certificate_s = p.certificate_s;
    probe_close(&p);
    if (status < 0)
        check_wrong(c, "%s: %s: is nginx running, with the boxoffice site?", path, why);
    else if (status == 308 && !c->url.tls)
        check_unchecked(
            c, "plain HTTP is sent to HTTPS there: name the other address with --url https://%s",
            c->url.host);
    else if (status == 502 || status == 503)
        check_wrong(c, "%s answers %d: %s", path, status,
                    c->workers_answer ? "can nginx reach the workers, and they the database?"
                                      : "the workers don't answer");
    else if (status != 200)
        check_wrong(c, "%s answers %d: is the boxoffice site enabled, and is it this address?",
                    path, status);
}

void check_nginx(struct check *c) {
    if (!*c->url.host) {
        check_unchecked(
            c, "nothing listens on ports 443 and 80 of this machine: name its address with --url");
        return;
    }
    procinfo_listens("nginx", (unsigned)strtoul(c->url.port, NULL, 10), &c->nginx);
    expect_200(c, "/healthz");
    if (c->result == RESULT_OK) expect_200(c, "/readyz");
    c->nginx_answers = c->result == RESULT_OK;
    if (c->nginx_answers)
        check_ok(c, "ready at %s://%s:%s", c->url.tls ? "https" : "http", c->url.host, c->url.port);
}

/* Joins of one key, which nobody has: the workers refuse them without database work, until nginx
 * has had enough of them. No other client has a share in that limit. They are sent together, since
 * one after the other would only be slowed down; which ones are refused is up to nginx's processes.
 */
void check_limits(struct check *c) {
    char headers[200], key[BASE64URL_SIZE(16)], why[200];
    uint8_t random[16];
    struct probe p[LIMIT_TRIES];
    int status = 0, sent = 0;
    bool good = true;
    uint64_t began_ms = clock_mono_ms();
    ids_random(random, sizeof random);
    base64url_encode(random, sizeof random, key);
    snprintf(headers, sizeof headers, "Authorization: Bearer check-%s\r\nContent-Length: 0\r\n",
             key);
    while (good && sent < LIMIT_TRIES)
        good = probe_send(&p[sent++], &c->url, "POST", "/api/v1/concerts/1/queue", headers, why,
                          sizeof why);
    while (sent > 0) {
        if (good && status >= 0 && status != 429)
            status = probe_status(&p[sent - 1], why, sizeof why);
        probe_close(&p[--sent]);
    }
    uint64_t took_ms = clock_mono_ms() - began_ms;
    if (status == 429)
        check_ok(c, "on: of %d joins of one key at once, some were refused", LIMIT_TRIES);
    else if (!good || status < 0)
        check_unchecked(c, "%s", why);
    else if (took_ms > LIMIT_TRIES_MS_MAX)
        check_unchecked(c, "this machine is too busy: %d requests took %" PRIu64 " ms", LIMIT_TRIES,
                        took_ms);
    else
        check_warning(
            c,
            "off: %d joins of one key passed at once; turn on limit_req in the site before a sale",
            LIMIT_TRIES);
}

void check_certificate(struct check *c) {
    int64_t days = c->certificate_s / 86400;
    if (!c->url.tls)
        check_unchecked(c, "plain HTTP has none: name the other address with --url https://%s",
                        c->url.host);
    else if (c->certificate_s <= 0)
        check_wrong(c, "it has ended: renew it and reload nginx");
    else if (days < CERTIFICATE_DAYS_MIN)
        check_warning(c, "it ends in %" PRId64 " days: renew it and reload nginx", days);
    else
        check_ok(c, "good for %" PRId64 " days", days);
}
