/* SPDX-License-Identifier: 0BSD */
/* A request, as plain data: what nginx sent, read and bounded, before anybody looks at what it
 * means. */
#ifndef BOXOFFICE_REQ_H
#define BOXOFFICE_REQ_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define BODY_BYTES_MAX 16384

struct FCGX_Request;

/* Texts belong to the FastCGI request and live as long; absent headers are "". */
struct req {
    const char *method, *path, *query;
    const char *request_id, *remote_addr;
    const char *content_type;
    const char *authorization, *queue_token, *idempotency_key, *if_none_match;
    bool sends_files; /* this site of nginx sends files that are named to it (X-Accel-Redirect) */
    char body[BODY_BYTES_MAX + 1]; /* NUL-terminated */
    size_t body_len;
    bool too_large; /* more than BODY_BYTES_MAX: not kept */
};

/* Takes an accepted FastCGI request apart and reads its body. Errors: CLIENT_GONE when the body did
 * not come in whole. One that is too large is read and dropped: the route and the method are judged
 * first. */
enum err req_read(struct FCGX_Request *fcgi, struct req *req_r) MUST_USE;

#endif
