/* SPDX-License-Identifier: 0BSD */
/* Looking at the service and the host. */
#include "admin/rehearse_watch.h"

#include "admin/probe.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *program_name(enum watch_program program) {
    static const char *const names[PROGRAMS] = {"nginx", "boxoffice-fcgi", "the database"};
    return names[program];
}

/* --- /proc --- */

static struct watch_cpu read_cpu(void) {
    struct watch_cpu cpu = {0};
    uint64_t v[8] = {0};
    FILE *f = fopen("/proc/stat", "re");
    if (!f) return cpu;
    int n = fscanf(f,
                   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                   " %" SCNu64 " %" SCNu64,
                   &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
    fclose(f);
    for (int i = 0; i < n; i++) cpu.all += v[i];
    cpu.idle = v[3] + v[4]; /* idle, and waiting for a disk */
    return cpu;
}

/* Its file's first line, up to a NUL. */
static bool read_line(const char *pid, const char *file, char *line_r, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%.20s/%s", pid, file);
    FILE *f = fopen(path, "re");
    if (!f) return false;
    bool any = fgets(line_r, (int)size, f) != NULL;
    fclose(f);
    return any;
}

/* The service's processes are named after what they do; their titles begin with the program. */
static bool program_of(const char *pid, const char *name, enum watch_program *program_r) {
    static const struct {
        const char *name;
        enum watch_program program;
    } known[] = {{"nginx", PROGRAM_NGINX},
                 {"boxoffice-fcgi", PROGRAM_SERVICE},
                 {"mariadbd", PROGRAM_DATABASE},
                 {"mysqld", PROGRAM_DATABASE}};
    char title[64];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) != 0) continue;
        *program_r = known[i].program;
        return true;
    }
    *program_r = PROGRAM_SERVICE;
    return read_line(pid, "cmdline", title, sizeof title) &&
           strncmp(title, "boxoffice-fcgi:", strlen("boxoffice-fcgi:")) == 0;
}

static bool read_process(const char *pid, enum watch_program *program_r, uint64_t *ms_r) {
    char line[600];
    uint64_t user, kernel;
    if (!read_line(pid, "stat", line, sizeof line)) return false;
    char *name = strchr(line, '('), *end = strrchr(line, ')');
    if (!name || !end) return false;
    *end = 0;
    if (sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &user,
               &kernel) != 2)
        return false;
    *ms_r = (user + kernel) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
    return program_of(pid, name + 1, program_r);
}

static struct watch_programs read_programs(void) {
    struct watch_programs p = {0};
    enum watch_program program;
    uint64_t ms;
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && (e = readdir(proc));)
        if (isdigit((unsigned char)*e->d_name) && read_process(e->d_name, &program, &ms))
            p.ms[program] += ms;
    if (proc) closedir(proc);
    return p;
}

/* --- /status --- */

static uint64_t member(struct json_object *o, const char *part, const char *name) {
    struct json_object *in, *v;
    return json_object_object_get_ex(o, part, &in) && in &&
                   json_object_object_get_ex(in, name, &v) && v
               ? json_object_get_uint64(v)
               : 0;
}

static struct watch_counts counts_of(struct json_object *o) {
    struct json_object *errors;
    return (struct watch_counts){
        .database_ms = member(o, "database", "busyMs"),
        .statements = member(o, "database", "statements"),
        .retries = member(o, "database", "retries"),
        .batches = member(o, "pool", "batches"),
        .batched = member(o, "pool", "batched"),
        .limited = member(o, "nginxErrors", err_name(E_RATE_LIMITED)),
        .busy = member(o, "nginxErrors", err_name(E_BUSY)),
        .nginx_known = json_object_object_get_ex(o, "nginxErrors", &errors) && errors,
    };
}

/* NULL: it can't be looked at; the first time, w->why says why. */
static struct json_object *ask(struct watch *w) {
    char *body;
    int status = probe_fcgi(w->conf->listen_socket, "/status", &body);
    struct json_object *o = status == 200 ? json_tokener_parse(body) : NULL;
    free(body);
    if (!o && !*w->why)
        snprintf(w->why, sizeof w->why, "%.120s: %s", w->conf->listen_socket,
                 status < 0 ? strerror(-status) : "no /status there");
    return o;
}

void watch_begin(struct watch *w_r, const struct conf *conf) {
    *w_r = (struct watch){.conf = conf, .before = read_programs(), .cpu = read_cpu()};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    w_r->cores = cores > 0 ? (unsigned)cores : 1;
    struct json_object *o = ask(w_r);
    if (!o) return;
    w_r->seen = true;
    w_r->readers = member(o, "pool", "workers");
    w_r->writers = member(o, "pool", "writers");
    w_r->first = w_r->last = counts_of(o);
    json_object_put(o);
}

static uint32_t percent(uint64_t part, uint64_t all) {
    return all ? (uint32_t)(part * 100 / all) : 0;
}

void watch_second(struct watch *w, struct second *s_r) {
    struct watch_cpu cpu = read_cpu();
    uint64_t all = cpu.all - w->cpu.all, idle = cpu.idle - w->cpu.idle;
    s_r->cpu_percent = percent(all > idle ? all - idle : 0, all);
    w->cpu = cpu;
    struct json_object *o = w->seen ? ask(w) : NULL;
    if (!o) return;
    struct watch_counts now = counts_of(o);
    /* One reader is busy with this very question. */
    uint64_t readers = member(o, "pool", "busy");
    s_r->readers_percent =
        percent(readers > 0 ? readers - 1 : 0, w->readers > 1 ? w->readers - 1 : 1);
    s_r->writers_percent = percent(member(o, "pool", "writersBusy"), w->writers);
    s_r->database_ms = (uint32_t)(now.database_ms - w->last.database_ms);
    s_r->board_age_ms = (uint32_t)member(o, "pool", "boardAgeMs");
    s_r->watched = true;
    w->last = now;
    json_object_put(o);
}

void watch_end(struct watch *w) {
    struct watch_programs now = read_programs();
    for (size_t i = 0; i < PROGRAMS; i++)
        w->program_ms[i] = now.ms[i] > w->before.ms[i] ? now.ms[i] - w->before.ms[i] : 0;
    struct json_object *o = w->seen ? ask(w) : NULL;
    if (o) w->last = counts_of(o);
    json_object_put(o);
}
