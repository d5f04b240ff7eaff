/* SPDX-License-Identifier: 0BSD */
/* Figures as people read them, and what the page and the JSON both say. */
#include "admin/rehearse_report.h"

#include <inttypes.h>
#include <string.h>

#define TEXTS 16
#define TEXT_SIZE 40

static char *next_text(void) {
    static char texts[TEXTS][TEXT_SIZE];
    static unsigned at;
    return texts[at++ % TEXTS];
}

const char *in_thousands(uint64_t v) {
    char digits[24], *text = next_text(), *to = text;
    int n = snprintf(digits, sizeof digits, "%" PRIu64, v);
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) *to++ = ',';
        *to++ = digits[i];
    }
    *to = 0;
    return text;
}

const char *in_time(uint64_t ms) {
    char *text = next_text();
    uint64_t s = (ms + 500) / 1000;
    if (ms < 10000)
        snprintf(text, TEXT_SIZE, "%.1f s", (double)ms / 1000);
    else if (s < 60)
        snprintf(text, TEXT_SIZE, "%" PRIu64 " s", s);
    else
        snprintf(text, TEXT_SIZE, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
    return text;
}

const char *in_ms(uint64_t us) {
    char *text = next_text();
    if (us >= 100000) return in_thousands((us + 500) / 1000);
    snprintf(text, TEXT_SIZE, "%.1f", (double)us / 1000);
    return text;
}

const char *in_clock(const struct rehearsal *r, size_t second) {
    char *text = next_text();
    int64_t s = (int64_t)second - (int64_t)(r->plan.lead_ms / 1000);
    uint64_t size = (uint64_t)(s < 0 ? -s : s);
    snprintf(text, TEXT_SIZE, "%s%" PRIu64 ":%02" PRIu64, s < 0 ? "-" : "", size / 60, size % 60);
    return text;
}

size_t rehearsal_seconds(const struct rehearsal *r) { return atomic_load(&r->seen->seconds); }

const char *limit_of(enum step step) {
    switch (step) {
    case STEP_SIGN_UP: return "boxoffice_user_address";
    case STEP_JOIN: return "boxoffice_join_address";
    case STEP_CHARGE: return "boxoffice_charge_address";
    default: return "boxoffice_address";
    }
}

uint64_t limit_wanted(const struct rehearsal *r, enum step step) {
    double share = (double)plan_crowd(&r->plan) / (double)r->plan.people;
    double peak = 0;
    for (size_t s = 0; s < STEPS; s++) /* all that counts in that zone */
        if (s != STEP_FILE && (strcmp(limit_of(step), "boxoffice_address") == 0 || s == step))
            peak += r->seen->peak[s];
    return (uint64_t)(peak * share * 1.5) + 1;
}
