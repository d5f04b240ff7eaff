/* SPDX-License-Identifier: 0BSD */
/* Writing static queue files. */
#include "board/queue_file.h"

#include "base/log.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void queue_file_text(struct strbuf *t, const struct board_queue *q, uint64_t at_ms) {
    assert(t && q && q->concert);
    const struct {
        const char *name;
        uint64_t v;
    } numbers[] = {{"{\"concertId\":", q->concert},
                   {",\"tail\":", q->tail},
                   {",\"admittedThrough\":", q->admitted_through},
                   {",\"waiting\":", q->waiting},
                   {",\"active\":", q->active},
                   {",\"maxActive\":", q->max_active},
                   {",\"admittedPerMinute\":", q->admitted_per_minute}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        strbuf_bytes(t, numbers[i].name, strlen(numbers[i].name));
        strbuf_u64(t, numbers[i].v);
    }
    if (q->paused)
        STRBUF_LITERAL(t, ",\"paused\":true,\"seatsLeft\":");
    else
        STRBUF_LITERAL(t, ",\"paused\":false,\"seatsLeft\":");
    strbuf_u64(t, q->seats.left);
    STRBUF_LITERAL(t, ",\"updatedAt\":");
    strbuf_json_time(t, at_ms);
    STRBUF_LITERAL(t, "}");
}

static void path_of(const char *dir, uint64_t concert, const char *form, char path_r[PATH_MAX]) {
    int n = snprintf(path_r, PATH_MAX, "%s/", dir);
    assert(n > 0 && n < PATH_MAX - 40);
    snprintf(path_r + n, (size_t)(PATH_MAX - n),
             form[0] == '.' ? ".%" PRIu64 ".next" : "%" PRIu64 ".json", concert);
}

bool queue_file_write(const char *dir, const struct board_queue *queue, uint64_t at_ms) {
    assert(dir && *dir && queue && queue->concert);
    char path[PATH_MAX], aside[PATH_MAX];
    struct strbuf t = {0};
    queue_file_text(&t, queue, at_ms);
    path_of(dir, queue->concert, "json", path);
    path_of(dir, queue->concert, ".next", aside);
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    /* For nginx, whatever the umask. In one piece: a disk that takes a part is full. */
    bool ok = fd >= 0 && fchmod(fd, 0644) == 0 && write(fd, t.bytes, t.len) == (ssize_t)t.len;
    if (fd >= 0 && close(fd)) ok = false;
    if (ok) ok = rename(aside, path) == 0;
    if (!ok) log_line(LOG_L_WARNING, "queue_state_dir: %s: %s", path, strerror(errno));
    free(t.bytes);
    return ok;
}

void queue_file_remove(const char *dir, struct concert_id concert) {
    assert(dir && *dir && concert.v);
    char path[PATH_MAX];
    path_of(dir, concert.v, "json", path);
    unlink(path);
}

void queue_file_list(const char *dir, void (*each)(void *ctx, struct concert_id concert),
                     void *ctx) {
    assert(dir && *dir && each);
    DIR *d = opendir(dir);
    if (!d) return;
    for (struct dirent *entry; (entry = readdir(d));) {
        size_t len = strcspn(entry->d_name, ".");
        uint64_t concert = ids_parse_u64(entry->d_name, len);
        if (concert && strcmp(entry->d_name + len, ".json") == 0)
            each(ctx, (struct concert_id){concert});
    }
    closedir(d);
}
