/* SPDX-License-Identifier: 0BSD */
/* Which file is the current one of a hall stands in shared memory: a slot a hall, read under a
 * version (odd while it is written) and written by who holds its lock, a process id. Files live
 * until they are SPARE makings old: nginx, which was told their names, opens them at once. */
#include "board/seat_file.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define SLOTS 1024
#define PROBES 8
#define SPARE 6
#define STALE_MS 100 /* that an answer may be older than a tick */
#define WAIT_MS 60   /* for the process that makes it */
#define GZIP_LEVEL 1 /* five times as fast as the usual one, for a fifth more bytes */

typedef _Atomic uint64_t word;

/* What a making shows, and as of when. */
struct made {
    uint64_t performance, serial, tag;
    uint64_t made_ms;                /* monotonic */
    uint64_t changes, seq, until_ms; /* of the board's seats; see board_seats_read */
};
#define MADE_WORDS (sizeof(struct made) / sizeof(uint64_t))

struct slot {
    word performance; /* 0: free; given once */
    word maker;       /* process id; 0: nobody */
    word version;
    word made[MADE_WORDS];
    word spare[SPARE]; /* serials of the ones before; written by the maker only */
};

static struct slot *slots; /* shared with the processes forked since; NULL: no files are made */

/* --- the text --- */

void seat_list_text(struct strbuf *t, const struct board_performance *p, const uint8_t *state,
                    uint64_t available) {
    static const char *const end[] = {",\"status\":\"AVAILABLE\"}", ",\"status\":\"HELD\"}",
                                      ",\"status\":\"SOLD\"}"};
    static const size_t end_len[] = {22, 17, 17};
    struct strbuf price = {0};
    assert(available <= p->total_seats);
    STRBUF_LITERAL(&price, ",\"price\":");
    strbuf_u64(&price, p->price_minor);
    STRBUF_LITERAL(t, "{\"performanceId\":");
    strbuf_u64(t, p->performance);
    STRBUF_LITERAL(t, ",\"totalSeats\":");
    strbuf_u64(t, p->total_seats);
    STRBUF_LITERAL(t, ",\"availableSeats\":");
    strbuf_u64(t, available);
    STRBUF_LITERAL(t, ",\"seats\":[");
    for (uint64_t i = 0; i < p->total_seats; i++) {
        if (i) STRBUF_LITERAL(t, ",");
        STRBUF_LITERAL(t, "{\"seatNumber\":");
        strbuf_u64(t, i + 1);
        strbuf_bytes(t, price.bytes, price.len);
        strbuf_bytes(t, end[state[i]], end_len[state[i]]);
    }
    STRBUF_LITERAL(t, "]}");
    free(price.bytes);
}

/* --- files --- */

static void folder(const char *dir, char path_r[PATH_MAX]) {
    snprintf(path_r, PATH_MAX, "%.4000s/seats", dir);
}

static void name_of(uint64_t performance, uint64_t serial, char name_r[SEAT_FILE_NAME_SIZE]) {
    snprintf(name_r, SEAT_FILE_NAME_SIZE, "%" PRIu64 "-%" PRIx64 ".json", performance, serial);
}

static void remove_file(const char *dir, uint64_t performance, uint64_t serial) {
    char path[PATH_MAX], name[SEAT_FILE_NAME_SIZE];
    if (!serial) return;
    name_of(performance, serial, name);
    snprintf(path, sizeof path, "%.4000s/seats/%s", dir, name);
    unlink(path);
    snprintf(path, sizeof path, "%.4000s/seats/%s.gz", dir, name);
    unlink(path);
}

bool seat_files_open(const char *dir) {
    char path[PATH_MAX], file[PATH_MAX + NAME_MAX + 2];
    folder(dir, path);
    if (mkdir(path, 0755) == 0) chmod(path, 0755); /* for nginx, whatever the umask */
    DIR *d = opendir(path);
    if (!d) {
        log_line(LOG_L_WARNING, "queue_state_dir: %s: %s", path, strerror(errno));
        return false;
    }
    /* What a service before this one has left. */
    for (struct dirent *entry; (entry = readdir(d));) {
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (*entry->d_name != '.') unlink(file);
    }
    closedir(d);
    void *m = mmap(NULL, SLOTS * sizeof *slots, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                   -1, 0);
    if (m == MAP_FAILED) return false;
    slots = m;
    return true;
}

static bool write_bytes(const char *dir, const char *name, const char *end, const void *bytes,
                        size_t len) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.4000s/seats/%s%s", dir, name, end);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool ok = fd >= 0 && fchmod(fd, 0644) == 0;
    for (size_t done = 0; ok && done < len;) {
        ssize_t n = write(fd, (const char *)bytes + done, len - done);
        if (n < 0 && errno == EINTR) continue;
        ok = n > 0;
        done += ok ? (size_t)n : 0;
    }
    int error = errno;
    if (fd >= 0 && close(fd)) ok = false;
    if (!ok) log_line(LOG_L_WARNING, "queue_state_dir: %s: %s", path, strerror(error));
    return ok;
}

/* As gzip does it (RFC 1952). False without memory. */
static bool zip(const struct strbuf *text, struct strbuf *zipped_r) {
    z_stream z = {0};
    if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    size_t most = deflateBound(&z, text->len);
    z.next_out = (Bytef *)strbuf_room(zipped_r, most);
    z.avail_out = (uInt)most;
    z.next_in = (Bytef *)text->bytes;
    z.avail_in = (uInt)text->len;
    bool ok = deflate(&z, Z_FINISH) == Z_STREAM_END;
    zipped_r->len = z.total_out;
    deflateEnd(&z);
    return ok;
}

