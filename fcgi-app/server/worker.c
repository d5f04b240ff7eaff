/* SPDX-License-Identifier: 0BSD */
/* The worker's loop. Connections are accepted here, not by libfcgi: its own accept misses a TERM
 * that comes just before it, and knows no time-outs.
 *
 * A writer has no timer: a batch is what came while the last one was at work. It never waits for a
 * lock that others of its kind wait for already: the requests of that domain are kept, and looked
 * at again when the next ones have been taken, so that a concert whose row is stuck keeps back its
 * own requests only. */
#include "server/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/req.h"
#include "http/resp.h"
#include "http/route.h"

#include <errno.h>
#include <fcgiapp.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_SMALL 16384
#define IDLE_TRANSACTION_S 3 /* a frozen worker's locks are let go after so long */
#define KEPT_MS_MAX 4000     /* a request of a domain that gets no turn is BUSY then */
#define KEPT_MS_FULL_MAX 500 /* when the writer has taken as many as it can keep */
#define KEPT_BATCHES 4       /* that many batches */
#define FROZEN_MS 6000 /* a writer that has not turned for so long has no transaction any more */
#define TURN_MS 1      /* how often a writer looks for a turn */

static volatile sig_atomic_t stop;

static void on_term(int signal) {
    (void)signal;
    stop = 1;
}

/* A request from its connection on until its answer has been sent. */
struct job {
    FCGX_Request fcgi;
    struct req req;
    struct resp resp;
    struct call call;
    uint64_t began_ns;
    int fd;
};

struct pool_of_jobs {
    struct job *job;
    struct job **free; /* those at rest */
    struct job **kept; /* those whose write is to be run, in order of arrival */
    size_t size, free_count, kept_count;
    uint64_t stuck; /* the domain that the last group waited for in vain: others go first */
};

/* The next connection; -1: none this time. Under load one is there already, which `eager` tries
 * first; otherwise it is waited for, and TERM is let in only there. */
static int next_connection(int epoll_fd, int listen_fd, const sigset_t *waiting_mask, bool eager,
                           int wait_ms) {
    struct epoll_event event;
    int fd = eager ? accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC) : -1;
    if (fd >= 0) return fd;
    if (epoll_pwait(epoll_fd, &event, 1, wait_ms, waiting_mask) <= 0) return -1;
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
static void log_answer(const struct call *call, enum err e, uint64_t took_us) {
    bool slow = took_us > call->conf->slow_request_ms * 1000;
    enum log_level level = slow || err_status(e) >= 500 ? LOG_L_WARNING
                           : e                          ? LOG_L_INFO
                                                        : LOG_L_DEBUG;
    if (!log_wants(level)) return;
    const struct req *req = call->req;
    size_t route = route_number(call);
    char status[16], took[32], statements[600];
    snprintf(status, sizeof status, "%d", e == E_CLIENT_GONE ? 499 : call->resp->status);
    snprintf(took, sizeof took, "%" PRIu64, took_us);
    db_ran(call->db, statements, sizeof statements);
    const struct log_field fields[] = {
        {"METHOD", req->method}, {"ROUTE", route < route_count() ? route_name(route) : "none"},
        {"STATUS", status},      {"CODE", err_name(e)},
        {"TIME_US", took},       {"STATEMENTS", statements}};
    log_event(level, fields, sizeof fields / sizeof *fields, "%s %.1000s %s %s %s us%s%s",
              req->method, req->path, status, err_name(e), took, slow ? ", slow: " : "",
              slow ? statements : "");
}

/* Says the answer and lets the connection go. The descriptor is closed here: libfcgi would wait for
 * the peer to close first, and leaves it open for one that asked to keep the connection. */
static void end_job(struct pool_of_jobs *pool, struct job *job, enum err e,
                    const struct worker *w) {
    log_request(job->req.request_id);
    if (e != E_CLIENT_GONE) send_answer(&job->fcgi, &job->resp, w->conf->client_timeout_ms);
    uint64_t took_us = (clock_mono_ns() - job->began_ns) / 1000;
    stats_request(w->slot, route_number(&job->call), e, took_us);
    log_answer(&job->call, e, took_us);
    log_request(NULL);
    job->fcgi.keepConnection = 1;
    FCGX_Finish_r(&job->fcgi);
    close(job->fd);
    job->fcgi.ipcFd = -1;
    pool->free[pool->free_count++] = job;
}

