/* SPDX-License-Identifier: 0BSD */
/* Many HTTP clients in one epoll. */
#include "admin/rehearse_http.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ANSWER_MS_MAX 30000 /* as a browser with little patience */
#define WAIT_FOR_SOCKET_MS 40
#define EVENTS_MAX 512
#define READ_BYTES 65536

static struct {
    const struct target *target;
    struct seen *seen;
    SSL_CTX *tls;
    int epoll;
    size_t open, open_max, asking;
    uint64_t now_ms;
    struct conn *oldest, *newest; /* of those that are idle */
    struct wheel wheel;
} http;

/* --- the target --- */

static bool is_loopback(const struct sockaddr_storage *a, bool *v4_r) {
    *v4_r = a->ss_family == AF_INET;
    if (*v4_r) return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

bool target_find(const struct url *url, struct target *t_r, char *why_r, size_t why_size) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    const char *host = strcmp(url->host, "localhost") == 0 ? "127.0.0.1" : url->host;
    *t_r = (struct target){.url = *url};
    int bad = getaddrinfo(host, url->port, &hints, &list);
    if (bad) {
        snprintf(why_r, why_size, "%s: %s", url->host, gai_strerror(bad));
        return false;
    }
    memcpy(&t_r->address, list->ai_addr, list->ai_addrlen);
    t_r->address_len = list->ai_addrlen;
    freeaddrinfo(list);
    t_r->loopback = is_loopback(&t_r->address, &t_r->many_sources);
    t_r->many_sources &= t_r->loopback;
    bool v6 = strchr(url->host, ':') != NULL;
    snprintf(t_r->host, sizeof t_r->host, "%s%s%s:%s", v6 ? "[" : "", url->host, v6 ? "]" : "",
             url->port);
    return true;
}

bool http_open(const struct target *target, size_t connections_max, struct seen *seen, char *why_r,
               size_t why_size) {
    assert(connections_max > 0);
    http.target = target;
    http.seen = seen;
    http.open_max = connections_max;
    http.now_ms = clock_mono_ms();
    wheel_init(&http.wheel, http.now_ms);
    http.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (target->url.tls) {
        http.tls = SSL_CTX_new(TLS_client_method());
        /* Hundreds of thousands of them: an idle one keeps no buffers. */
        if (http.tls) SSL_CTX_set_mode(http.tls, SSL_MODE_RELEASE_BUFFERS);
    }
    if (http.epoll >= 0 && (http.tls || !target->url.tls)) return true;
    snprintf(why_r, why_size, "no epoll or no TLS to be had: %s", strerror(errno));
    return false;
}

uint64_t http_now_ms(void) { return http.now_ms; }

struct wheel *http_wheel(void) {
    return &http.wheel;
}

size_t http_asking(void) { return http.asking; }

/* --- connections --- */

static void idle_leave(struct conn *c) {
    *(c->older ? &c->older->newer : &http.oldest) = c->newer;
    *(c->newer ? &c->newer->older : &http.newest) = c->older;
    c->older = c->newer = NULL;
}

static void idle_join(struct conn *c) {
    c->state = CONN_IDLE;
    c->newer = NULL;
    c->older = http.newest;
    *(http.newest ? &http.newest->newer : &http.oldest) = c;
    http.newest = c;
}

static void hang_up(struct conn *c) {
    if (c->state == CONN_IDLE) idle_leave(c);
    if (c->state != CONN_CLOSED && c->state != CONN_WAITS) {
        SSL_free(c->ssl);
        close(c->fd);
        http.open--;
    }
    c->ssl = NULL;
    c->state = CONN_CLOSED;
    c->kept = false;
    c->sent = 0;
    strbuf_free(&c->in);
}

static void forget_request(struct conn *c) {
    if (c->request) http.asking--;
    free(c->request);
    c->request = NULL;
    timer_stop(&c->timer);
}

bool http_busy(const struct conn *c) { return c->request != NULL; }

void http_close(struct conn *c) {
    forget_request(c);
    hang_up(c);
}

static void troubled(struct conn *c, enum trouble trouble) {
    static const struct answer none = {.body = ""};
    answered_fn *answered = c->answered;
    uint64_t took_us = clock_mono_ns() / 1000 - c->asked_us;
    http_close(c);
    answered(c, &none, trouble, took_us);
}

static void open_or_wait(struct timer *t);
static void go_on(struct conn *c);

