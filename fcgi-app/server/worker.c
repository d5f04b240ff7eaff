/* The worker's loop. Connections are accepted here, not by libfcgi: its own accept misses a TERM that comes
 * just before it, and knows no time-outs. */
#include "server/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/req.h"
#include "http/resp.h"
#include "http/route.h"

#include <errno.h>
#include <fcgiapp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_SMALL 16384

static volatile sig_atomic_t stop;

static void on_term(int signal) {
    (void)signal;
    stop = 1;
}

/* The next connection; -1: none this time. Under load one is there already, which `eager` tries first;
 * otherwise it is waited for, and TERM is let in only there. */
static int next_connection(int epoll_fd, int listen_fd, const sigset_t *waiting_mask, bool eager) {
    struct epoll_event event;
    int fd = eager ? accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC) : -1;
    if (fd >= 0) return fd;
    if (epoll_pwait(epoll_fd, &event, 1, 1000, waiting_mask) <= 0) return -1;
    return accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
}

static void set_timeout(int fd, int which, uint64_t ms) {
    struct timeval t = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    setsockopt(fd, SOL_SOCKET, which, &t, sizeof t);
}

static void send_answer(FCGX_Request *fcgi, const struct resp *resp, uint64_t timeout_ms) {
    char head[512];
    /* A small answer fits the socket's buffer whole and never waits. */
    if (resp->body_len > ANSWER_SMALL) set_timeout(fcgi->ipcFd, SO_SNDTIMEO, timeout_ms);
    size_t n = resp_head(resp, head, sizeof head);
    FCGX_PutStr(head, (int)n, fcgi->out);
    if (resp->body_len && !resp->head) FCGX_PutStr(resp->body, (int)resp->body_len, fcgi->out);
}

/* Never the query, a header or a body: they may hold secrets. */
static void log_answer(const struct call *call, size_t route, enum err e, uint64_t took_us) {
    bool slow = took_us > call->conf->slow_request_ms * 1000;
    enum log_level level = slow || err_status(e) >= 500 ? LOG_L_WARNING : e ? LOG_L_INFO : LOG_L_DEBUG;
    if (!log_wants(level)) return;
    const struct req *req = call->req;
    char status[16], took[32], statements[600];
    snprintf(status, sizeof status, "%d", e == E_CLIENT_GONE ? 499 : call->resp->status);
    snprintf(took, sizeof took, "%" PRIu64, took_us);
    db_ran(call->db, statements, sizeof statements);
    const struct log_field fields[] = {{"METHOD", req->method}, {"ROUTE", route < route_count() ? route_name(route) : "none"}, {"STATUS", status},
                                       {"CODE", err_name(e)},   {"TIME_US", took},          {"STATEMENTS", statements}};
    log_event(level, fields, sizeof fields / sizeof *fields, "%s %.1000s %s %s %s us%s%s", req->method, req->path, status, err_name(e), took,
              slow ? ", slow: " : "", slow ? statements : "");
}

static void answer(FCGX_Request *fcgi, struct call *call, struct req *req, const struct worker *w) {
    uint64_t began_ns = clock_mono_ns();
    enum err e = req_read(fcgi, req);
    size_t route = ROUTES_MAX;
    log_request(req->request_id);
    snprintf(w->slot->request_id, sizeof w->slot->request_id, "%s", req->request_id);
    atomic_store_explicit(&w->slot->busy_since_ms, began_ns / 1000000, memory_order_relaxed);
    if (!e) {
        db_begin(call->db, fcgi->ipcFd);
        route = route_answer(call, &e);
    }
    if (e != E_CLIENT_GONE) send_answer(fcgi, call->resp, w->conf->client_timeout_ms);
    uint64_t took_us = (clock_mono_ns() - began_ns) / 1000;
    stats_request(w->slot, route, e, took_us);
    log_answer(call, route, e, took_us);
}

int worker_run(const struct worker *w) {
    static struct req req; /* large */
    struct resp resp = {0};
    FCGX_Request fcgi;
    sigset_t blocked, waiting;
    struct db *db = db_new(w->conf);
    if (!db) return 1;
    db_count_in(db, &w->slot->database);
    atomic_store(&w->slot->started_ms, clock_mono_ms());

    sigfillset(&blocked);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    sigemptyset(&waiting);
    FCGX_Init();
    FCGX_InitRequest(&fcgi, -1, 0);
    /* After FCGX_Init, which has its own ideas of signals. */
    struct sigaction term = {.sa_handler = on_term}, ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGINT, &ignore, NULL); /* a terminal's Ctrl-C is for the master */
    sigaction(SIGHUP, &ignore, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGUSR1, &ignore, NULL);

    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE}; /* one wakes, not all */
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, w->listen_fd, &event)) {
        log_line(LOG_L_ERROR, "epoll: %s", strerror(errno));
        return 1;
    }
    uint16_t jitter;
    ids_random(&jitter, sizeof jitter);
    uint64_t share = w->conf->max_requests ? w->conf->max_requests + w->conf->max_requests * jitter / 65536 / 10 : UINT64_MAX;

    while (!stop && !stats_get(&w->slot->leave) && share > 0) {
        atomic_store_explicit(&w->slot->turned_ms, clock_mono_ms(), memory_order_relaxed);
        /* Now and then not: a worker whose master was killed is told by TERM alone. */
        int fd = next_connection(epoll_fd, w->listen_fd, &waiting, share % 64 != 0);
        if (fd < 0) continue;
        set_timeout(fd, SO_RCVTIMEO, w->conf->client_timeout_ms);
        fcgi.ipcFd = fd;
        fcgi.keepConnection = 1; /* else FCGX_Accept_r would close our fd */
        if (FCGX_Accept_r(&fcgi) < 0) continue;
        struct call call = {.req = &req, .resp = &resp, .db = db, .conf = w->conf, .board = w->board, .stats = w->stats, .keys = w->keys};
        answer(&fcgi, &call, &req, w);
        FCGX_Finish_r(&fcgi);
        log_request(NULL);
        atomic_store_explicit(&w->slot->busy_since_ms, 0, memory_order_relaxed);
        share--;
    }
    resp_free(&resp);
    db_free(db);
    close(epoll_fd);
    return 0;
}