/* Takes a connection in: what needs no group is answered at once. */
static void begin_job(struct pool_of_jobs *pool, int fd, struct db *db, const struct worker *w) {
    struct job *job = pool->free[--pool->free_count];
    enum err e;
    job->began_ns = clock_mono_ns();
    job->fd = fd;
    set_timeout(fd, SO_RCVTIMEO, w->conf->client_timeout_ms);
    job->fcgi.ipcFd = fd;
    job->fcgi.keepConnection = 1; /* else FCGX_Accept_r would close our fd */
    if (FCGX_Accept_r(&job->fcgi) < 0) {
        close(fd);
        pool->free[pool->free_count++] = job;
        return;
    }
    job->call = (struct call){.req = &job->req,
                              .resp = &job->resp,
                              .db = db,
                              .conf = w->conf,
                              .board = w->board,
                              .stats = w->stats,
                              .keys = w->keys};
    e = req_read(&job->fcgi, &job->req);
    log_request(job->req.request_id);
    snprintf(w->slot->request_id, sizeof w->slot->request_id, "%s", job->req.request_id);
    atomic_store_explicit(&w->slot->busy_since_ms, job->began_ns / 1000000, memory_order_relaxed);
    if (!e) {
        db_begin(db, fd);
        if (route_begin(&job->call, &e)) {
            pool->kept[pool->kept_count++] = job;
            return;
        }
    }
    end_job(pool, job, e, w);
}

/* nginx closes its side when its client has left: work would only keep others waiting. */
static bool client_left(const struct job *job) {
    struct pollfd look = {.fd = job->fd, .events = POLLRDHUP};
    return poll(&look, 1, 0) > 0 && look.revents;
}

/* Says which domain this writer is about to be in, then looks who else is: two that look first
 * would both go in. Whether so many writers of this host are in a transaction of that domain
 * already that another would be one too many: half of them at most (two of three: one waits for the
 * lock while the other is at work), so that the others are there for other concerts. */
static bool has_no_turn(const struct worker *w, uint64_t domain) {
    const struct stats *stats = w->stats;
    uint64_t in = 0, share = (stats->writers + 1) / 2;
    if (!domain || !w->writer) return false;
    atomic_store(&w->slot->domain, domain);
    for (uint64_t i = stats->workers - stats->writers; i < stats->workers; i++)
        in += &stats->worker[i] != w->slot && atomic_load(&stats->worker[i].domain) == domain &&
              clock_mono_ms() < stats_get(&stats->worker[i].turned_ms) + FROZEN_MS;
    if (in < share) return false;
    atomic_store(&w->slot->domain, 0);
    return true;
}

/* One that has no turn is kept for a while; not so long where there is no room for others. Then it
 * is BUSY. */
static bool is_kept_on(struct pool_of_jobs *pool, struct job *job, const struct worker *w) {
    uint64_t most_ms = pool->free_count ? KEPT_MS_MAX : KEPT_MS_FULL_MAX;
    enum err e;
    if (clock_mono_ns() - job->began_ns < most_ms * UINT64_C(1000000)) return true;
    job->call.write.outcome = E_BUSY;
    route_end(&job->call, &e);
    end_job(pool, job, e, w);
    return false;
}

static bool belongs(struct job *const *group, size_t n, const struct job *job, size_t most) {
    bool fits = n < most && batch_together(&group[0]->call.write, &job->call.write);
    for (size_t i = 1; i < n && fits; i++)
        fits = !user_id_equal(group[i]->call.write.user, job->call.write.user);
    return fits;
}

/* The first of those kept that has a turn and is not of the domain to avoid, and those behind it
 * that belong to it; they leave the list, as do those whose client has left. */
static size_t take_group(struct pool_of_jobs *pool, const struct worker *w, uint64_t avoid,
                         struct job **group_r) {
    size_t n = 0, rest = 0;
    uint64_t no_turn = 0;
    for (size_t i = 0; i < pool->kept_count; i++) {
        struct job *job = pool->kept[i];
        uint64_t domain = batch_domain(&job->call.write);
        bool stays = n > 0 ? !belongs(group_r, n, job, w->conf->batch_max)
                           : domain && (domain == avoid || domain == no_turn);
        if (!stays && client_left(job)) {
            end_job(pool, job, E_CLIENT_GONE, w);
        } else if (!stays && n == 0 && has_no_turn(w, domain)) {
            no_turn = domain;
            if (is_kept_on(pool, job, w)) pool->kept[rest++] = job;
        } else if (stays) {
            pool->kept[rest++] = job;
        } else {
            group_r[n++] = job;
        }
    }
    pool->kept_count = rest;
    return n;
}

/* A domain that the last group waited for in vain comes last. */
static size_t next_group(struct pool_of_jobs *pool, const struct worker *w, struct job **group_r) {
    size_t n = pool->stuck ? take_group(pool, w, pool->stuck, group_r) : 0;
    return n ? n : take_group(pool, w, 0, group_r);
}

