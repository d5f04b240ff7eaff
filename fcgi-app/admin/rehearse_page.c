/* SPDX-License-Identifier: 0BSD */
/* The page at the end of a rehearsal. */
#include "admin/rehearse_report.h"

#include <inttypes.h>
#include <string.h>

#define LATE_US 20000 /* that much later than an answer came it may be seen */

static void title(const struct rehearsal *r, FILE *out) {
    const struct plan *p = &r->plan;
    fprintf(out, "%s: what this machine can take\n\n", r->copy.title);
    fprintf(out,
            "Played on concert %" PRIu64 ", a copy of concert %" PRIu64
            " (%s), which was not touched: %zu date%s, %s seats,\n"
            "at most %s people in at a time.%s\n",
            r->copy.id.v, r->copy.source.v, r->copy.source_title, r->copy.dates,
            r->copy.dates == 1 ? "" : "s", in_thousands(r->copy.seats),
            in_thousands(r->copy.max_active),
            r->copy.passed ? " Dates that are over were left out." : "");
    fprintf(out, "%s people, %s from the opening, %u %% misbehaving, against %s://%s%s.\n",
            in_thousands(p->people), in_time(p->length_ms), p->misbehaving_percent,
            r->target->url.tls ? "https" : "http", r->target->host,
            r->target->many_sources ? ", from addresses of this host"
                                    : ", all from one address: its limits are for all of them");
    if (r->target->many_sources)
        fprintf(out, "Up to %s are behind one address. ", in_thousands(plan_crowd(p)));
    fprintf(out, "A buyer thinks %s in all%s.\n", in_time(p->think_ms),
            p->think_ms < REHEARSE_THINK_MS ? ", less than people do, since it was short" : "");
    for (size_t i = 0; i < ROLES; i++)
        fprintf(out, "%s%s %s", i ? ", " : "", in_thousands(r->seen->role[i]),
                role_name((enum role)i));
    fputs(".\n", out);
    if (r->interrupted) fputs("It was stopped before its end.\n", out);
}

static void reached(const struct rehearsal *r, FILE *out) {
    const struct seen *s = r->seen;
    uint64_t joins = 0;
    size_t n = rehearsal_seconds(r);
    for (size_t i = 0; i < n; i++)
        if (s->second[i].joins > joins) joins = s->second[i].joins;
    fputs("\nREACHED\n", out);
    fprintf(out, "  joins     %s, at most %s in one second\n", in_thousands(s->joined),
            in_thousands(joins));
    fprintf(out, "  sales     %s of %s seats; at best %s sales a minute (%s to %s)\n",
            in_thousands(s->sold), in_thousands(s->seats_sold),
            in_thousands((uint64_t)(r->facts.sales_a_minute + 0.5)), in_clock(r, r->facts.from),
            in_clock(r, r->facts.to));
    fprintf(out, "  waiting   half of those let in waited %s, 95 of 100 %s, the longest %s\n",
            in_time(hist_percentile(&s->wait_ms, 0.5)), in_time(hist_percentile(&s->wait_ms, 0.95)),
            in_time(s->wait_ms.max));
    fprintf(out, "  let in    %s; %s still waited at the end\n", in_thousands(s->let_in),
            in_thousands(n ? s->second[n - 1].waiting : 0));
    fprintf(out,
            "  went      %s left by themselves (%s of them found no seat), %s lost their place\n",
            in_thousands(s->left), in_thousands(s->nothing_left), in_thousands(s->lost));
    fprintf(out, "  seats     %s times another had been quicker; two payments for one: %s\n",
            in_thousands(s->seats_lost), in_thousands(s->paid_twice));
}

static void answers(const struct rehearsal *r, FILE *out) {
    fprintf(out, "\nANSWERS, ms  %10s %9s %9s %9s %9s\n", "count", "half", "95 %", "99 %", "most");
    for (size_t i = 0; i < STEPS; i++) {
        const struct hist *h = &r->seen->step_us[i];
        if (h->count == 0) continue;
        fprintf(out, "  %-10s %10s %9s %9s %9s %9s\n", step_name((enum step)i),
                in_thousands(h->count), in_ms(hist_percentile(h, 0.5)),
                in_ms(hist_percentile(h, 0.95)), in_ms(hist_percentile(h, 0.99)), in_ms(h->max));
    }
}

static void errors(const struct rehearsal *r, FILE *out) {
    const struct seen *s = r->seen;
    bool any = false;
    fprintf(out, "\nREFUSED AND FAILED         %10s %12s\n", "behaving", "misbehaving");
    for (size_t e = 0; e < E_COUNT; e++) {
        if (s->code[0][e] + s->code[1][e] == 0) continue;
        any = true;
        fprintf(out, "  %-3d %-20s %10s %12s\n", err_status((enum err)e), err_name((enum err)e),
                in_thousands(s->code[0][e]), in_thousands(s->code[1][e]));
    }
    for (size_t t = 1; t < TROUBLES; t++) {
        if (s->trouble[0][t] + s->trouble[1][t] == 0) continue;
        any = true;
        fprintf(out, "  -   %-20s %10s %12s\n", trouble_name((enum trouble)t),
                in_thousands(s->trouble[0][t]), in_thousands(s->trouble[1][t]));
    }
    if (!any) fputs("  nothing\n", out);
    if (r->watch.seen && r->watch.last.nginx_known)
        fprintf(out, "  By nginx itself: %s by its limits (429), %s for want of a worker (503).\n",
                in_thousands(r->watch.last.limited - r->watch.first.limited),
                in_thousands(r->watch.last.busy - r->watch.first.busy));
}

