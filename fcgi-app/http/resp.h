/* SPDX-License-Identifier: 0BSD */
/* An answer under construction, and its bytes. Nothing is sent before it is whole, so it can be
 * made anew when a transaction is run again. */
#ifndef BOXOFFICE_RESP_H
#define BOXOFFICE_RESP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

struct resp {
    int status;
    const char *content_type;
    const char *allow; /* or NULL */
    bool replayed;
    bool head;                 /* send no body */
    uint64_t etag;             /* 0: none */
    const char *cache_control; /* NULL: no-store */
    char file[64]; /* of the seat lists that were made once, for nginx to send in place of a body;
                      "": none */
    struct json_object *extra; /* members of a problem beside the usual ones, or NULL */
    char *body;                /* owned */
    size_t body_len, body_size;
};

/* Empties it; keeps its memory. */
void resp_reset(struct resp *resp);
void resp_free(struct resp *resp);
/* Takes ownership of `json` and makes it the body. */
void resp_json(struct resp *resp, int status, struct json_object *json);
/* Copies bytes in as the body. */
void resp_bytes(struct resp *resp, int status, const char *content_type, const void *bytes,
                size_t len);
/* What the answer is called, for who asks again: made of its bytes, so that one tag stands for one
 * text. `private`: it is behind a credential. When the client has it already (If-None-Match), the
 * answer becomes 304. */
void resp_etag(struct resp *resp, uint64_t etag, bool private, const char *if_none_match);
/* An extra member of the problem that this answer is going to be. Takes ownership. */
void resp_extra(struct resp *resp, const char *name, struct json_object *value);
/* Adds {field, reason} to the problem's `errors`. Returns VALIDATION_FAILED. */
enum err resp_invalid(struct resp *resp, const char *field, const char *reason);
/* Turns it into the RFC 9457 problem of `e`, with the extra members; `detail` NULL: the error's own
 * text. */
void resp_problem(struct resp *resp, enum err e, const char *detail, const char *request_id);

/* Puts the number in place of the 0 that the body's first member has. */
void resp_put_id(struct resp *resp, uint64_t id);

/* The head of a CGI answer (RFC 3875, section 6), up to and with the empty line. Returns its
 * length. */
size_t resp_head(const struct resp *resp, char *text_r, size_t size);

#endif
