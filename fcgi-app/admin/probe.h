/* SPDX-License-Identifier: 0BSD */
/* Asking the way a client does: the workers over FastCGI, nginx over HTTP and HTTPS. For
 * `boxofficectl check`. */
#ifndef BOXOFFICE_PROBE_H
#define BOXOFFICE_PROBE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_TIMEOUT_S 5

struct url {
    bool tls;
    char host[128];
    char port[6];
};
/* `http://host[:port]` or https; what follows a slash is not looked at. */
bool url_parse(const char *text, struct url *url_r) MUST_USE;

/* Whether something listens there. */
bool probe_connect(const struct url *url) MUST_USE;

/* GET path. The HTTP status with the body (NUL-terminated, in malloc'd memory), or -errno, -EPROTO
 * for an answer that is none. */
int probe_fcgi(const char *socket_path, const char *path, char **body_r) MUST_USE;

/* One HTTP request on a connection of its own. The server's certificate is not verified: a machine
 * is seldom called by its public name from within. */
struct probe {
    int fd;
    struct ssl_ctx_st *ctx;
    struct ssl_st *ssl;    /* NULL: plain */
    int64_t certificate_s; /* until the certificate ends */
};
/* Sends it. `headers`: lines with CRLF. False with what went wrong in why_r. To be closed in any
 * case. */
bool probe_send(struct probe *p_r, const struct url *url, const char *method, const char *path,
                const char *headers, char *why_r, size_t why_size) MUST_USE;
/* Waits for the answer: its HTTP status, or -1 with what went wrong. */
int probe_status(struct probe *p, char *why_r, size_t why_size) MUST_USE;
void probe_close(struct probe *p);

#endif
