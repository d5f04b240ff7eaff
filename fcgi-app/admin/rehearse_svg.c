/* SPDX-License-Identifier: 0BSD */
/* The picture of a rehearsal: six charts above each other, with one axis of time, as plain SVG. It
 * is readable in light and dark; no script, no font and nothing else is fetched. */
#include "admin/rehearse_report.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 960
#define LEFT 70
#define RIGHT 190 /* room for the legends */
#define TOP 66
#define CHART 104 /* height of a chart's plot */
#define PITCH 146 /* from one chart to the next */
#define CHARTS 6
#define PLOT (WIDTH - LEFT - RIGHT)
#define POINTS_MAX 230 /* more seconds than that are put together */

enum how { MEAN, MOST, RATE_A_MINUTE };

/* One line of a chart. */
struct series {
    const char *label, *style; /* a class of the sheet below */
    size_t offset;             /* of a uint32_t in struct second */
    enum how how;
    double scale; /* that many of its units are one of the chart's */
    bool area;
};
#define OF(field) offsetof(struct second, field)

struct chart {
    const char *title, *unit;
    double most; /* of the axis; 0: by what there is */
    bool powers; /* an axis by powers of ten, from 1 */
    struct series series[4];
};

static const struct chart charts[CHARTS] = {
    {"People",
     "",
     0,
     false,
     {{"waiting", "a", OF(waiting), MOST, 1, true},
      {"let in", "b", OF(in), MOST, 1, false},
      {"sales so far", "c", OF(sold), MOST, 1, false}}},
    {"Joins", "a second", 0, false, {{"joins", "a", OF(joins), MEAN, 1, true}}},
    {"Sales", "a minute", 0, false, {{"sales", "c", OF(sales), RATE_A_MINUTE, 1, true}}},
    {"Time of answers",
     "ms",
     0,
     true,
     {{"99 of 100 within", "d", OF(p99_us), MOST, 1000, false},
      {"half within", "b", OF(p50_us), MEAN, 1000, false}}},
    {"Refused and failed",
     "a second",
     0,
     false,
     {{"429, too many", "b", OF(limited), MEAN, 1, true},
      {"429, who behave", "a", OF(limited_good), MEAN, 1, false},
      {"503, overloaded", "d", OF(busy), MEAN, 1, false},
      {"failed", "e", OF(failed), MEAN, 1, false}}},
    {"Busy",
     "%",
     100,
     false,
     {{"all cores", "d", OF(cpu_percent), MEAN, 1, false},
      {"writers", "c", OF(writers_percent), MEAN, 1, false},
      {"readers", "b", OF(readers_percent), MEAN, 1, false}}},
};

static const char sheet[] =
    "text{font:12px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#3c4452}"
    ".paper{fill:#ffffff}.h{font-size:17px;font-weight:600;fill:#161b24}"
    ".t{font-weight:600;fill:#161b24}.grid{stroke:#dfe3ea;stroke-width:1}"
    ".axis{stroke:#8a93a3;stroke-width:1}.open{stroke:#161b24;stroke-width:1;stroke-dasharray:4 3}"
    ".l{fill:none;stroke-width:1.8;stroke-linejoin:round}.f{stroke:none;fill-opacity:.16}"
    ".l.a{stroke:#2563b8}.f.a{fill:#2563b8}.l.b{stroke:#c26a00}.f.b{fill:#c26a00}"
    ".l.c{stroke:#1d7f4e}.f.c{fill:#1d7f4e}.l.d{stroke:#b4234f}.f.d{fill:#b4234f}"
    ".l.e{stroke:#6b3fb0}.f.e{fill:#6b3fb0}"
    "@media (prefers-color-scheme:dark){text{fill:#b6bfcd}.paper{fill:#12161d}"
    ".h,.t{fill:#f0f3f8}.grid{stroke:#2a313d}.axis{stroke:#6d7788}.open{stroke:#f0f3f8}"
    ".l.a{stroke:#6fa8f5}.f.a{fill:#6fa8f5}.l.b{stroke:#f0a040}.f.b{fill:#f0a040}"
    ".l.c{stroke:#52c48a}.f.c{fill:#52c48a}.l.d{stroke:#f2708f}.f.d{fill:#f2708f}"
    ".l.e{stroke:#b493f0}.f.e{fill:#b493f0}}";

