/* SPDX-License-Identifier: 0BSD */
/* What the seconds of a rehearsal say. */
#include "admin/rehearse_figures.h"

#include <assert.h>
#include <math.h>

#define FULL_PERCENT 95
#define SLOW_US 1000000
#define LATE_MS 1000
#define SHARE_MAX 100 /* one answer in so many refused or failed is too many */
#define WINDOW_S_MIN 5
#define WINDOW_S_MAX 30

const char *strain_text(enum strain strain) {
    static const char *const texts[STRAINS] = {
        "the processor: all cores are busy",
        "the writers: all are busy",
        "the readers: all are busy",
        "nginx's limits: people who behave are refused with 429",
        "the service is overloaded: answers are 503",
        "answers fail (5xx), or do not come",
        "the time of answers: one in a hundred takes more than a second",
        "the ticker: it is more than a second late",
    };
    return texts[strain];
}

static bool strained(const struct second *s, enum strain strain) {
    switch (strain) {
    case STRAIN_CPU: return s->watched && s->cpu_percent >= FULL_PERCENT;
    case STRAIN_WRITERS: return s->watched && s->writers_percent >= FULL_PERCENT;
    case STRAIN_READERS: return s->watched && s->readers_percent >= FULL_PERCENT;
    case STRAIN_LIMITS: return s->limited_good > 0 && s->limited_good * SHARE_MAX >= s->answers;
    case STRAIN_BUSY: return s->busy > 0 && s->busy * SHARE_MAX >= s->answers;
    case STRAIN_FAILED: return s->failed > 0 && s->failed * SHARE_MAX >= s->answers;
    case STRAIN_SLOW: return s->p99_us > SLOW_US;
    case STRAIN_BOARD: return s->watched && s->board_age_ms > LATE_MS;
    case STRAINS: break;
    }
    return false;
}

bool figures_gave_way(const struct second *second, size_t count, enum strain strain, size_t *at_r) {
    for (size_t i = 0; i < count; i++) {
        unsigned times = 0;
        for (size_t k = i; k < count && k < i + 5; k++) times += strained(&second[k], strain);
        if (times < 3 || !strained(&second[i], strain)) continue;
        *at_r = i;
        return true;
    }
    return false;
}

/* The window with the most sales; the first of equals. */
static size_t best_window(const struct second *second, size_t count, size_t width) {
    uint64_t sales = 0, best = 0;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        sales += second[i].sales;
        if (i >= width) sales -= second[i - width].sales;
        if (sales <= best) continue;
        best = sales;
        at = i + 1 >= width ? i + 1 - width : 0;
    }
    return at;
}

struct facts figures_facts(const struct second *second, size_t count, unsigned cores) {
    assert(cores > 0);
    struct facts f = {0};
    double sales = 0, in = 0, full = 0, watched = 0, cpu = 0, readers = 0, writers = 0, load = 0;
    size_t width = count / 6 < WINDOW_S_MIN   ? WINDOW_S_MIN
                   : count / 6 > WINDOW_S_MAX ? WINDOW_S_MAX
                                              : count / 6;
    if (width > count) width = count;
    f.from = best_window(second, count, width);
    f.to = f.from + width;
    for (const struct second *s = second + f.from; s < second + f.to; s++) {
        sales += s->sales;
        in += s->in;
        full += s->waiting > 0;
        load += s->load_percent;
        if (!s->watched) continue;
        watched++;
        double ours = fmin(s->load_percent / (double)cores, 99);
        cpu += fmin(fmax((s->cpu_percent - ours) / (100 - ours), 0), 1);
        readers += s->readers_percent;
        writers += s->writers_percent;
    }
    if (width == 0) return f;
    f.sales_a_minute = sales * 60 / (double)width;
    f.in = in / (double)width;
    f.in_s_per_sale = sales > 0 ? in / sales : 0;
    f.full = full / (double)width;
    f.load = load / 100 / (double)width;
    f.watched = watched > 0;
    if (!f.watched) return f;
    f.cpu = cpu / watched;
    f.readers = readers / 100 / watched;
    f.writers = writers / 100 / watched;
    return f;
}

/* Two digits are all that such a figure is worth; upwards. */
static uint64_t rounded(double v) {
    double unit = v < 100 ? 1 : pow(10, floor(log10(v)) - 1);
    return (uint64_t)(ceil(v / unit) * unit);
}

struct advice figures_advise(const struct facts *f, uint64_t think_ms) {
    struct advice a = {0};
    if (f->sales_a_minute <= 0) return a;
    const struct {
        enum narrow narrow;
        double used;
    } rows[] = {{NARROW_CPU, f->cpu}, {NARROW_READERS, f->readers}, {NARROW_WRITERS, f->writers}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].used <= a.used) continue;
        a.used = rows[i].used;
        a.narrow = rows[i].narrow;
    }
    double times = a.used > 0 ? ADVICE_USED_MAX / a.used : 1;
    if (times > ADVICE_TIMES_MAX) times = ADVICE_TIMES_MAX;
    a.known = true;
    a.sales_a_minute = f->sales_a_minute * times;
    /* People here think less than people do, when the rehearsal is short. */
    double quicker_ms = REHEARSE_THINK_MS > think_ms ? (double)(REHEARSE_THINK_MS - think_ms) : 0;
    a.in_s_per_sale = f->in_s_per_sale + quicker_ms / 1000;
    a.max_active = rounded(fmax(a.sales_a_minute / 60 * a.in_s_per_sale, 1));
    return a;
}