static void gave_way(const struct rehearsal *r, FILE *out) {
    size_t at[STRAINS], n = rehearsal_seconds(r);
    bool any = false, told[STRAINS] = {false};
    fputs("\nWHAT GAVE WAY, in this order\n", out);
    for (size_t i = 0; i < STRAINS; i++)
        if (!figures_gave_way(r->seen->second, n, (enum strain)i, &at[i])) at[i] = SIZE_MAX;
    for (size_t round = 0; round < STRAINS; round++) {
        size_t first = STRAINS;
        for (size_t i = 0; i < STRAINS; i++)
            if (!told[i] && at[i] != SIZE_MAX && (first == STRAINS || at[i] < at[first])) first = i;
        if (first == STRAINS) break;
        any = told[first] = true;
        fprintf(out, "  %6s  %s\n", in_clock(r, at[first]), strain_text((enum strain)first));
    }
    if (!any)
        fprintf(out, "  Nothing. Sales went as fast as %s.\n",
                r->facts.full > 0.5 ? "max_active let people in" : "people came");
}

static void machine(const struct rehearsal *r, FILE *out) {
    const struct watch *w = &r->watch;
    uint64_t ms = rehearsal_seconds(r) * 1000, batches = w->last.batches - w->first.batches;
    fprintf(out, "\nTHE MACHINE, %u cores; when most was sold\n", w->cores);
    if (!w->seen) {
        fprintf(out, "  The service could not be looked at: %s; run this on its host, as root.\n",
                w->why);
    } else {
        fprintf(out,
                "  busy      cores %.0f %% (of what this load left of them), readers %.0f %% of "
                "%" PRIu64 ", writers %.0f %% of %" PRIu64 "\n",
                r->facts.cpu * 100, r->facts.readers * 100, w->readers, r->facts.writers * 100,
                w->writers);
        fprintf(out,
                "  database  %s statements, %.2f ms each; %.1f requests a transaction of a "
                "writer; %s run again\n",
                in_thousands(w->last.statements - w->first.statements),
                w->last.statements > w->first.statements
                    ? (double)(w->last.database_ms - w->first.database_ms) /
                          (double)(w->last.statements - w->first.statements)
                    : 0,
                batches ? (double)(w->last.batched - w->first.batched) / (double)batches : 0,
                in_thousands(w->last.retries - w->first.retries));
    }
    fputs("  cores used over all of it:", out);
    for (size_t i = 0; i < PROGRAMS; i++)
        fprintf(out, " %s %.2f,", program_name((enum watch_program)i),
                ms ? (double)w->program_ms[i] / (double)ms : 0);
    fprintf(out, " this load %.2f\n", ms ? (double)r->seen->load_cpu_us / 1000 / (double)ms : 0);
    if (r->facts.load > 0.9)
        fputs("  The load process was at its own limit: the machine may take more than this.\n",
              out);
    if (hist_percentile(&r->seen->turn_us, 0.99) > LATE_US)
        fprintf(
            out,
            "  The load process was late itself: answers are told up to %s ms too slow (99 %%).\n",
            in_ms(hist_percentile(&r->seen->turn_us, 0.99)));
    if (r->seen->short_of_sockets)
        fprintf(out, "  It had too few open files %s times: raise ulimit -n to play so many.\n",
                in_thousands(r->seen->short_of_sockets));
}

static const char *narrow_text(const struct rehearsal *r) {
    switch (r->advice.narrow) {
    case NARROW_CPU: return "the processor";
    case NARROW_READERS: return "the readers";
    case NARROW_WRITERS: return "the writers";
    case NARROW_NOTHING: break;
    }
    return r->watch.seen ? "nothing that was seen" : "not known";
}

