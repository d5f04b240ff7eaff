/* SPDX-License-Identifier: 0BSD */
/* The table of routes, and the gates. */
#include "http/route.h"

#include "base/log.h"
#include "batch/account.h"
#include "batch/queue.h"
#include "http/body.h"
#include "http/endpoints.h"
#include "http/note.h"

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

struct row {
    const char *method, *path;
    enum who who;
    enum key key;
    const char *const *fields; /* of the body; NULL: a body is not looked at */
    endpoint_fn *endpoint;     /* answers, or fills in call->write */
    endpoint_fn *written;      /* answers what was written; NULL: the row only reads */
};

static const struct row rows[] = {
    {"POST", API "/users", WHO_PUBLIC, KEY_NONE, user_fields, begin_user_create, end_user_create},
    {"GET", API "/users/{user}/balance", WHO_USER, KEY_NONE, NULL, endpoint_balance, NULL},
    {"GET", API "/users/{user}/balance/history", WHO_USER, KEY_NONE, NULL, endpoint_balance_history,
     NULL},
    {"POST", API "/users/{user}/balance/charges", WHO_USER, KEY_REQUIRED, charge_fields,
     begin_charge, end_charge},
    {"GET", API "/concerts", WHO_PUBLIC, KEY_NONE, NULL, endpoint_concerts, NULL},
    {"GET", API "/concerts/{id}", WHO_PUBLIC, KEY_NONE, NULL, endpoint_concert, NULL},
    {"POST", API "/concerts/{id}/queue", WHO_USER, KEY_OPTIONAL, no_fields, begin_queue_join,
     end_queue_join},
    {"GET", API "/concerts/{id}/queue", WHO_QUEUE, KEY_NONE, NULL, endpoint_queue_place, NULL},
    {"DELETE", API "/concerts/{id}/queue", WHO_QUEUE, KEY_NONE, NULL, begin_queue_leave,
     end_queue_leave},
    {"GET", API "/concerts/{id}/performances", WHO_ACTIVE, KEY_NONE, NULL, endpoint_performances,
     NULL},
    {"GET", API "/performances/{id}/seats", WHO_ACTIVE, KEY_NONE, NULL, endpoint_seats, NULL},
    {"POST", API "/performances/{id}/reservations", WHO_ACTIVE, KEY_OPTIONAL, hold_fields,
     begin_reservation_create, end_reservation_create},
    {"GET", API "/reservations", WHO_USER, KEY_NONE, NULL, endpoint_reservations, NULL},
    {"GET", API "/reservations/{id}", WHO_USER, KEY_NONE, NULL, endpoint_reservation, NULL},
    {"DELETE", API "/reservations/{id}", WHO_USER, KEY_NONE, NULL, begin_reservation_release,
     end_reservation_release},
    {"POST", API "/reservations/{id}/payment", WHO_USER_ACTIVE, KEY_OPTIONAL, no_fields,
     begin_reservation_pay, end_reservation_pay},
    {"POST", API "/reservations/{id}/cancellation", WHO_USER, KEY_OPTIONAL, no_fields,
     begin_reservation_cancel, end_reservation_cancel},
    {"GET", API "/payments", WHO_USER, KEY_NONE, NULL, endpoint_payments, NULL},
    {"GET", API "/payments/{id}", WHO_USER, KEY_NONE, NULL, endpoint_payment, NULL},
    {"GET", API "/payments/{id}/ticket.svg", WHO_USER, KEY_NONE, NULL, endpoint_ticket, NULL},
    {"GET", "/queue/{id}.json", WHO_PUBLIC, KEY_NONE, NULL, endpoint_queue_file, NULL},
    {"GET", "/healthz", WHO_PUBLIC, KEY_NONE, NULL, endpoint_healthz, NULL},
    {"GET", "/readyz", WHO_PUBLIC, KEY_NONE, NULL, endpoint_readyz, NULL},
    {"GET", "/metrics", WHO_PUBLIC, KEY_NONE, NULL, endpoint_metrics, NULL},
    {"GET", "/status", WHO_PUBLIC, KEY_NONE, NULL, endpoint_status, NULL},
};
#define ROWS (sizeof rows / sizeof rows[0])
_Static_assert(ROWS <= ROUTES_MAX, "statistics have room for every route");

size_t route_count(void) { return ROWS; }

