/* Writing static queue files. */
#include "board/queue_file.h"

#include "base/json.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool queue_file_write(const char *dir, const struct board_queue *queue) {
    char path[PATH_MAX], aside[PATH_MAX];
    struct json_object *o = json_object_new_object();
    json_add_u64(o, "concertId", queue->concert);
    json_add_u64(o, "tail", queue->tail);
    json_add_u64(o, "admittedThrough", queue->admitted_through);
    json_add_u64(o, "waiting", queue->waiting);
    json_add_u64(o, "active", queue->active);
    json_add_u64(o, "maxActive", queue->max_active);
    json_add_u64(o, "admittedPerMinute", queue->admitted_per_minute);
    json_add(o, "paused", json_object_new_boolean(queue->paused != 0));
    json_add_u64(o, "seatsLeft", queue->seats.left);
    json_add_time(o, "updatedAt", queue->updated_at_ms);
    size_t len;
    const char *text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN, &len);
    snprintf(path, sizeof path, "%s/%" PRIu64 ".json", dir, queue->concert);
    snprintf(aside, sizeof aside, "%s/.%" PRIu64 ".next", dir, queue->concert);
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    /* For nginx, whatever the umask. */
    bool ok = fd >= 0 && fchmod(fd, 0644) == 0 && write(fd, text, len) == (ssize_t)len;
    if (fd >= 0 && close(fd)) ok = false;
    if (ok) ok = rename(aside, path) == 0;
    if (!ok) log_line(LOG_L_WARNING, "queue_state_dir: %s: %s", path, strerror(errno));
    json_object_put(o);
    return ok;
}
