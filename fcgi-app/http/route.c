/* The table of routes, and the gates. */
#include "http/route.h"

#include "batch/account.h"
#include "http/body.h"
#include "http/endpoints.h"
#include "base/log.h"
#include "batch/queue.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum who {
    WHO_PUBLIC,
    WHO_USER = 1,   /* Authorization */
    WHO_QUEUE = 2,  /* Queue-Token, place in any state */
    WHO_ACTIVE = 4, /* Queue-Token, place active */
    WHO_USER_ACTIVE = WHO_USER | WHO_ACTIVE,
};
enum key { KEY_NONE, KEY_OPTIONAL, KEY_REQUIRED };

static const char *const no_fields[] = {NULL};
static const char *const user_fields[] = {"name", NULL};
static const char *const charge_fields[] = {"amount", NULL};
static const char *const hold_fields[] = {"seatNumbers", NULL};

#define API "/api/v1"

static const struct row {
    const char *method, *path;
    enum who who;
    enum key key;
    const char *const *fields; /* of the body; NULL: a body is not looked at */
    endpoint_fn *handler;
} rows[] = {
    {"POST", API "/users", WHO_PUBLIC, KEY_NONE, user_fields, endpoint_user_create},
    {"GET", API "/users/{user}/balance", WHO_USER, KEY_NONE, NULL, endpoint_balance},
    {"GET", API "/users/{user}/balance/history", WHO_USER, KEY_NONE, NULL, endpoint_balance_history},
    {"POST", API "/users/{user}/balance/charges", WHO_USER, KEY_REQUIRED, charge_fields, endpoint_charge},
    {"GET", API "/concerts", WHO_PUBLIC, KEY_NONE, NULL, endpoint_concerts},
    {"GET", API "/concerts/{id}", WHO_PUBLIC, KEY_NONE, NULL, endpoint_concert},
    {"POST", API "/concerts/{id}/queue", WHO_USER, KEY_OPTIONAL, no_fields, endpoint_queue_join},
    {"GET", API "/concerts/{id}/queue", WHO_QUEUE, KEY_NONE, NULL, endpoint_queue_place},
    {"DELETE", API "/concerts/{id}/queue", WHO_QUEUE, KEY_NONE, NULL, endpoint_queue_leave},
    {"GET", API "/concerts/{id}/performances", WHO_ACTIVE, KEY_NONE, NULL, endpoint_performances},
    {"GET", API "/performances/{id}/seats", WHO_ACTIVE, KEY_NONE, NULL, endpoint_seats},
    {"POST", API "/performances/{id}/reservations", WHO_ACTIVE, KEY_OPTIONAL, hold_fields, endpoint_reservation_create},
    {"GET", API "/reservations", WHO_USER, KEY_NONE, NULL, endpoint_reservations},
    {"GET", API "/reservations/{id}", WHO_USER, KEY_NONE, NULL, endpoint_reservation},
    {"DELETE", API "/reservations/{id}", WHO_USER, KEY_NONE, NULL, endpoint_reservation_release},
    {"POST", API "/reservations/{id}/payment", WHO_USER_ACTIVE, KEY_OPTIONAL, no_fields, endpoint_reservation_pay},
    {"POST", API "/reservations/{id}/cancellation", WHO_USER, KEY_OPTIONAL, no_fields, endpoint_reservation_cancel},
    {"GET", API "/payments", WHO_USER, KEY_NONE, NULL, endpoint_payments},
    {"GET", API "/payments/{id}", WHO_USER, KEY_NONE, NULL, endpoint_payment},
    {"GET", API "/payments/{id}/ticket.svg", WHO_USER, KEY_NONE, NULL, endpoint_ticket},
    {"GET", "/queue/{id}.json", WHO_PUBLIC, KEY_NONE, NULL, endpoint_queue_file},
    {"GET", "/healthz", WHO_PUBLIC, KEY_NONE, NULL, endpoint_healthz},
    {"GET", "/readyz", WHO_PUBLIC, KEY_NONE, NULL, endpoint_readyz},
    {"GET", "/metrics", WHO_PUBLIC, KEY_NONE, NULL, endpoint_metrics},
    {"GET", "/status", WHO_PUBLIC, KEY_NONE, NULL, endpoint_status},
};
#define ROWS (sizeof rows / sizeof rows[0])
_Static_assert(ROWS <= ROUTES_MAX, "statistics have room for every route");

size_t route_count(void) { return ROWS; }

const char *route_name(size_t route) {
    static char name[80];
    snprintf(name, sizeof name, "%s %s", rows[route].method, rows[route].path);
    return name;
}

