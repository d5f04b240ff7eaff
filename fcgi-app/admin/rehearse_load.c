/* SPDX-License-Identifier: 0BSD */
/* The load process: one loop, from signing up until everybody has gone home. */
#include "admin/rehearse_load.h"

#include "admin/rehearse_people.h"
#include "admin/rehearse_person.h"
#include "base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define TURN_MS 8
#define FILES_KEPT 64 /* for all that is no connection */
#define SIGN_UP_MS 60000
#define SIGN_UP_MS_PER_PERSON 20
#define HOME_MS 60000
#define HOME_MS_PER_PERSON 10

static uint64_t cpu_us(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static size_t connections_max(void) {
    struct rlimit r = {0};
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    getrlimit(RLIMIT_NOFILE, &r);
    return r.rlim_cur > 4 * FILES_KEPT ? r.rlim_cur - FILES_KEPT : FILES_KEPT;
}

static bool stopped(const struct seen *seen) {
    return atomic_load(&seen->stop) || atomic_load(&seen->phase) == PHASE_FAILED;
}

static void sign_up(const struct plan *plan, struct seen *seen) {
    uint64_t until_ms = http_now_ms() + SIGN_UP_MS + plan->people * SIGN_UP_MS_PER_PERSON;
    while (!people_sign_up() && !stopped(seen)) {
        http_turn(TURN_MS);
        if (http_now_ms() > until_ms)
            crowd_fails("signing up takes too long: %llu of %llu in %llu s; play it with fewer "
                        "people, or look at what the service is busy with",
                        (unsigned long long)atomic_load(&seen->signed_up),
                        (unsigned long long)plan_early(plan),
                        (unsigned long long)(SIGN_UP_MS + plan->people * SIGN_UP_MS_PER_PERSON) /
                            1000);
    }
}

static void close_second(struct seen *seen, uint64_t *cpu_before_us) {
    size_t n = atomic_load(&seen->seconds);
    uint64_t now_us = cpu_us();
    struct second s;
    people_second(&s);
    s.load_percent = (uint32_t)((now_us - *cpu_before_us) / 10000);
    seen->load_cpu_us += now_us - *cpu_before_us;
    *cpu_before_us = now_us;
    if (n >= seen->seconds_max) return;
    seen->second[n] = s;
    atomic_store(&seen->seconds, n + 1);
}

static void sale(const struct plan *plan, struct seen *seen) {
    uint64_t open_ms = seen->open_at_mono_ms, cpu_before_us = cpu_us();
    uint64_t second_ms = open_ms - plan->lead_ms + 1000, end_ms = open_ms + plan->length_ms;
    people_sale(open_ms);
    atomic_store(&seen->phase, PHASE_SALE);
    while (http_now_ms() < end_ms && !stopped(seen) && !people_over()) {
        http_turn(TURN_MS);
        for (; http_now_ms() >= second_ms; second_ms += 1000) close_second(seen, &cpu_before_us);
    }
}

static void home(const struct plan *plan, struct seen *seen) {
    uint64_t until_ms = http_now_ms() + HOME_MS + plan->people * HOME_MS_PER_PERSON;
    if (atomic_load(&seen->phase) != PHASE_FAILED) atomic_store(&seen->phase, PHASE_HOME);
    while (!people_home() && !atomic_load(&seen->at_once) && http_now_ms() < until_ms)
        http_turn(TURN_MS);
}

static void load(const struct target *target, const struct plan *plan, const struct conf *conf,
                 struct seen *seen) {
    if (!http_open(target, connections_max(), seen, seen->why, sizeof seen->why) ||
        !people_meet(plan, conf, seen)) {
        if (!*seen->why) snprintf(seen->why, sizeof seen->why, "no memory for so many people");
        atomic_store(&seen->phase, PHASE_FAILED);
        return;
    }
    sign_up(plan, seen);
    if (stopped(seen)) return;
    atomic_store(&seen->phase, PHASE_READY);
    while (atomic_load(&seen->phase) == PHASE_READY && !atomic_load(&seen->stop))
        http_turn(TURN_MS);
    if (atomic_load(&seen->phase) != PHASE_GO) return;
    sale(plan, seen);
    home(plan, seen);
    if (atomic_load(&seen->phase) != PHASE_FAILED) atomic_store(&seen->phase, PHASE_DONE);
}

pid_t load_start(const struct target *target, const struct plan *plan, const struct conf *conf,
                 struct seen *seen) {
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    signal(SIGINT, SIG_IGN); /* the command says when to stop */
    signal(SIGPIPE, SIG_IGN);
    load(target, plan, conf, seen);
    _exit(0); /* the database's connection is the command's */
}
