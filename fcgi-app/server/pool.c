/* SPDX-License-Identifier: 0BSD */
/* The master process. */
#include "server/pool.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/proctitle.h"
#include "board/board.h"
#include "board/stats.h"
#include "server/notify.h"
#include "server/ticker.h"
#include "server/worker.h"
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_MS_MAX 5000
#define LISTEN_FDS_START 3 /* sd_listen_fds(3) */

/* A child's place: one for the ticker (the first), one for each worker: those that read, then those
 * that write. */
struct seat_of_child {
    pid_t pid; /* 0: to be started at start_ms */
    uint64_t start_ms, started_ms, backoff_ms;
    bool asked; /* told to leave: not a failure */
};

struct pool {
    struct conf *conf;
    struct token_keys *keys;
    const char *config_path;
    struct board *board;
    struct stats *stats;
    int readers_fd, writers_fd;
    bool own_readers_socket, own_writers_socket;
    size_t children, readers;
    struct seat_of_child *child;
    size_t
        reloading; /* next child to be replaced by a reload; above `children` when there is none */
    bool ready;    /* a worker has been at work: the service manager knows */
    uint64_t status_serving, watchdog_ms, fed_ms;
    sigset_t signals, before;
};

/* The first is for those that read, the second for those that write. -1: there is none. */
static int inherited_socket(int number) {
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    int fd = LISTEN_FDS_START + number;
    int listens;
    socklen_t size = sizeof listens;
    if (!pid || !fds || strtol(pid, NULL, 10) != getpid() || strtol(fds, NULL, 10) <= number)
        return -1;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) || !listens) {
        log_line(LOG_L_WARNING,
                 "LISTEN_FDS is set, but descriptor %d is no listening socket: making one", fd);
        return -1;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

/* A socket file that nobody listens on is left from a process that was killed. */
static int bind_socket(const struct conf *conf, const char *name, const char *path) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof at.sun_path) {
        log_line(LOG_L_ERROR, "%s %s is longer than %zu characters", name, path,
                 sizeof at.sun_path - 1);
        return -1;
    }
    strcpy(at.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0 || errno == EAGAIN) {
        log_line(LOG_L_ERROR, "%s %s is in use: is another boxoffice-fcgi running?", name, path);
        close(fd);
        return -1;
    }
    close(fd);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    unlink(path);
    mode_t mask = umask(0117); /* for owner and group: nginx is to be in the group */
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
              listen(fd, (int)conf->listen_backlog) == 0;
    umask(mask);
    if (!ok) {
        log_line(LOG_L_ERROR, "%s %s: %s", name, path, strerror(errno));
        if (fd >= 0) close(fd);
        return -1;
    }
    return fd;
}

static const char *child_name(const struct pool *p, size_t i) {
    return i == 0 ? "ticker" : i <= p->readers ? "worker" : "writer";
}

static stats_count *pid_count(struct pool *p, size_t i) {
    return i ? &p->stats->worker[i - 1].pid : &p->stats->ticker_pid;
}

static stats_count *turned_count(struct pool *p, size_t i) {
    return i ? &p->stats->worker[i - 1].turned_ms : &p->stats->ticker_turned_ms;
}

/* Started, and not to leave. */
static bool at_work(struct pool *p, size_t i) {
    return p->child[i].pid && !p->child[i].asked && stats_get(turned_count(p, i));
}

static void start_child(struct pool *p, size_t i) {
    struct seat_of_child *c = &p->child[i];
    pid_t master = getpid();
    if (i) atomic_store(&p->stats->worker[i - 1].leave, 0);
    pid_t pid = fork();
    if (pid < 0) {
        log_line(LOG_L_ERROR, "fork: %s", strerror(errno));
        c->start_ms = clock_mono_ms() + BACKOFF_MS_MAX;
        return;
    }
    if (pid == 0) {
        /* Without a master there is nobody to replace or drain this one: leave with it. */
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != master) _exit(0);
        sigprocmask(SIG_SETMASK, &p->before, NULL);
        char title[64] = "ticker";
        bool writer = i > p->readers;
        if (i && !writer) snprintf(title, sizeof title, "worker %zu of %zu workers", i, p->readers);
        if (writer)
            snprintf(title, sizeof title, "writer %zu of %zu writers", i - p->readers,
                     p->children - 1 - p->readers);
        proctitle_set(title);
        log_init(writer ? "writer" : i ? "worker" : "ticker", (int)p->conf->log_level);
        struct worker w = {.conf = p->conf,
                           .keys = p->keys,
                           .board = p->board,
                           .stats = p->stats,
                           .writer = writer,
                           .listen_fd = writer ? p->writers_fd : p->readers_fd};
        if (i) w.slot = &p->stats->worker[i - 1];
        exit(i ? worker_run(&w) : ticker_run(p->conf, p->board, p->stats));
    }
    c->pid = pid;
    c->asked = false;
    c->started_ms = clock_mono_ms();
    atomic_store(pid_count(p, i), (uint64_t)pid);
}

