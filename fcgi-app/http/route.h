/* SPDX-License-Identifier: 0BSD */
/* The table of routes and the gates before the endpoints. The row is the contract: who may call,
 * whether a key is needed, what the body is. The order of checks is here, too: route, method, size
 * and type, credentials, body; then, of what writes, in its group (batch/decide.c): replay of a
 * key, queue pass, the object, its state, the money. */
#ifndef BOXOFFICE_ROUTE_H
#define BOXOFFICE_ROUTE_H

#include "base/conf.h"
#include "base/ids.h"
#include "base/token.h"
#include "batch/account.h"
#include "batch/batch.h"
#include "batch/idem.h"
#include "board/board.h"
#include "board/stats.h"
#include "http/req.h"
#include "http/resp.h"
#include "store/db.h"

/* What an endpoint gets: the request, passed through the gates, and the answer to fill. */
struct call {
    const struct req *req;
    struct resp *resp;
    struct db *db;
    const struct conf *conf;
    const struct board *board;
    const struct stats *stats;
    const struct token_keys *keys;
    uint64_t id;              /* of the path; 0, which is nobody's, when it is not a number */
    struct user_id path_user; /* of /users/{userId}; all zero when it is not a UUID */
    struct cred cred;   /* WHO_USER; proven by the statement or the group that does the work */
    struct token token; /* WHO_QUEUE, WHO_ACTIVE; its signature has been checked */
    struct idem idem;
    struct json_object *body;
    const struct row *row;            /* of the table; NULL: none */
    struct batch_request write;       /* of a row that writes */
    bool answered;                    /* the write's answer has been made, but for the new id */
    char access_key[ACCESS_KEY_SIZE]; /* POST /users: shown once */
};

/* What a row does: one that reads answers at once; one that writes fills in call->write, which is
 * run in a group, and then makes the answer of what came of it. */
typedef enum err endpoint_fn(struct call *call);

/* How many routes there are, and a row's name for statistics: "POST /concerts/{id}/queue". */
#define ROUTES_MAX 32
size_t route_count(void);
const char *route_name(size_t route);

/* Takes a request through the gates. False: it has been answered, into call->resp. True:
 * call->write is to be run, and then route_end to be called. `call` bears all but what the gates
 * fill in. */
bool route_begin(struct call *call, enum err *outcome_r) MUST_USE;
/* The answer of what was written. */
void route_end(struct call *call, enum err *outcome_r);
/* Both, and what is written alone. */
void route_answer(struct call *call, enum err *outcome_r);
/* The row's number, for statistics; ROUTES_MAX when there is none. */
size_t route_number(const struct call *call);

/* The query parameters of lists. `after_r`: 0 when not given. Errors: VALIDATION_FAILED. */
enum err route_page(struct call *call, uint64_t *limit_r, uint64_t *after_r) MUST_USE;

#endif