static void set_max_active(const struct rehearsal *r, FILE *out) {
    const struct advice *a = &r->advice;
    const struct facts *f = &r->facts;
    if (!a->known) {
        fputs("  max_active    Nothing was sold: nothing can be said.\n", out);
        return;
    }
    fprintf(out, "  max_active    %s\n", in_thousands(a->max_active));
    fprintf(
        out,
        "      At best %.0f people were in and %.0f sales a minute were made: a place inside is "
        "taken for\n      %.1f s for each sale, those who buy nothing included",
        f->in, f->sales_a_minute, f->in_s_per_sale);
    if (a->in_s_per_sale > f->in_s_per_sale + 0.05)
        fprintf(out, "; %.0f s when people think %s", a->in_s_per_sale, in_time(REHEARSE_THINK_MS));
    fprintf(out,
            ".\n      Used most was %s (%.0f %%): up to %.0f %% of it, that is %.0f sales a "
            "minute,\n      %.1f a second x %.0f s = %s people in.%s\n",
            narrow_text(r), a->used * 100, ADVICE_USED_MAX * 100, a->sales_a_minute,
            a->sales_a_minute / 60, a->in_s_per_sale, in_thousands(a->max_active),
            a->sales_a_minute >= f->sales_a_minute * (ADVICE_TIMES_MAX - 0.01)
                ? " (No more than four times what was seen is promised.)"
                : "");
    fprintf(
        out, "      The %s people of this rehearsal would be through in %s.\n",
        in_thousands(r->plan.people),
        in_time((uint64_t)((double)r->seen->joined * 60000 *
                           ((double)r->seen->sold / (double)r->seen->let_in) / a->sales_a_minute)));
}

static void set_processes(const struct rehearsal *r, FILE *out) {
    const struct facts *f = &r->facts;
    if (!r->watch.seen) return;
    if (f->readers > 0.85 && f->cpu < 0.85)
        fprintf(out, "  readers       %" PRIu64 ": all were busy while cores were free\n",
                r->watch.readers * 3 / 2 + 1);
    else
        fprintf(out, "  readers       %" PRIu64 ", as they are%s\n", r->watch.readers,
                f->cpu > 0.85 ? ": more processes make no more cores" : "");
    if (f->writers > 0.85 && f->cpu < 0.85)
        fprintf(
            out,
            "  writers       %" PRIu64 ", as they are: they wait for the database, most likely "
            "for its disk; one more\n                only where several concerts sell at once\n",
            r->watch.writers);
    else
        fprintf(out, "  writers       %" PRIu64 ", as they are\n", r->watch.writers);
}

static void set_limits(const struct rehearsal *r, FILE *out) {
    uint64_t limited[2] = {0};
    bool any = false;
    for (size_t i = 0; i < STEPS; i++) {
        limited[0] += r->seen->limited[0][i];
        limited[1] += r->seen->limited[1][i];
    }
    for (size_t i = 0; i < STEPS; i++) {
        uint64_t n = r->seen->limited[0][i];
        if (n == 0) continue;
        any = true;
        fprintf(out,
                "  limits        %s: %s times somebody who behaves was refused to %s; where %s "
                "people\n                are behind one address it takes rate=%" PRIu64 "r/s\n",
                limit_of((enum step)i), in_thousands(n), step_name((enum step)i),
                in_thousands(plan_crowd(&r->plan)), limit_wanted(r, (enum step)i));
    }
    if (!any)
        fprintf(out,
                "  limits        as they are: nobody who behaves was refused, and of the others "
                "%s requests\n",
                in_thousands(limited[1]));
}

static void audit(const struct rehearsal *r, FILE *out) {
    size_t n = r->audit_rows ? json_object_array_length(r->audit_rows) : 0;
    uint64_t rows = 0;
    struct json_object *v;
    fputs("\nTHE AUDIT\n", out);
    if (r->audit == AUDIT_LEFT_OUT) {
        fputs("  Left out (--no-audit): nothing is proved. `boxofficectl audit` makes up for it.\n",
              out);
        return;
    }
    if (r->audit > 1) fputs("  It could not run; standard error says why.\n", out);
    for (size_t i = 0; i < n; i++) {
        struct json_object *row = json_object_array_get_idx(r->audit_rows, i);
        rows += json_object_get_uint64(json_object_object_get(row, "rows"));
        if (!json_object_object_get_ex(row, "ok", &v) || json_object_get_boolean(v)) continue;
        fprintf(out, "  FAIL  %s: %s\n",
                json_object_get_string(json_object_object_get(row, "check")),
                json_object_get_string(json_object_object_get(row, "shown")));
    }
    if (r->audit == 0)
        fprintf(out, "  All %zu checks hold, of the whole database: %s rows were read.\n", n,
                in_thousands(rows));
}

static void remains(const struct rehearsal *r, FILE *out) {
    fprintf(out,
            "\nConcert %" PRIu64 " stays, drained and closed, and so do its people, who are all "
            "named \"Rehearsal N\".\n",
            r->copy.id.v);
    if (r->left_over)
        fprintf(out, "%s places in it have not ended yet: they run out by themselves.\n",
                in_thousands(r->left_over));
    if (r->picture) fprintf(out, "The picture: %s\n", r->picture);
}

void rehearsal_page(const struct rehearsal *r, FILE *out) {
    title(r, out);
    reached(r, out);
    answers(r, out);
    errors(r, out);
    gave_way(r, out);
    machine(r, out);
    fputs("\nWHAT TO SET\n", out);
    set_max_active(r, out);
    set_processes(r, out);
    set_limits(r, out);
    audit(r, out);
    remains(r, out);
}