static void child_ended(struct pool *p, size_t i, int status) {
    struct seat_of_child *c = &p->child[i];
    uint64_t now_ms = clock_mono_ms();
    bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!well && !c->asked)
        log_line(LOG_L_WARNING, "%s %d ended by %s %d; starting another", child_name(p, i),
                 (int)c->pid, WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    /* One that lived is replaced at once; one that dies young again and again is given time. */
    if (well || c->asked || now_ms - c->started_ms > BACKOFF_MS_MAX) {
        c->backoff_ms = 0;
    } else {
        c->backoff_ms = c->backoff_ms ? c->backoff_ms * 2 : 50;
        if (c->backoff_ms > BACKOFF_MS_MAX) c->backoff_ms = BACKOFF_MS_MAX;
    }
    c->pid = 0;
    c->start_ms = now_ms + c->backoff_ms;
    atomic_store(pid_count(p, i), 0);
    atomic_store(turned_count(p, i), 0);
    if (i) atomic_store(&p->stats->worker[i - 1].busy_since_ms, 0);
    if (i) atomic_store(&p->stats->worker[i - 1].domain, 0);
    stats_add(i ? &p->stats->worker[i - 1].restarts : &p->stats->ticker_restarts, 1);
}

static size_t reap(struct pool *p) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < p->children; i++)
            if (p->child[i].pid == pid) child_ended(p, i, status);
    size_t alive = 0;
    for (size_t i = 0; i < p->children; i++) alive += p->child[i].pid != 0;
    return alive;
}

static void tell(struct pool *p, size_t i, int signal) {
    if (!p->child[i].pid) return;
    p->child[i].asked = true;
    if (i) atomic_store(&p->stats->worker[i - 1].leave, 1);
    kill(p->child[i].pid, signal);
}

static void kill_stuck(struct pool *p) {
    uint64_t now_ms = clock_mono_ms();
    for (size_t i = 0; i < p->children; i++) {
        struct seat_of_child *c = &p->child[i];
        uint64_t turned_ms = stats_get(turned_count(p, i));
        if (!c->pid || now_ms < (turned_ms ? turned_ms : c->started_ms) + p->conf->stuck_ms)
            continue;
        const char *request = i && stats_get(&p->stats->worker[i - 1].busy_since_ms)
                                  ? p->stats->worker[i - 1].request_id
                                  : "none";
        log_line(LOG_L_ERROR, "%s %d is stuck for %" PRIu64 " ms (request %.39s): killing it",
                 child_name(p, i), (int)c->pid, p->conf->stuck_ms, request);
        tell(p, i, SIGKILL);
        c->started_ms = now_ms; /* said once */
        atomic_store(turned_count(p, i), 0);
    }
}

/* Tells the service manager what changed, and that all goes well, which it does with the ticker and
 * half of those that read and of those that write: those that die or get stuck are replaced, and
 * when that does not help for as long as the watchdog waits, all of it is to be started anew. */
static void tell_manager(struct pool *p) {
    uint64_t now_ms = clock_mono_ms(), serving = 0, writing = 0,
             writers = p->children - 1 - p->readers;
    for (size_t i = 1; i <= p->readers; i++) serving += at_work(p, i);
    for (size_t i = p->readers + 1; i < p->children; i++) writing += at_work(p, i);
    if (serving != p->status_serving) {
        notify("%sSTATUS=%" PRIu64 " of %zu workers serve", p->ready ? "" : "READY=1\n", serving,
               p->readers);
        p->ready = true;
        p->status_serving = serving;
    }
    if (p->watchdog_ms && now_ms - p->fed_ms >= p->watchdog_ms / 8 && at_work(p, 0) &&
        serving * 2 >= p->readers && writing * 2 >= writers) {
        p->fed_ms = now_ms;
        notify("WATCHDOG=1");
    }
}

/* New settings and keys are for new children: those of today are replaced one by one. */
static void reload(struct pool *p) {
    static struct conf conf;
    static struct token_keys keys;
    char why[600];
    if (!conf_load(p->config_path, &conf, why, sizeof why) ||
        !token_keys_load(conf.token_keys_file, &keys, why, sizeof why) ||
        !db_password_readable(&conf, why, sizeof why)) {
        log_line(LOG_L_ERROR, "not reloaded: %s", why);
        notify("STATUS=not reloaded: %s", why);
        return;
    }
    if (conf.workers != p->conf->workers || conf.readers != p->conf->readers ||
        conf.writers != p->conf->writers ||
        strcmp(conf.listen_socket, p->conf->listen_socket) != 0 ||
        strcmp(conf.writers_socket, p->conf->writers_socket) != 0 ||
        conf.board_concerts != p->conf->board_concerts)
        log_line(LOG_L_WARNING, "workers, readers, writers, listen_socket, writers_socket and "
                                "board_concerts change with a restart only");
    conf.workers = p->conf->workers;
    conf.readers = p->conf->readers;
    conf.writers = p->conf->writers;
    conf.board_concerts = p->conf->board_concerts;
    strcpy(conf.listen_socket, p->conf->listen_socket);
    strcpy(conf.writers_socket, p->conf->writers_socket);
    if (!token_keys_have(p->keys, keys.key[0].id))
        log_line(LOG_L_WARNING,
                 "the key %s signs from now on and was not known here before: until other hosts "
                 "know it they refuse what it signs; add a key as the last line first, on all "
                 "hosts, and make it the first one later",
                 keys.key[0].id);
    *p->conf = conf;
    keys.signing = &p->stats->signing_key;
    *p->keys = keys;
    p->reloading = 0;
    stats_add(&p->stats->reloads, 1);
    log_line(LOG_L_NOTICE, "reloading %s", p->config_path);
    notify("RELOADING=1");
}