/* What was sent on a kept connection that the server was just closing is sent again, once: no byte
 * of an answer has come, and all that writes bears a key. */
static void broken(struct conn *c) {
    bool again = c->kept && c->in.len == 0;
    enum trouble trouble = c->state == CONN_CONNECTS ? TROUBLE_CONNECT : TROUBLE_CLOSED;
    if (!again) {
        troubled(c, trouble);
        return;
    }
    hang_up(c);
    open_or_wait(&c->timer);
}

static void watch(struct conn *c, bool writes, int how) {
    if (how == EPOLL_CTL_MOD && writes == c->watches_write) return;
    c->watches_write = writes;
    struct epoll_event e = {.events = EPOLLIN | (writes ? EPOLLOUT : 0u), .data.ptr = c};
    epoll_ctl(http.epoll, how, c->fd, &e);
}

static bool come_from(struct conn *c) {
    int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(c->source)};
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!http.target->many_sources || !c->source) return true;
    /* The port is chosen at connecting, when the other end is known: else there would be as many
     * connections as ports. */
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    return bind(c->fd, (struct sockaddr *)&from, sizeof from) == 0;
}

static void took_too_long(struct timer *t) {
    troubled((struct conn *)((char *)t - offsetof(struct conn, timer)), TROUBLE_TIMEOUT);
}

