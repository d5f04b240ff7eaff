/* SPDX-License-Identifier: 0BSD */
/* What comes of a rehearsal: one page of text, the same as JSON, and a picture. */
#ifndef BOXOFFICE_REHEARSE_REPORT_H
#define BOXOFFICE_REHEARSE_REPORT_H

#include "admin/rehearse_copy.h"
#include "admin/rehearse_figures.h"
#include "admin/rehearse_http.h"
#include "admin/rehearse_watch.h"

#include <json-c/json.h>
#include <stdio.h>

#define AUDIT_LEFT_OUT (-1)

struct rehearsal {
    const struct conf *conf;
    const struct target *target;
    struct plan plan;
    struct copy copy;
    struct seen *seen;
    struct watch watch;
    struct facts facts;
    struct advice advice;
    bool interrupted;
    uint64_t left_over; /* places that had not ended when the copy was drained */
    int audit;          /* its exit status, or AUDIT_LEFT_OUT */
    struct json_object *audit_rows;
    const char *picture; /* its file; NULL: it could not be written */
};

size_t rehearsal_seconds(const struct rehearsal *r);
void rehearsal_page(const struct rehearsal *r, FILE *out);
struct json_object *rehearsal_json(const struct rehearsal *r);
/* False: errno says why. */
bool rehearsal_picture(const struct rehearsal *r, const char *path) MUST_USE;

/* For people: "12,345", "1 min 5 s", "12.3 ms". One of a few static texts, in turn. */
const char *in_thousands(uint64_t v);
const char *in_time(uint64_t ms);
const char *in_ms(uint64_t us);
/* "0:42" from the opening, "-0:05" before it. */
const char *in_clock(const struct rehearsal *r, size_t second);

/* Which of nginx's zones a step that was refused with 429 belongs to. */
const char *limit_of(enum step step);
/* What that zone would have to allow the largest address a second, with half as much to spare. */
uint64_t limit_wanted(const struct rehearsal *r, enum step step);

#endif