/* Matches a path against a row's; {id} and {user} stand for one segment, or what there is of it before its ending. */
static bool path_matches(const char *pattern, const char *path, struct call *call) {
    while (*pattern && *path) {
        if (*pattern != '{') {
            if (*pattern++ != *path++) return false;
            continue;
        }
        const char *end = strchr(pattern, '}') + 1;
        size_t len = strcspn(path, *end == '.' ? "/." : "/");
        char segment[UUID_TEXT_SIZE];
        if (len == 0) return false;
        if (pattern[1] == 'i') {
            call->id = ids_parse_u64(path, len);
        } else {
            snprintf(segment, sizeof segment, "%.*s", (int)len, path);
            if (len >= sizeof segment || !user_id_parse(segment, &call->path_user)) call->path_user = (struct user_id){{0}};
        }
        path += len;
        pattern = end;
    }
    return *pattern == *path;
}

/* HEAD is answered as GET; nginx sends the head only. */
static const char *method_of(const struct req *req) { return strcmp(req->method, "HEAD") == 0 ? "GET" : req->method; }

static enum err find(struct call *call, const struct row **row_r) {
    static char allow[64];
    *allow = 0;
    for (size_t i = 0; i < ROWS; i++) {
        if (!path_matches(rows[i].path, call->req->path, call)) continue;
        if (strcmp(rows[i].method, method_of(call->req)) == 0) {
            *row_r = &rows[i];
            return E_OK;
        }
        snprintf(allow + strlen(allow), sizeof allow - strlen(allow), "%s%s", *allow ? ", " : "",
                 strcmp(rows[i].method, "GET") == 0 ? "GET, HEAD" : rows[i].method);
    }
    if (!*allow) return E_ROUTE_NOT_FOUND;
    call->resp->allow = allow;
    return E_METHOD_NOT_ALLOWED;
}

static enum err check_type(const struct row *row, const struct req *req) {
    static const char json[] = "application/json";
    if (!row->fields || (req->body_len == 0 && !*req->content_type)) return E_OK;
    if (req->body_len == 0 && !*row->fields) return E_OK;
    size_t n = sizeof json - 1;
    const char *type = req->content_type;
    bool ok = strncasecmp(type, json, n) == 0 && (type[n] == 0 || type[n] == ';' || type[n] == ' ');
    return ok ? E_OK : E_UNSUPPORTED_MEDIA_TYPE;
}

static enum err check_credentials(const struct row *row, struct call *call) {
    static const char scheme[] = "Bearer ";
    if (row->who & WHO_USER) {
        const char *a = call->req->authorization;
        if (!*a) return E_CREDENTIALS_MISSING;
        if (strncasecmp(a, scheme, sizeof scheme - 1) != 0) return E_CREDENTIALS_INVALID;
        enum err e = account_key_parse(a + sizeof scheme - 1, &call->cred);
        if (e) return e;
    }
    if (row->who & (WHO_QUEUE | WHO_ACTIVE)) {
        if (!*call->req->queue_token) return E_QUEUE_TOKEN_MISSING;
        enum err e = token_verify(call->keys, call->req->queue_token, &call->token);
        if (e) return e;
    }
    return E_OK;
}

static enum err check_key(const struct row *row, struct call *call) {
    const char *header = call->req->idempotency_key;
    if (row->key == KEY_NONE) return E_OK;
    if (!*header) return row->key == KEY_REQUIRED ? E_IDEMPOTENCY_KEY_REQUIRED : E_OK;
    if (!idem_key_parse(header, &call->idem)) return resp_invalid(call->resp, "Idempotency-Key", "must be 1 to 64 visible ASCII characters");
    idem_hash_request(&call->idem, call->req->method, call->req->path, call->req->body, call->req->body_len);
    return E_OK;
}

static enum err not_admitted(struct call *call, const struct place *place) {
    resp_extra(call->resp, "ahead", json_object_new_uint64(place->ahead));
    resp_extra(call->resp, "pollAfterSeconds", json_object_new_uint64(place->poll_after_s));
    return E_QUEUE_NOT_ADMITTED;
}

/* One who is known to wait is told so from memory, where the path names a concert: elsewhere only the
 * database can say whether the token is for the right one, and the body's fields come before, too. */
static enum err check_pass(const struct row *row, struct call *call) {
    static const char concerts[] = API "/concerts/";
    struct place place;
    if (!(row->who & WHO_ACTIVE) || strncmp(row->path, concerts, sizeof concerts - 1) != 0) return E_OK;
    if (call->id != call->token.concert.v) return E_QUEUE_TOKEN_WRONG_CONCERT;
    return queue_place_waiting(call->board, &call->token, &place) ? not_admitted(call, &place) : E_OK;
}