struct picture {
    const struct rehearsal *r;
    FILE *out;
    size_t seconds, step, points; /* seconds of a point */
};

static void text(FILE *out, double x, double y, const char *style, const char *anchor,
                 const char *words) {
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\"%s%s%s text-anchor=\"%s\">", x, y,
            *style ? " class=\"" : "", style, *style ? "\"" : "", anchor);
    for (const char *c = words; *c; c++) {
        switch (*c) {
        case '<': fputs("&lt;", out); break;
        case '&': fputs("&amp;", out); break;
        default: fputc(*c, out);
        }
    }
    fputs("</text>\n", out);
}

static uint32_t field(const struct second *s, const struct series *series) {
    uint32_t v;
    memcpy(&v, (const char *)s + series->offset, sizeof v);
    return v;
}

/* What a point of a line stands at, in the chart's unit. */
static double value(const struct picture *p, const struct series *s, size_t point) {
    size_t from = point * p->step, to = from + p->step;
    double sum = 0, most = 0;
    if (to > p->seconds) to = p->seconds;
    /* Sales are few a second: those of the last ten. */
    if (s->how == RATE_A_MINUTE && to - from < 10) from = to > 10 ? to - 10 : 0;
    for (size_t i = from; i < to; i++) {
        double v = field(&p->r->seen->second[i], s) / s->scale;
        sum += v;
        if (v > most) most = v;
    }
    sum /= (double)(to - from);
    return s->how == MOST ? most : s->how == MEAN ? sum : sum * 60;
}

static double x_of(const struct picture *p, double second) {
    return LEFT + PLOT * second / (double)(p->seconds > 1 ? p->seconds : 1);
}

/* Of the axis: 0 at its foot, 1 at its top. */
static double share(const struct chart *c, double v, double most) {
    if (!c->powers) return fmin(v / most, 1);
    return v <= 1 ? 0 : fmin(log10(v) / log10(most), 1);
}

/* The next number that is easy to read. */
static double round_up(double v) {
    static const double steps[] = {1, 2, 4, 5, 8, 10};
    double power = pow(10, floor(log10(fmax(v, 1))));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (power * steps[i] >= v && (power * steps[i] >= 4 || i == 2)) return power * steps[i];
    return power * 10;
}

static double axis_most(const struct picture *p, const struct chart *c) {
    double most = 1;
    if (c->most > 0) return c->most;
    for (const struct series *s = c->series; s < c->series + 4 && s->label; s++)
        for (size_t i = 0; i < p->points; i++) most = fmax(most, value(p, s, i));
    return c->powers ? pow(10, fmax(ceil(log10(most)), 2)) : round_up(most);
}

static void line_at(FILE *out, const char *style, double x1, double y1, double x2, double y2) {
    fprintf(out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", style,
            x1, y1, x2, y2);
}

static void axis(const struct picture *p, const struct chart *c, double foot, double most) {
    unsigned ticks = c->powers ? (unsigned)log10(most) : 4;
    for (unsigned i = 0; i <= ticks; i++) {
        double v = c->powers ? pow(10, i) : most * i / ticks, y = foot - CHART * share(c, v, most);
        line_at(p->out, i ? "grid" : "axis", LEFT, y, LEFT + PLOT, y);
        text(p->out, LEFT - 8, y + 4, "", "end", in_thousands((uint64_t)(v + 0.5)));
    }
}