static void reload_next(struct pool *p) {
    if (p->reloading > p->children) return;
    /* The one before must be back: what does not start with the new settings costs one child, not
     * all. */
    if (p->reloading > 0 && !at_work(p, p->reloading - 1)) return;
    if (p->reloading < p->children) {
        tell(p, p->reloading, SIGTERM);
    } else {
        token_signing_set(p->stats->signing_key, p->keys); /* all children know it by now */
        log_line(LOG_L_NOTICE, "reloaded");
        notify("READY=1");
    }
    p->reloading++;
}

static void drain(struct pool *p) {
    uint64_t end_ms = clock_mono_ms() + p->conf->drain_timeout_ms;
    log_line(LOG_L_NOTICE, "leaving");
    notify("STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64, (p->conf->drain_timeout_ms + 5000) * 1000);
    for (size_t i = 0; i < p->children; i++) tell(p, i, SIGTERM);
    while (reap(p) > 0) {
        struct timespec t = {.tv_nsec = 20000000};
        if (clock_mono_ms() > end_ms)
            for (size_t i = 0; i < p->children; i++) tell(p, i, SIGKILL);
        sigtimedwait(&p->signals, NULL, &t);
    }
}

int pool_run(struct conf *conf, struct token_keys *keys, const char *config_path) {
    char writers_socket[CONF_TEXT_MAX + 16];
    conf_writers_socket(conf, writers_socket);
    size_t readers = conf_readers(conf), workers = readers + conf->writers;
    struct pool p = {.conf = conf,
                     .keys = keys,
                     .config_path = config_path,
                     .readers = readers,
                     .children = workers + 1,
                     .reloading = workers + 2};
    p.readers_fd = inherited_socket(0);
    p.writers_fd = inherited_socket(1);
    p.own_readers_socket = p.readers_fd < 0;
    p.own_writers_socket = p.writers_fd < 0;
    if (p.own_readers_socket &&
        (p.readers_fd = bind_socket(conf, "listen_socket", conf->listen_socket)) < 0)
        return 1;
    if (p.own_writers_socket &&
        (p.writers_fd = bind_socket(conf, "writers_socket", writers_socket)) < 0) {
        /* An older unit hands one socket over, and where that is another can't be made. */
        if (p.own_readers_socket) return 1;
        log_line(LOG_L_ERROR,
                 "without writers: only what comes to listen_socket is answered; let the "
                 "socket's unit hand over both sockets and restart it");
        p.own_writers_socket = false;
        p.children = readers + 1;
        p.reloading = readers + 2;
    }
    p.board = board_create(conf->board_concerts);
    p.stats = stats_create(readers, p.children - 1 - readers);
    p.child = calloc(p.children, sizeof *p.child);
    if (!p.board || !p.stats || !p.child) {
        log_line(LOG_L_ERROR, "no memory for the board; lower board_concerts");
        free(p.child);
        return 1;
    }
    keys->signing = &p.stats->signing_key;
    token_signing_set(p.stats->signing_key, keys);
    sigemptyset(&p.signals);
    int handled[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++) sigaddset(&p.signals, handled[i]);
    sigprocmask(SIG_BLOCK, &p.signals, &p.before);
    char title[300];
    snprintf(title, sizeof title, "master (%s)", config_path);
    proctitle_set(title);
    log_line(LOG_L_NOTICE, "serving with %zu workers and %" PRIu64 " writers", readers,
             conf->writers);
    p.watchdog_ms = notify_watchdog_ms();
    for (;;) {
        uint64_t now_ms = clock_mono_ms();
        for (size_t i = 0; i < p.children; i++)
            if (!p.child[i].pid && now_ms >= p.child[i].start_ms) start_child(&p, i);
        reload_next(&p);
        kill_stuck(&p);
        tell_manager(&p);
        struct timespec t = {.tv_nsec =
                                 !p.ready || p.reloading <= p.children ? 20000000 : 200000000};
        int signal = sigtimedwait(&p.signals, NULL, &t);
        if (signal == SIGTERM || signal == SIGINT) break;
        if (signal == SIGHUP) reload(&p);
        reap(&p);
    }
    drain(&p);
    if (p.own_readers_socket) unlink(conf->listen_socket);
    if (p.own_writers_socket) unlink(writers_socket);
    free(p.child);
    return 0;
}