/* --- slots --- */

#define GET(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define PUT(x, v) atomic_store_explicit(&(x), (v), memory_order_relaxed)

/* The hall's slot, made when there is room; NULL: none. */
static struct slot *slot_of(uint64_t performance) {
    for (uint64_t i = 0; slots && i < PROBES; i++) {
        struct slot *s = &slots[(performance * 0x9e3779b97f4a7c15u + i) % SLOTS];
        uint64_t there = GET(s->performance);
        if (there == 0 && atomic_compare_exchange_strong(&s->performance, &there, performance))
            return s;
        if (there == performance) return s;
    }
    return NULL;
}

/* False: never made. */
static bool read_made(struct slot *s, struct made *made_r) {
    uint64_t words[MADE_WORDS];
    for (int tries = 0; tries < 1000; tries++) {
        uint64_t version = atomic_load_explicit(&s->version, memory_order_acquire);
        if (version == 0) return false;
        for (size_t i = 0; i < MADE_WORDS; i++) words[i] = GET(s->made[i]);
        atomic_thread_fence(memory_order_acquire);
        if (!(version & 1) && GET(s->version) == version) {
            memcpy(made_r, words, sizeof words);
            return true;
        }
    }
    return false; /* its maker was killed in the middle; the next one mends it */
}

static void write_made(struct slot *s, const struct made *made) {
    uint64_t words[MADE_WORDS];
    memcpy(words, made, sizeof words);
    PUT(s->version, GET(s->version) | 1);
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < MADE_WORDS; i++) PUT(s->made[i], words[i]);
    atomic_store_explicit(&s->version, GET(s->version) + 1, memory_order_release);
}

static bool try_lock(struct slot *s) {
    uint64_t there = atomic_load(&s->maker), mine = (uint64_t)getpid();
    if (there == 0) return atomic_compare_exchange_strong(&s->maker, &there, mine);
    /* One that was killed while it made a file holds up nobody. (One that died before another got
     * its number may.) */
    if (there != mine && (kill((pid_t)there, 0) == 0 || errno != ESRCH)) return false;
    return atomic_compare_exchange_strong(&s->maker, &there, mine);
}

static void unlock(struct slot *s) { atomic_store(&s->maker, 0); }

/* --- making --- */

static bool make(const char *dir, const struct board *board, const struct board_performance *p,
                 struct slot *s, struct made *made_r) {
    struct strbuf text = {0}, zipped = {0};
    uint8_t *state = malloc(p->total_seats);
    uint64_t available, now_ms = board_now_ms(board);
    struct made m = {
        .performance = p->performance, .made_ms = clock_mono_ms(), .serial = clock_mono_ns()};
    char name[SEAT_FILE_NAME_SIZE];
    name_of(p->performance, m.serial, name);
    bool ok = state &&
              board_seats_changes(board, (struct performance_id){p->performance}, &m.changes) &&
              board_seats_read(board, (struct performance_id){p->performance}, now_ms, state,
                               &available, &m.seq, &m.until_ms);
    if (ok) {
        seat_list_text(&text, p, state, available);
        m.tag = hash_bytes(0, text.bytes, text.len);
        ok = zip(&text, &zipped) && write_bytes(dir, name, "", text.bytes, text.len) &&
             write_bytes(dir, name, ".gz", zipped.bytes, zipped.len);
    }
    if (ok) {
        struct made before;
        uint64_t out = GET(s->spare[SPARE - 1]);
        for (size_t i = SPARE - 1; i > 0; i--) PUT(s->spare[i], GET(s->spare[i - 1]));
        PUT(s->spare[0], read_made(s, &before) ? before.serial : 0);
        write_made(s, &m);
        remove_file(dir, p->performance, out);
        *made_r = m;
    }
    free(state);
    free(text.bytes);
    free(zipped.bytes);
    return ok;
}

/* Nothing was noted since, and no hold has run out. */
static bool is_unchanged(const struct board *board, const struct made *m) {
    uint64_t changes;
    return board_seats_changes(board, (struct performance_id){m->performance}, &changes) &&
           changes == m->changes && (m->until_ms == 0 || board_now_ms(board) < m->until_ms);
}

static bool told(const struct made *m, struct seat_file *file_r) {
    file_r->tag = m->tag;
    name_of(m->performance, m->serial, file_r->name);
    return true;
}

bool seat_file_find(const char *dir, const struct board *board, const struct board_performance *p,
                    uint64_t own_seq, uint64_t tick_ms, struct seat_file *file_r) {
    struct slot *s = slot_of(p->performance);
    uint64_t began_ms = clock_mono_ms();
    struct made m;
    if (!s) return false;
    do {
        uint64_t now_ms = clock_mono_ms();
        bool made = read_made(s, &m) && m.performance == p->performance;
        bool young = made && now_ms - m.made_ms <= tick_ms;
        if (made && (young || is_unchanged(board, &m))) return m.seq >= own_seq && told(&m, file_r);
        if (try_lock(s)) {
            bool ok = make(dir, board, p, s, &m);
            unlock(s);
            return ok && m.seq >= own_seq && told(&m, file_r);
        }
        if (made && now_ms - m.made_ms <= tick_ms + STALE_MS && m.seq >= own_seq)
            return told(&m, file_r);
        clock_sleep_ms(1);
    } while (clock_mono_ms() - began_ms < WAIT_MS);
    return false;
}
