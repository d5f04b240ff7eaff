/* SPDX-License-Identifier: 0BSD */
/* The command: what was asked for, the copy, the load process, telling how it goes, the end. */
#include "admin/rehearse.h"

#include "admin/audit.h"
#include "admin/rehearse_load.h"
#include "admin/rehearse_report.h"
#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MINUTES_MIN 0.05
#define MAX_ACTIVE_MAX 1000000
#define LOOK_MS 50
#define GO_MS 300 /* from the copy's being there to the first who comes */
#define DRAIN_MS 5000
#define TELL_S 10 /* where it is no terminal */

static volatile sig_atomic_t interrupts;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupts++;
}

__attribute__((format(printf, 2, 3))) static int say(int status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("boxofficectl: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

/* --- what was asked for --- */

static bool number(const char *text, uint64_t least, uint64_t most, uint64_t *v_r) {
    char *end;
    *v_r = text ? strtoull(text, &end, 10) : 0;
    return text && *text >= '0' && *text <= '9' && *end == 0 && *v_r >= least && *v_r <= most;
}

static bool minutes_of(const char *text, double *v_r) {
    char *end;
    *v_r = text ? strtod(text, &end) : 0;
    return text && *text >= '0' && *text <= '9' && *end == 0 && isfinite(*v_r) &&
           *v_r >= MINUTES_MIN && *v_r <= REHEARSE_MINUTES_MAX;
}

static int bad_plan(const struct rehearse_options *o, struct plan *plan_r) {
    uint64_t people, percent = 20;
    double minutes;
    if (!number(o->people, 1, REHEARSE_PEOPLE_MAX, &people))
        return say(2, "--people must be a whole number from 1 to %d", REHEARSE_PEOPLE_MAX);
    if (!minutes_of(o->minutes, &minutes))
        return say(2, "--minutes must be a number from %.2f to %d, such as 10 or 0.5", MINUTES_MIN,
                   REHEARSE_MINUTES_MAX);
    if (o->misbehaving && !number(o->misbehaving, 0, 100, &percent))
        return say(2, "--misbehaving must be a whole number from 0 to 100: a share in per cent");
    *plan_r = plan_make(people, minutes, (unsigned)percent);
    return 0;
}

/* Load goes to this host, or to one that the operator says is theirs. */
static int bad_target(const struct rehearse_options *o, struct target *target_r) {
    static const char *const usual[] = {"https://localhost", "http://localhost"};
    struct url url;
    const char *text = o->url;
    char why[300];
    if (text && !url_parse(text, &url))
        return say(2, "--url must be like https://localhost or http://localhost:8080");
    for (size_t i = 0; !text && i < sizeof usual / sizeof *usual; i++)
        if (url_parse(usual[i], &url) && probe_connect(&url)) text = usual[i];
    if (!text)
        return say(2, "nothing listens on ports 443 and 80 of this machine: name the site's "
                      "address with --url");
    if (!target_find(&url, target_r, why, sizeof why)) return say(2, "--url: %s", why);
    if (target_r->loopback) return 0;
    if (!o->confirm_mine)
        return say(1,
                   "%s is not this host: load goes only to what is yours; if it is, say so with "
                   "--confirm-mine %s",
                   url.host, url.host);
    if (strcmp(o->confirm_mine, url.host) != 0)
        return say(1, "--confirm-mine names %s, and --url %s: they must be the same",
                   o->confirm_mine, url.host);
    return 0;
}

static int bad_service(const struct target *target) {
    char why[200];
    struct probe p;
    int status = probe_send(&p, &target->url, "GET", "/readyz", "", why, sizeof why)
                     ? probe_status(&p, why, sizeof why)
                     : -1;
    probe_close(&p);
    if (status == 200) return 0;
    if (status < 0) return say(2, "%s: %s; start the service and nginx first", target->host, why);
    if (status == 308 && !target->url.tls)
        return say(2,
                   "plain HTTP is sent to HTTPS there: name the other address with --url "
                   "https://%s",
                   target->url.host);
    return say(2, "%s: /readyz answers %d: see boxofficectl check", target->host, status);
}

static int bad_copy(struct db *db, const struct rehearse_options *o, struct rehearsal *r) {
    enum err e = copy_look(db, (struct concert_id){o->concert}, r->plan.length_ms + r->plan.lead_ms,
                           &r->copy);
    if (e == E_DATABASE_UNAVAILABLE)
        return say(2, "can't reach the database; see the database_ settings, and that it runs");
    if (e) return say(err_status(e) < 500 ? 1 : 2, "%s", err_text(e));
    if (r->copy.dates == 0)
        return say(1, "concert %" PRIu64 " has no date that is still to come: nothing to sell",
                   o->concert);
    if (!o->max_active || number(o->max_active, 1, MAX_ACTIVE_MAX, &r->copy.max_active)) return 0;
    return say(2, "--max-active must be a whole number from 1 to %d", MAX_ACTIVE_MAX);
}

/* --- while it runs --- */

static bool terminal(void) { return isatty(STDERR_FILENO); }

/* On a terminal each line takes the place of the last one, and so must not be wider than that. */
static void tell(const char *text) {
    struct winsize size = {0};
    if (terminal() && (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col < 2))
        size.ws_col = 80;
    if (terminal())
        fprintf(stderr, "\r%.*s\033[K", size.ws_col - 1, text);
    else
        fprintf(stderr, "%s\n", text);
    fflush(stderr);
}

/* Sales of the last ten seconds, by the minute. */
static uint64_t sales_a_minute(const struct second *s, size_t at) {
    size_t from = at >= 9 ? at - 9 : 0;
    uint64_t sales = 0;
    for (size_t i = from; i <= at; i++) sales += s[i].sales;
    return sales * 60 / (at - from + 1);
}

static void tell_second(const struct rehearsal *r, size_t at) {
    const struct second *s = &r->seen->second[at];
    char text[300];
    if (!terminal() && at % TELL_S != 0) return;
    snprintf(text, sizeof text,
             "%6s  joined %s  waiting %s  in %s  sold %s | joins %u/s  sales %s/min | 429 %u  503 "
             "%u  failed %u | half %s ms, 99 %% %s ms",
             in_clock(r, at + 1), in_thousands(r->seen->joined), in_thousands(s->waiting),
             in_thousands(s->in), in_thousands(s->sold), s->joins,
             in_thousands(sales_a_minute(r->seen->second, at)), s->limited, s->busy, s->failed,
             in_ms(s->p50_us), in_ms(s->p99_us));
    tell(text);
}

static void tell_phase(const struct rehearsal *r, int phase, uint64_t *told_ms) {
    uint64_t now_ms = clock_mono_ms();
    char text[200];
    if (*told_ms && now_ms - *told_ms < (terminal() ? 1000 : TELL_S * 1000)) return;
    *told_ms = now_ms;
    if (phase == PHASE_SIGN_UP)
        snprintf(text, sizeof text, "signing up: %s of %s",
                 in_thousands(atomic_load(&r->seen->signed_up)),
                 in_thousands(plan_early(&r->plan)));
    else if (phase == PHASE_HOME)
        snprintf(text, sizeof text, "all go home: %s have", in_thousands(r->seen->gone_home));
    else
        return;
    tell(text);
}

/* The people are there: now the copy. */
static int let_go(struct db *db, struct rehearsal *r) {
    enum err e = copy_make(db, &r->copy, r->plan.lead_ms + GO_MS, r->plan.length_ms);
    if (e) {
        atomic_store(&r->seen->stop, true);
        return say(err_status(e) < 500 ? 1 : 2, "the copy could not be added: %s", err_text(e));
    }
    r->seen->concert = r->copy.id.v;
    r->seen->open_at_mono_ms = clock_mono_ms() + r->plan.lead_ms + GO_MS;
    watch_begin(&r->watch, r->conf);
    char text[200];
    snprintf(text, sizeof text, "concert %" PRIu64 " opens in %s", r->copy.id.v,
             in_time(r->plan.lead_ms + GO_MS));
    tell(text);
    atomic_store(&r->seen->phase, PHASE_GO);
    return 0;
}

static int follow(struct db *db, struct rehearsal *r, pid_t load) {
    size_t told = 0;
    uint64_t told_ms = 0;
    int status = 0;
    for (bool runs = true; runs;) {
        clock_sleep_ms(LOOK_MS);
        runs = waitpid(load, NULL, WNOHANG) == 0;
        int phase = atomic_load(&r->seen->phase);
        if (interrupts > 0) {
            r->interrupted = true;
            atomic_store(&r->seen->stop, true);
        }
        if (interrupts > 1) atomic_store(&r->seen->at_once, true);
        if (runs && phase == PHASE_READY && !r->interrupted && !status) status = let_go(db, r);
        for (; told < atomic_load(&r->seen->seconds); told++) {
            watch_second(&r->watch, &r->seen->second[told]);
            tell_second(r, told);
        }
        tell_phase(r, phase, &told_ms);
    }
    if (terminal()) fputc('\n', stderr);
    return status;
}

/* --- the end --- */

static int conclude(struct db *db, struct rehearsal *r, const struct rehearse_options *o) {
    char path[64];
    watch_end(&r->watch);
    enum err e = copy_drain(db, &r->copy, DRAIN_MS, &r->left_over);
    if (e)
        say(2, "concert %" PRIu64 " could not be drained (%s): boxofficectl queue drain %" PRIu64,
            r->copy.id.v, err_text(e), r->copy.id.v);
    if (*r->seen->why) return say(1, "%s", r->seen->why);
    r->facts = figures_facts(r->seen->second, rehearsal_seconds(r), r->watch.cores);
    r->advice = figures_advise(&r->facts, r->plan.think_ms);
    snprintf(path, sizeof path, "rehearsal-%" PRIu64 ".svg", r->copy.id.v);
    const char *picture = o->picture ? o->picture : path;
    r->picture = rehearsal_picture(r, picture) ? strdup(picture) : NULL;
    if (!r->picture) say(2, "the picture: %s: %s", picture, strerror(errno));
    r->audit = AUDIT_LEFT_OUT;
    if (!o->no_audit) {
        tell("the audit");
        r->audit_rows = json_object_new_array();
        struct db *own = db_new(r->conf); /* it leaves a transaction behind */
        r->audit = own ? audit_run(own, true, true, stderr, r->audit_rows) : 2;
        db_free(own);
        if (terminal()) fputc('\n', stderr);
    }
    return e || !r->picture ? 2 : r->audit > 0 ? r->audit : 0;
}

static int play(struct db *db, struct rehearsal *r, const struct rehearse_options *o) {
    r->seen = seen_new((r->plan.lead_ms + r->plan.length_ms) / 1000 + 60);
    pid_t load = r->seen ? load_start(r->target, &r->plan, r->conf, r->seen) : -1;
    if (load < 0) return say(2, "the load process could not be started: %s", strerror(errno));
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    int status = follow(db, r, load), phase = atomic_load(&r->seen->phase);
    if (r->copy.id.v == 0 && phase == PHASE_FAILED) return say(1, "%s", r->seen->why);
    if (status) return status;
    if (r->copy.id.v == 0) return say(1, "stopped before the sale: there is no copy");
    if (phase != PHASE_DONE && !*r->seen->why)
        snprintf(r->seen->why, sizeof r->seen->why,
                 "the load process ended before its time: concert %" PRIu64 " is drained",
                 r->copy.id.v);
    return conclude(db, r, o);
}

int rehearse_run(struct db *db, const struct conf *conf, const struct rehearse_options *options,
                 FILE *out, struct json_object **json_r) {
    static struct target target;
    struct rehearsal r = {.conf = conf, .target = &target};
    int bad = bad_plan(options, &r.plan);
    if (!bad) bad = bad_target(options, &target);
    if (!bad) bad = bad_copy(db, options, &r);
    if (!bad) bad = bad_service(&target);
    if (!bad) bad = play(db, &r, options);
    bool played = r.copy.id.v && r.seen && !*r.seen->why;
    if (played && json_r)
        *json_r = rehearsal_json(&r);
    else if (played)
        rehearsal_page(&r, out);
    json_object_put(r.audit_rows);
    free((char *)r.picture);
    copy_free(&r.copy);
    return bad;
}