static void line(const struct picture *p, const struct chart *c, const struct series *s,
                 double foot, double most) {
    for (int area = s->area; area >= 0; area--) {
        fprintf(p->out, "<path class=\"%s %s\" d=\"", area ? "f" : "l", s->style);
        if (area) fprintf(p->out, "M%.1f %.1fL", x_of(p, 0), foot);
        for (size_t i = 0; i < p->points; i++) {
            double middle = fmin(((double)i + 0.5) * (double)p->step, (double)p->seconds);
            fprintf(p->out, "%s%.1f %.1f", i || area ? " " : "M", x_of(p, middle),
                    foot - CHART * share(c, value(p, s, i), most));
        }
        if (area) fprintf(p->out, " %.1f %.1fZ", x_of(p, (double)p->seconds), foot);
        fputs("\"/>\n", p->out);
    }
}

/* Every so many seconds a number, at most about ten of them. */
static void time_axis(const struct picture *p, double foot) {
    static const unsigned steps[] = {1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900};
    size_t at = 0, lead = p->r->plan.lead_ms / 1000;
    while (p->seconds / steps[at] > 10 && at + 1 < sizeof steps / sizeof *steps) at++;
    for (size_t s = lead % steps[at]; s <= p->seconds; s += steps[at]) {
        line_at(p->out, "axis", x_of(p, (double)s), foot, x_of(p, (double)s), foot + 4);
        text(p->out, x_of(p, (double)s), foot + 18, "", "middle", in_clock(p->r, s));
    }
}

static void chart(const struct picture *p, size_t at) {
    const struct chart *c = &charts[at];
    double top = TOP + 20 + (double)at * PITCH, foot = top + CHART, most = axis_most(p, c);
    char title[80];
    snprintf(title, sizeof title, "%s%s%s", c->title, *c->unit ? ", " : "", c->unit);
    text(p->out, LEFT, top - 8, "t", "start", title);
    axis(p, c, foot, most);
    for (size_t i = 0; i < 4 && c->series[i].label; i++) {
        double y = top + 8 + 20 * (double)i;
        line(p, c, &c->series[i], foot, most);
        fprintf(p->out, "<path class=\"l %s\" d=\"M%d %.1fh22\"/>\n", c->series[i].style,
                LEFT + PLOT + 18, y);
        text(p->out, LEFT + PLOT + 48, y + 4, "", "start", c->series[i].label);
    }
    double opens = x_of(p, (double)p->r->plan.lead_ms / 1000);
    line_at(p->out, "open", opens, top, opens, foot);
    if (at == 0) text(p->out, opens + 5, top + 10, "", "start", "sales open");
    time_axis(p, foot);
}

bool rehearsal_picture(const struct rehearsal *r, const char *path) {
    const int height = TOP + CHARTS * PITCH + 34;
    struct picture p = {.r = r, .out = fopen(path, "we"), .seconds = rehearsal_seconds(r)};
    char line[300];
    if (!p.out) return false;
    p.step = p.seconds / POINTS_MAX + 1;
    p.points = (p.seconds + p.step - 1) / p.step;
    fprintf(p.out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\" role=\"img\" aria-labelledby=\"title\">\n<title id=\"title\">",
            WIDTH, height, WIDTH, height);
    fprintf(p.out, "Rehearsal, concert %" PRIu64 "</title>\n<style>%s</style>\n", r->copy.id.v,
            sheet);
    fprintf(p.out, "<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n", WIDTH, height);
    text(p.out, LEFT, 28, "h", "start", r->copy.title);
    snprintf(line, sizeof line,
             "concert %" PRIu64 " · %s people, %u %% misbehaving · at most %s in at a time · %s "
             "sales",
             r->copy.id.v, in_thousands(r->plan.people), r->plan.misbehaving_percent,
             in_thousands(r->copy.max_active), in_thousands(r->seen->sold));
    text(p.out, LEFT, 48, "", "start", line);
    for (size_t i = 0; i < CHARTS; i++) chart(&p, i);
    text(p.out, LEFT + PLOT / 2.0, height - 10, "", "middle", "minutes:seconds from the opening");
    fputs("</svg>\n", p.out);
    bool ok = !ferror(p.out);
    int error = errno;
    if (fclose(p.out)) return false;
    errno = error;
    return ok;
}
