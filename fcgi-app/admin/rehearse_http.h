/* SPDX-License-Identifier: 0BSD */
/* Hundreds of thousands of kept HTTP connections in one process, without a thread: each asks one
 * thing at a time, and the answer comes by a function. One epoll and one wheel of timers. */
#ifndef BOXOFFICE_REHEARSE_HTTP_H
#define BOXOFFICE_REHEARSE_HTTP_H

#include "admin/probe.h"
#include "admin/rehearse_answer.h"
#include "admin/rehearse_seen.h"
#include "admin/rehearse_timer.h"
#include "base/strbuf.h"

#include <sys/socket.h>

struct target {
    struct url url;
    struct sockaddr_storage address;
    socklen_t address_len;
    bool loopback, many_sources; /* 127.0.0.0/8: clients may have addresses of their own */
    char host[160];              /* as the Host header has it */
};
/* Looks the host up. False with what went wrong in why_r. `localhost` is 127.0.0.1. */
bool target_find(const struct url *url, struct target *target_r, char *why_r,
                 size_t why_size) MUST_USE;

struct conn;
/* `answer` with status 0: there was `trouble` instead. Both are gone when it returns, and the
 * connection may be asked again in it. */
typedef void answered_fn(struct conn *c, const struct answer *answer, enum trouble trouble,
                         uint64_t took_us);

/* One client's connection. {0} and a source is one that is closed; it may not move in memory. */
struct conn {
    int fd; /* valid unless state is CONN_CLOSED */
    enum { CONN_CLOSED, CONN_WAITS, CONN_CONNECTS, CONN_SHAKES, CONN_TALKS, CONN_IDLE } state;
    uint32_t source; /* IPv4, host order; used where the target is loopback */
    bool watches_write;
    bool kept; /* it has answered before: a server may close it at any time */
    struct ssl_st *ssl;
    char *request;
    size_t request_len, sent;
    struct strbuf in;
    uint64_t asked_us, until_ms;
    struct timer timer;
    struct conn *older, *newer; /* among the idle ones */
    answered_fn *answered;
    void *owner; /* the asker's own */
};

/* One a process. `connections_max` are open at a time: past it the one that was idle longest is
 * closed for another; when none is, who asks waits. */
bool http_open(const struct target *target, size_t connections_max, struct seen *seen, char *why_r,
               size_t why_size) MUST_USE;
/* Waits for at most so long, and lets everything happen that is due. */
void http_turn(uint64_t wait_ms_max);
/* The time as of the last turn, monotonic; and the wheel that turns with it. */
uint64_t http_now_ms(void);
struct wheel *http_wheel(void);
size_t http_asking(void); /* how many wait for an answer */

/* Asks; nothing may be under way on it. `headers`: lines with CRLF. `body` may be NULL. */
void http_ask(struct conn *c, const char *method, const char *path, const char *headers,
              const char *body, answered_fn *answered);
bool http_busy(const struct conn *c);
/* Also in the middle of a request, whose answer is lost then. */
void http_close(struct conn *c);

#endif