static void open_or_wait(struct timer *t) {
    struct conn *c = (struct conn *)((char *)t - offsetof(struct conn, timer));
    if (http.now_ms >= c->until_ms) {
        troubled(c, TROUBLE_TIMEOUT);
        return;
    }
    if (http.open >= http.open_max && http.oldest) hang_up(http.oldest);
    c->fd = http.open < http.open_max ? socket(http.target->address.ss_family,
                                               SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
                                      : -1;
    if (c->fd < 0) {
        http.seen->short_of_sockets++;
        c->state = CONN_WAITS;
        timer_set(&http.wheel, &c->timer, http.now_ms + WAIT_FOR_SOCKET_MS, open_or_wait);
        return;
    }
    http.open++;
    c->state = CONN_CONNECTS;
    timer_set(&http.wheel, &c->timer, c->until_ms, took_too_long);
    bool ok = come_from(c);
    ok = ok && (connect(c->fd, (const struct sockaddr *)&http.target->address,
                        http.target->address_len) == 0 ||
                errno == EINPROGRESS);
    if (!ok) {
        troubled(c, TROUBLE_CONNECT);
        return;
    }
    watch(c, true, EPOLL_CTL_ADD);
}

void http_ask(struct conn *c, const char *method, const char *path, const char *headers,
              const char *body, answered_fn *answered) {
    assert(!c->request);
    int n = asprintf(&c->request, "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s%s", method, path,
                     http.target->host, headers, body ? "" : "\r\n", "");
    if (n >= 0 && body) {
        char *head = c->request;
        n = asprintf(&c->request,
                     "%sContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", head,
                     strlen(body), body);
        free(head);
    }
    if (n < 0) abort(); /* no memory */
    http.asking++;
    c->request_len = (size_t)n;
    c->sent = 0;
    c->answered = answered;
    c->asked_us = clock_mono_ns() / 1000;
    c->until_ms = http.now_ms + ANSWER_MS_MAX;
    if (c->state == CONN_IDLE) {
        idle_leave(c);
        c->state = CONN_TALKS;
        timer_set(&http.wheel, &c->timer, c->until_ms, took_too_long);
        go_on(c);
        return;
    }
    open_or_wait(&c->timer);
}

/* --- bytes --- */

enum flow { FLOW_MOVED, FLOW_WAITS, FLOW_ENDED };

static enum flow tls_flow(struct conn *c, int n) {
    int why = SSL_get_error(c->ssl, n);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? FLOW_WAITS : FLOW_ENDED;
}

static enum flow send_some(struct conn *c) {
    const char *from = c->request + c->sent;
    size_t left = c->request_len - c->sent;
    ssize_t n = c->ssl ? SSL_write(c->ssl, from, (int)left) : send(c->fd, from, left, MSG_NOSIGNAL);
    if (n > 0) {
        c->sent += (size_t)n;
        return FLOW_MOVED;
    }
    if (c->ssl) return tls_flow(c, (int)n);
    return errno == EAGAIN || errno == EINTR ? FLOW_WAITS : FLOW_ENDED;
}

static enum flow read_some(struct conn *c) {
    char *room = strbuf_room(&c->in, READ_BYTES);
    ssize_t n = c->ssl ? SSL_read(c->ssl, room, READ_BYTES) : recv(c->fd, room, READ_BYTES, 0);
    if (n > 0) {
        c->in.len += (size_t)n;
        return FLOW_MOVED;
    }
    if (c->ssl) return tls_flow(c, (int)n);
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? FLOW_WAITS : FLOW_ENDED;
}

static void shake(struct conn *c) {
    if (!c->ssl) {
        c->ssl = SSL_new(http.tls);
        if (!c->ssl || !SSL_set_fd(c->ssl, c->fd) ||
            !SSL_set_tlsext_host_name(c->ssl, http.target->url.host)) {
            troubled(c, TROUBLE_CONNECT);
            return;
        }
    }
    int n = SSL_connect(c->ssl);
    if (n == 1) {
        c->state = CONN_TALKS;
        go_on(c);
    } else if (tls_flow(c, n) == FLOW_ENDED) {
        troubled(c, TROUBLE_CONNECT);
    } else {
        watch(c, SSL_want_write(c->ssl), EPOLL_CTL_MOD);
    }
}

/* The bytes go to whoever asked, and only then away. */
static void deliver(struct conn *c, const struct answer *a) {
    uint64_t took_us = clock_mono_ns() / 1000 - c->asked_us;
    struct strbuf in = c->in;
    c->in = (struct strbuf){0};
    forget_request(c);
    if (a->closes) {
        hang_up(c);
    } else {
        c->kept = true;
        idle_join(c);
    }
    c->answered(c, a, TROUBLE_NONE, took_us);
    strbuf_free(&in);
}

static void read_on(struct conn *c) {
    struct answer a;
    enum flow flow = read_some(c);
    if (flow == FLOW_WAITS) return;
    if (flow == FLOW_ENDED && c->in.len == 0) {
        broken(c);
        return;
    }
    switch (answer_read(c->in.bytes, c->in.len, flow == FLOW_ENDED, &a)) {
    case ANSWER_PART: /* of TLS there may be more that epoll does not know of */
        if (c->ssl && SSL_pending(c->ssl) > 0) read_on(c);
        return;
    case ANSWER_BROKEN: troubled(c, flow == FLOW_ENDED ? TROUBLE_CLOSED : TROUBLE_ODD); return;
    case ANSWER_WHOLE: a.closes |= flow == FLOW_ENDED; deliver(c, &a);
    }
}

/* Sends what is left, then reads. */
static void go_on(struct conn *c) {
    bool waited = false;
    while (c->sent < c->request_len && !waited) {
        enum flow flow = send_some(c);
        if (flow == FLOW_ENDED) {
            broken(c);
            return;
        }
        waited = flow == FLOW_WAITS;
    }
    watch(c, waited, EPOLL_CTL_MOD);
}

static void happened(struct conn *c, uint32_t what) {
    int error = 0;
    socklen_t len = sizeof error;
    switch (c->state) {
    case CONN_CONNECTS:
        /* What was there of the one before it, in the same turn. */
        if (!(what & (EPOLLOUT | EPOLLERR | EPOLLHUP))) return;
        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) || error) {
            broken(c);
            return;
        }
        c->state = http.tls ? CONN_SHAKES : CONN_TALKS;
        if (http.tls)
            shake(c);
        else
            go_on(c);
        return;
    case CONN_SHAKES: shake(c); return;
    case CONN_TALKS:
        if (c->sent < c->request_len)
            go_on(c);
        else
            read_on(c);
        return;
    case CONN_IDLE: hang_up(c); return; /* the server has had enough of it */
    case CONN_CLOSED:
    case CONN_WAITS: return; /* closed by what happened to another in the same turn */
    }
}

void http_turn(uint64_t wait_ms_max) {
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(http.epoll, events, EVENTS_MAX, (int)wait_ms_max);
    uint64_t began_us = clock_mono_ns() / 1000;
    http.now_ms = began_us / 1000;
    for (int i = 0; i < n; i++) happened(events[i].data.ptr, events[i].events);
    http.now_ms = clock_mono_ms();
    wheel_turn(&http.wheel, http.now_ms);
    /* What came meanwhile has waited, and its time says so. */
    hist_add(&http.seen->turn_us, clock_mono_ns() / 1000 - began_us);
}
