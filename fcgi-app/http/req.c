/* SPDX-License-Identifier: 0BSD */
/* From FastCGI to struct req. */
#include "http/req.h"

#include <fcgiapp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const FCGX_Request *fcgi, const char *name) {
    const char *v = FCGX_GetParam(name, fcgi->envp);
    return v ? v : "";
}

enum err req_read(struct FCGX_Request *fcgi, struct req *req_r) {
    req_r->method = param(fcgi, "REQUEST_METHOD");
    req_r->path = param(fcgi, "DOCUMENT_URI");
    req_r->query = param(fcgi, "QUERY_STRING");
    req_r->request_id = param(fcgi, "REQUEST_ID");
    req_r->remote_addr = param(fcgi, "REMOTE_ADDR");
    req_r->content_type = param(fcgi, "CONTENT_TYPE");
    req_r->authorization = param(fcgi, "HTTP_AUTHORIZATION");
    req_r->queue_token = param(fcgi, "HTTP_QUEUE_TOKEN");
    req_r->idempotency_key = param(fcgi, "HTTP_IDEMPOTENCY_KEY");
    req_r->if_none_match = param(fcgi, "HTTP_IF_NONE_MATCH");
    req_r->sends_files = *param(fcgi, "SENDS_FILES") != 0;
    req_r->body_len = 0;
    req_r->body[0] = 0;

    const char *length = param(fcgi, "CONTENT_LENGTH");
    unsigned long long expected = strtoull(length, NULL, 10);
    req_r->too_large = expected > BODY_BYTES_MAX;
    while (expected > BODY_BYTES_MAX) {
        int n = expected - BODY_BYTES_MAX < BODY_BYTES_MAX ? (int)(expected - BODY_BYTES_MAX)
                                                           : BODY_BYTES_MAX;
        if (FCGX_GetStr(req_r->body, n, fcgi->in) != n) return E_CLIENT_GONE;
        expected -= (unsigned long long)n;
    }
    int got = expected ? FCGX_GetStr(req_r->body, (int)expected, fcgi->in) : 0;
    if (got < 0 || (unsigned long long)got != expected) return E_CLIENT_GONE;
    /* To the end of the stream, which nginx has sent with it: what is closed with something unread
     * is reset. */
    if (FCGX_GetChar(fcgi->in) != EOF) return E_CLIENT_GONE;
    req_r->body_len = (size_t)got;
    req_r->body[got] = 0;
    return E_OK;
}