const char *route_name(size_t route) {
    static char name[80];
    snprintf(name, sizeof name, "%s %s", rows[route].method, rows[route].path);
    return name;
}

/* Matches a path against a row's; {id} and {user} stand for one segment, or what there is of it
 * before its ending. */
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
            if (len >= sizeof segment || !user_id_parse(segment, &call->path_user))
                call->path_user = (struct user_id){{0}};
        }
        path += len;
        pattern = end;
    }
    return *pattern == *path;
}

/* HEAD is answered as GET; nginx sends the head only. */
static const char *method_of(const struct req *req) {
    return strcmp(req->method, "HEAD") == 0 ? "GET" : req->method;
}

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
    if (!idem_key_parse(header, &call->idem))
        return resp_invalid(call->resp, "Idempotency-Key",
                            "must be 1 to 64 visible ASCII characters");
    idem_hash_request(&call->idem, call->req->method, call->req->path, call->req->body,
                      call->req->body_len);
    return E_OK;
}

static enum err not_admitted(struct call *call, const struct place *place) {
    resp_extra(call->resp, "ahead", json_object_new_uint64(place->ahead));
    resp_extra(call->resp, "pollAfterSeconds", json_object_new_uint64(place->poll_after_s));
    return E_QUEUE_NOT_ADMITTED;
}

/* One who is known to wait is told so from memory, where the path names a concert: elsewhere only
 * the database can say whether the token is for the right one, and the body's fields come before,
 * too. */
static enum err check_pass(const struct row *row, struct call *call) {
    static const char concerts[] = API "/concerts/";
    struct place place;
    if (!(row->who & WHO_ACTIVE) || strncmp(row->path, concerts, sizeof concerts - 1) != 0)
        return E_OK;
    if (call->id != call->token.concert.v) return E_QUEUE_TOKEN_WRONG_CONCERT;
    return queue_place_waiting(call->board, &call->token, &place) ? not_admitted(call, &place)
                                                                  : E_OK;
}

/* Tells where one who is not let in stands, beside the refusal. */
static enum err tell_place(struct call *call) {
    struct place place = {
        .concert = call->token.concert, .number = call->token.number, .ahead = call->token.ahead};
    enum err e = queue_ahead(call->db, call->board, &place);
    return e ? e : not_admitted(call, &place);
}

/* The code that a stored problem bears, for statistics. */
static enum err code_in(const char *problem, size_t len) {
    static const char mark[] = "\"code\":\"";
    const char *at = memmem(problem, len, mark, sizeof mark - 1);
    if (!at) return E_INTERNAL;
    at += sizeof mark - 1;
    const char *end = memchr(at, '"', len - (size_t)(at - problem));
    return end ? err_by_name(at, (size_t)(end - at)) : E_INTERNAL;
}

static enum err take_replay(struct call *call) {
    resp_bytes(call->resp, call->idem.status,
               call->idem.status < 400 ? "application/json" : "application/problem+json",
               call->idem.body, call->idem.body_len);
    call->resp->replayed = true;
    return E_OK;
}

/* The answer of a write as its key keeps it: made before it is stored, and sent as it was made. */
static void make_answer(struct batch_request *r, int *status_r, const char **body_r,
                        size_t *len_r) {
    struct call *call = r->answer_ctx;
    resp_reset(call->resp);
    enum err e = call->row->written(call);
    if (e) resp_problem(call->resp, e, NULL, call->req->request_id);
    call->answered = true;
    *status_r = call->resp->status;
    *body_r = call->resp->body;
    *len_r = call->resp->body_len;
}

/* Before anything is read or written: all that can be told by the request alone, and by memory. */
static enum err pass_gates(struct call *call) {
    enum err e = find(call, &call->row);
    if (e) return e;
    const struct row *row = call->row;
    if (call->req->too_large) return E_BODY_TOO_LARGE;
    if ((e = check_type(row, call->req)) || (e = check_credentials(row, call))) return e;
    bool both = (row->who & WHO_USER_ACTIVE) == WHO_USER_ACTIVE;
    if (both && !user_id_equal(call->cred.user, call->token.user)) return E_FORBIDDEN;
    if (row->fields)
        e = body_parse(call->req->body, call->req->body_len, row->fields, call->resp, &call->body);
    if (!e) e = check_key(row, call);
    return e ? e : check_pass(row, call);
}