/* Runs what is kept, group by group, as far as there is a turn. */
static void run_kept(struct pool_of_jobs *pool, struct db *db, const struct worker *w) {
    struct job *group[BATCH_MAX];
    struct batch_request *write[BATCH_MAX];
    for (size_t n; (n = next_group(pool, w, group)) > 0;) {
        for (size_t i = 0; i < n; i++) write[i] = &group[i]->call.write;
        db_begin(db, -1);
        batch_run(db, w->conf, write, n, pool->kept_count > 0);
        uint64_t domain = batch_domain(write[0]);
        if (write[0]->outcome == E_BUSY)
            pool->stuck = domain;
        else if (pool->stuck == domain)
            pool->stuck = 0;
        atomic_store(&w->slot->domain, 0);
        stats_add(&w->slot->batches, 1);
        stats_add(&w->slot->batched, n);
        for (size_t i = 0; i < n; i++) {
            enum err e;
            route_end(&group[i]->call, &e);
            end_job(pool, group[i], e, w);
        }
        atomic_store_explicit(&w->slot->turned_ms, clock_mono_ms(), memory_order_relaxed);
    }
}

static bool make_jobs(struct pool_of_jobs *pool, size_t size) {
    pool->size = size;
    pool->job = calloc(size, sizeof *pool->job);
    pool->free = calloc(size, sizeof *pool->free);
    pool->kept = calloc(size, sizeof *pool->kept);
    if (!pool->job || !pool->free || !pool->kept) return false;
    for (size_t i = size; i-- > 0;) {
        FCGX_InitRequest(&pool->job[i].fcgi, -1, 0);
        pool->free[pool->free_count++] = &pool->job[i];
    }
    return true;
}

static void free_jobs(struct pool_of_jobs *pool) {
    for (size_t i = 0; pool->job && i < pool->size; i++) resp_free(&pool->job[i].resp);
    free(pool->job);
    free(pool->free);
    free(pool->kept);
}

static void set_signals(sigset_t *waiting_r) {
    sigset_t blocked;
    struct sigaction term = {.sa_handler = on_term}, ignore = {.sa_handler = SIG_IGN};
    sigfillset(&blocked);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    sigemptyset(waiting_r);
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGINT, &ignore, NULL); /* a terminal's Ctrl-C is for the master */
    sigaction(SIGHUP, &ignore, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGUSR1, &ignore, NULL);
}

/* How many requests until it leaves. */
static uint64_t share_of(const struct conf *conf) {
    uint16_t jitter;
    ids_random(&jitter, sizeof jitter);
    return conf->max_requests ? conf->max_requests + conf->max_requests * jitter / 65536 / 10
                              : UINT64_MAX;
}

static void serve(struct pool_of_jobs *pool, int epoll_fd, const sigset_t *waiting, struct db *db,
                  const struct worker *w) {
    uint64_t share = share_of(w->conf);
    while (pool->kept_count || (!stop && !stats_get(&w->slot->leave) && share > 0)) {
        atomic_store_explicit(&w->slot->turned_ms, clock_mono_ms(), memory_order_relaxed);
        bool leaving = stop || stats_get(&w->slot->leave) || share == 0;
        int wait_ms = pool->kept_count ? TURN_MS : 1000;
        /* Now and then not eager: a worker whose master was killed is told by TERM alone. */
        int fd = leaving || pool->free_count == 0
                     ? -1
                     : next_connection(epoll_fd, w->listen_fd, waiting, share % 64 != 0, wait_ms);
        if (fd < 0 && (leaving || pool->free_count == 0) && pool->kept_count)
            clock_sleep_ms(TURN_MS);
        while (fd >= 0) {
            begin_job(pool, fd, db, w);
            share -= share > 0;
            bool more = w->writer && share > 0 && pool->free_count;
            fd = more ? accept4(w->listen_fd, NULL, NULL, SOCK_CLOEXEC) : -1;
        }
        run_kept(pool, db, w);
        if (!pool->kept_count)
            atomic_store_explicit(&w->slot->busy_since_ms, 0, memory_order_relaxed);
    }
}

int worker_run(const struct worker *w) {
    struct pool_of_jobs pool = {0};
    sigset_t waiting;
    struct db *db = db_new(w->conf);
    if (!db) return 1;
    db_count_in(db, &w->slot->database);
    db_limit_idle(db, IDLE_TRANSACTION_S);
    atomic_store(&w->slot->started_ms, clock_mono_ms());
    FCGX_Init();
    set_signals(&waiting); /* after FCGX_Init, which has its own ideas of signals */
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE}; /* one wakes, not all */
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, w->listen_fd, &event) ||
        !make_jobs(&pool, w->writer ? w->conf->batch_max * KEPT_BATCHES : 1)) {
        log_line(LOG_L_ERROR, "epoll: %s", strerror(errno));
        free_jobs(&pool);
        return 1;
    }
    serve(&pool, epoll_fd, &waiting, db, w);
    free_jobs(&pool);
    db_free(db);
    close(epoll_fd);
    return 0;
}