struct work {
    const struct row *row;
    struct call *call;
};

/* The first answer of a key covers what the transaction decided: success, and refusals by the object, its
 * state or the money. Credentials, the queue pass and faults are asked anew each time. */
static bool worth_keeping(int status) { return status < 300 || status == 402 || status == 404 || status == 409 || status == 410; }

static enum err run_handler(void *ctx) {
    struct work *w = ctx;
    struct call *call = w->call;
    resp_reset(call->resp);
    enum err e = w->row->handler(call);
    if (e == E_QUEUE_NOT_ADMITTED) {
        struct place place = {.concert = call->token.concert, .number = call->token.number, .ahead = call->token.ahead};
        e = queue_ahead(call->db, call->board, &place);
        if (!e) e = not_admitted(call, &place);
    }
    if (e == E_REPLAYED) {
        resp_bytes(call->resp, call->idem.status, call->idem.status < 400 ? "application/json" : "application/problem+json",
                   call->idem.body, call->idem.body_len);
        call->resp->replayed = true;
        return E_OK;
    }
    /* Who is gone got no answer: nothing was run. */
    if (!call->idem.given || e == E_IDEMPOTENCY_KEY_REUSED || e == E_IDEMPOTENCY_IN_PROGRESS || e == E_CLIENT_GONE) return e;
    if (!worth_keeping(err_status(e))) {
        db_rollback(call->db);
        return e;
    }
    if (e) resp_problem(call->resp, e, NULL, call->req->request_id);
    struct user_id owner = w->row->who & WHO_USER ? call->cred.user : call->token.user;
    return idem_store(call->db, owner, &call->idem, call->resp->status, call->resp->body, call->resp->body_len);
}

static enum err answer(struct call *call, const struct row **row_r) {
    enum err e = find(call, row_r);
    if (e) return e;
    const struct row *row = *row_r;
    if (call->req->too_large) return E_BODY_TOO_LARGE;
    if ((e = check_type(row, call->req)) || (e = check_credentials(row, call))) return e;
    bool both = (row->who & WHO_USER_ACTIVE) == WHO_USER_ACTIVE;
    if (both && !user_id_equal(call->cred.user, call->token.user)) e = E_FORBIDDEN;
    if (!e && row->fields) e = body_parse(call->req->body, call->req->body_len, row->fields, call->resp, &call->body);
    if (!e) e = check_key(row, call);
    if (!e) e = check_pass(row, call);
    if (!e) e = db_transaction(call->db, call->idem.given, run_handler, &(struct work){row, call});
    /* Credentials are proven by the statement that does the work; where none ran, that is made up for,
     * because a stranger is told nothing else. */
    if (row->who & WHO_USER && (err_status(e) == 400 || err_status(e) == 403)) {
        enum err proof = account_prove(call->db, &call->cred);
        if (proof) {
            resp_reset(call->resp);
            e = proof;
        }
    }
    return e;
}

size_t route_answer(struct call *call, enum err *outcome_r) {
    const struct row *row = NULL;
    struct resp *resp = call->resp;
    resp_reset(resp);
    resp->head = strcmp(call->req->method, "HEAD") == 0;
    enum err e = answer(call, &row);
    if (e) {
        const char *detail = NULL;
        if (e == E_DATABASE_UNAVAILABLE && db_outcome_unknown(call->db))
            detail = "The database went away before it said whether this was done. Look before you ask again, or use an Idempotency-Key.";
        resp_problem(resp, e, detail, call->req->request_id);
    }
    idem_clear(&call->idem);
    if (call->body) json_object_put(call->body);
    call->body = NULL;
    *outcome_r = e;
    return row ? (size_t)(row - rows) : ROUTES_MAX;
}

enum err route_page(struct call *call, uint64_t *limit_r, uint64_t *after_r) {
    *limit_r = 20;
    *after_r = 0;
    for (const char *q = call->req->query; *q;) {
        size_t len = strcspn(q, "&");
        if (strncmp(q, "limit=", 6) == 0) {
            *limit_r = ids_parse_u64(q + 6, len - 6);
            if (*limit_r < 1 || *limit_r > 100) return resp_invalid(call->resp, "limit", "must be a whole number from 1 to 100");
        } else if (strncmp(q, "after=", 6) == 0) {
            *after_r = ids_parse_u64(q + 6, len - 6);
            if (*after_r == 0) return resp_invalid(call->resp, "after", "must be the `next` of an earlier answer");
        }
        q += len + (q[len] == '&');
    }
    return E_OK;
}