static void prepare_write(struct call *call) {
    bool by_key = call->row->who & WHO_USER;
    call->write = (struct batch_request){
        .user = by_key ? call->cred.user : call->token.user,
        .by_key = by_key,
        .cred = call->cred,
        .concert = call->token.concert,
        .number = call->token.number,
        .idem = &call->idem,
        .answer = make_answer,
        .answer_ctx = call,
    };
}

/* Credentials are proven by what does the work; where nothing ran, that is made up for, because a
 * stranger is told nothing else. */
static enum err prove(struct call *call, enum err e) {
    if (!call->row || !(call->row->who & WHO_USER) ||
        (err_status(e) != 400 && err_status(e) != 403))
        return e;
    enum err proof = account_prove(call->db, &call->cred);
    if (!proof) return e;
    resp_reset(call->resp);
    return proof;
}

/* Makes the problem, if it is one, and lets go of what belongs to the request. */
static void conclude(struct call *call, enum err e) {
    if (e) {
        const char *detail = NULL;
        if (e == E_DATABASE_UNAVAILABLE && call->write.unknown)
            detail = "The database went away before it said whether this was done. Look before you "
                     "ask again, or use an Idempotency-Key.";
        resp_problem(call->resp, e, detail, call->req->request_id);
    }
    idem_clear(&call->idem);
    if (call->body) json_object_put(call->body);
    call->body = NULL;
}

bool route_begin(struct call *call, enum err *outcome_r) {
    struct resp *resp = call->resp;
    resp_reset(resp);
    resp->head = strcmp(call->req->method, "HEAD") == 0;
    call->answered = false;
    enum err e = pass_gates(call);
    if (!e && call->row->written) prepare_write(call);
    if (!e) e = call->row->endpoint(call);
    if (!e && call->row->written) return true;
    if (e == E_QUEUE_NOT_ADMITTED && !resp->extra) e = tell_place(call);
    e = prove(call, e);
    conclude(call, e);
    *outcome_r = e;
    return false;
}

/* The new id that a rule gave. */
static uint64_t new_id(const struct batch_request *r) {
    return r->kind == BATCH_HOLD     ? r->held.id.v
           : r->kind == BATCH_PAY    ? r->payment.v
           : r->kind == BATCH_CHARGE ? r->charged_id
                                     : 0;
}

void route_end(struct call *call, enum err *outcome_r) {
    struct batch_request *r = &call->write;
    enum err e = *outcome_r = r->outcome;
    bool kept = call->answered && outcome_is_kept(e);
    note_written(call->board, r);
    if (e == E_REPLAYED) {
        *outcome_r = call->idem.status < 400 ? E_OK : code_in(call->idem.body, call->idem.body_len);
        e = take_replay(call);
    } else if (kept) {
        if (!e && new_id(r)) resp_put_id(call->resp, new_id(r));
        e = E_OK; /* its problem has been made, too */
    } else {
        resp_reset(call->resp);
        enum err told = e == E_QUEUE_NOT_ADMITTED ? tell_place(call) : call->row->written(call);
        *outcome_r = e = told;
    }
    conclude(call, e);
}

void route_answer(struct call *call, enum err *outcome_r) {
    if (!route_begin(call, outcome_r)) return;
    call->write.outcome = batch_run_one(call->db, call->conf, &call->write);
    route_end(call, outcome_r);
}

size_t route_number(const struct call *call) {
    return call->row ? (size_t)(call->row - rows) : ROUTES_MAX;
}

enum err route_page(struct call *call, uint64_t *limit_r, uint64_t *after_r) {
    *limit_r = 20;
    *after_r = 0;
    for (const char *q = call->req->query; *q;) {
        size_t len = strcspn(q, "&");
        if (strncmp(q, "limit=", 6) == 0) {
            *limit_r = ids_parse_u64(q + 6, len - 6);
            if (*limit_r < 1 || *limit_r > 100)
                return resp_invalid(call->resp, "limit", "must be a whole number from 1 to 100");
        } else if (strncmp(q, "after=", 6) == 0) {
            *after_r = ids_parse_u64(q + 6, len - 6);
            if (*after_r == 0)
                return resp_invalid(call->resp, "after", "must be the `next` of an earlier answer");
        }
        q += len + (q[len] == '&');
    }
    return E_OK;
}
