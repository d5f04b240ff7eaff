/* SPDX-License-Identifier: 0BSD */
/* A whole request through the gates, with a database that is not there: method, path, query,
 * Content-Type, Authorization, Queue-Token and Idempotency-Key, a line each, and the body. Whatever
 * it was, the answer is one of err.def's, and well formed. */
#include "fuzz.h"

#include "http/route.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define LINES 7

/* What a request meets; made once. */
static struct call surroundings(void) {
    static struct conf conf;
    static struct db *db;
    static struct board *board;
    static struct stats *stats;
    if (!db) {
        conf_defaults(&conf);
        strcpy(conf.database_socket, "/nowhere/at.all");
        db = db_new(&conf);
        board = board_create(2);
        stats = calloc(1, sizeof *stats); /* of no workers */
        MUST(db && board && stats);
    }
    return (struct call){
        .db = db, .conf = &conf, .board = board, .stats = stats, .keys = fuzz_keys()};
}

/* `text` is cut into its lines. */
static void take_apart(char *text, size_t size, struct req *req_r) {
    const char **const lines[LINES] = {
        &req_r->method,        &req_r->path,        &req_r->query,          &req_r->content_type,
        &req_r->authorization, &req_r->queue_token, &req_r->idempotency_key};
    char *end = text + size;
    req_r->request_id = req_r->remote_addr = "";
    for (size_t i = 0; i < LINES; i++) {
        char *newline = memchr(text, '\n', (size_t)(end - text));
        *lines[i] = text;
        if (newline) *newline = 0;
        text = newline ? newline + 1 : end;
    }
    size_t len = (size_t)(end - text);
    req_r->too_large = len > BODY_BYTES_MAX;
    req_r->body_len = len < BODY_BYTES_MAX ? len : BODY_BYTES_MAX;
    if (len) memcpy(req_r->body, text, req_r->body_len);
    req_r->body[req_r->body_len] = 0;
}

static void well_formed_head(const struct resp *resp) {
    char head[512];
    size_t len = resp_head(resp, head, sizeof head);
    MUST(len < sizeof head && strlen(head) == len);
    /* One head, and nothing that a client sent in it. */
    MUST(strstr(head, "\r\n\r\n") == head + len - 4);
}

static void problem_of(const struct resp *resp, enum err e) {
    struct json_object *code = NULL;
    char *text = fuzz_text((const uint8_t *)resp->body, resp->body_len);
    struct json_object *body = json_tokener_parse(text);
    MUST(resp->status == err_status(e) && resp->status >= 400);
    MUST(strcmp(resp->content_type, "application/problem+json") == 0);
    MUST(body && json_object_object_get_ex(body, "code", &code));
    MUST(strcmp(json_object_get_string(code), err_name(e)) == 0);
    json_object_put(body);
    free(text);
}

void fuzz_one(const uint8_t *data, size_t size) {
    static struct req req;
    static struct resp resp;
    struct call call = surroundings();
    char *text = fuzz_text(data, size);
    enum err e;
    take_apart(text, size, &req);
    call.req = &req;
    call.resp = &resp;
    db_begin(call.db, -1);
    route_answer(&call, &e);
    size_t route = route_number(&call);
    MUST(route < route_count() || route == ROUTES_MAX);
    MUST((route == ROUTES_MAX) == (e == E_ROUTE_NOT_FOUND || e == E_METHOD_NOT_ALLOWED));
    MUST((resp.allow != NULL) == (e == E_METHOD_NOT_ALLOWED));
    MUST(!call.body && !call.idem.given && !resp.replayed);
    if (e)
        problem_of(&resp, e);
    else
        MUST(resp.status == 200 && strncmp(route_name(route), "GET /", 5) == 0);
    well_formed_head(&resp);
    free(text);
}
