/* SPDX-License-Identifier: 0BSD */
/* Checks of files and of this machine. */
#include "admin/check_rows.h"
#include "base/clock.h"
#include "base/token.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define KEY_AGE_DAYS_MAX 365
#define FREE_WRONG_MIB 100
#define FREE_WARNING_PERCENT 10
#define NGINX_FILES_MIN 4096

void check_settings(struct check *c) {
    struct stat st;
    char why[600];
    c->settings_valid = conf_load(c->config_path, &c->conf, why, sizeof why);
    if (!c->settings_valid) {
        check_wrong(c, "%s; a start or reload fails: see boxoffice.conf(5)", why);
        return;
    }
    if (stat(c->config_path, &st) == 0 && st.st_mode & S_IWOTH)
        check_wrong(c, "anybody may change %s: chmod o-w it", c->config_path);
    /* Else a worker that waits for the database, as it may, would be killed for it. */
    if (c->conf.stuck_ms <= c->conf.database_timeout_ms)
        check_warning(
            c, "stuck_ms (%" PRIu64 ") must be above database_timeout_ms (%" PRIu64 "): raise it",
            c->conf.stuck_ms, c->conf.database_timeout_ms);
    if (c->result == RESULT_OK) check_ok(c, "%s", c->config_path);
}

/* True when it can be read on. */
static bool secret_file(struct check *c, const char *path, const char *setting) {
    struct stat st;
    if (stat(path, &st)) {
        check_wrong(c, "%s %s: %s", setting, path, strerror(errno));
        return false;
    }
    if (st.st_mode & 07)
        check_wrong(
            c,
            "others than its owner and group may use %s: chmod o= it, then replace what it holds",
            path);
    if (access(path, R_OK)) {
        check_unchecked(c, "%s can't be read by this user: run this as root", path);
        return false;
    }
    return true;
}

static void password_file(struct check *c, const char *path, const char *setting) {
    char line[256] = "";
    if (!*path || !secret_file(c, path, setting)) return;
    FILE *f = fopen(path, "re");
    if (!f || !fgets(line, sizeof line, f) || *line == '\n')
        check_wrong(c, "%s has no first line: write the password there", path);
    if (f) fclose(f);
    explicit_bzero(line, sizeof line);
}

void check_password_file(struct check *c) {
    const struct conf *conf = &c->conf;
    bool none = !*conf->database_password_file && !*conf->database_migrate_password_file;
    password_file(c, conf->database_password_file, "database_password_file");
    password_file(c, conf->database_migrate_password_file, "database_migrate_password_file");
    if (c->result == RESULT_OK)
        check_ok(c, "%s",
                 none ? "none: the database knows its users by their system accounts"
                      : "for their readers only");
}

void check_token_keys(struct check *c) {
    static struct token_keys keys;
    const char *path = c->conf.token_keys_file;
    struct stat st;
    char why[600];
    if (!secret_file(c, path, "token_keys_file")) return;
    if (!token_keys_load(path, &keys, why, sizeof why)) {
        check_wrong(c, "%s", why);
        return;
    }
    /* Its last change is the latest that the newest key can be from. */
    long days = stat(path, &st) == 0 ? (long)((time(NULL) - st.st_mtime) / 86400) : 0;
    if (days > KEY_AGE_DAYS_MAX)
        check_warning(c,
                      "no new key for %ld days: add one as the last line of %s, send HUP to the "
                      "master, make it the first line, send HUP again",
                      days, path);
    if (c->result == RESULT_OK)
        check_ok(c, "%zu in %s, %s signs", keys.count, path, keys.key[0].id);
    explicit_bzero(&keys, sizeof keys);
}

void check_clock(struct check *c) {
    struct timex t = {0};
    int state = adjtimex(&t);
    if (state < 0)
        check_unchecked(c, "the kernel does not tell: %s", strerror(errno));
    else if (t.status & STA_UNSYNC)
        check_warning(c, "not synchronised: run systemd-timesyncd or chrony here");
    else
        check_ok(c, "synchronised");
}

void check_disk(struct check *c, const char *path) {
    struct statvfs fs;
    if (statvfs(path, &fs) || fs.f_blocks == 0) {
        check_unchecked(c, "%s: %s", path, strerror(errno));
        return;
    }
    uint64_t free_mib = (uint64_t)fs.f_bavail * fs.f_frsize >> 20,
             percent = (uint64_t)fs.f_bavail * 100 / fs.f_blocks;
    /* A small file system (/run) may hold less than that in all, and needs less. */
    bool small = ((uint64_t)fs.f_blocks * fs.f_frsize >> 20) < 10 * FREE_WRONG_MIB;
    if (small ? percent < 1 : free_mib < FREE_WRONG_MIB)
        check_wrong(c, "%" PRIu64 " MiB (%" PRIu64 "%%) free in %s: make room", free_mib, percent,
                    path);
    else if (percent < FREE_WARNING_PERCENT)
        check_warning(c, "%" PRIu64 " MiB (%" PRIu64 "%%) free in %s: make room soon", free_mib,
                      percent, path);
    else if (fs.f_files && fs.f_favail * 100 / fs.f_files < 1)
        check_wrong(c, "%s has no room for new files, although for bytes: remove some", path);
    else
        check_ok(c, "%" PRIu64 " MiB (%" PRIu64 "%%) free in %s", free_mib, percent, path);
}

void check_queue_disk(struct check *c) { check_disk(c, c->conf.queue_state_dir); }

void check_queue_dir(struct check *c) {
    const char *dir = c->conf.queue_state_dir;
    struct stat st;
    if (stat(dir, &st)) {
        check_wrong(c, "queue_state_dir %s: %s; make it, writable by the service's user", dir,
                    strerror(errno));
        return;
    }
    if (!S_ISDIR(st.st_mode)) {
        check_wrong(c, "queue_state_dir %s is no folder", dir);
        return;
    }
    if (!c->service.pid)
        check_unchecked(c, "whether the service may write in %s: no ticker is seen", dir);
    else if (!procinfo_may(&c->service, dir, W_OK | X_OK))
        check_wrong(c, "the service (user %s) may not write in %s: make that user its owner",
                    procinfo_name(&c->service), dir);
    if (!c->nginx.pid)
        check_unchecked(c, "whether nginx may read %s: no nginx is seen behind that address", dir);
    else if (!procinfo_may(&c->nginx, dir, X_OK))
        check_wrong(c, "nginx (user %s) may not read in %s: chmod a+x it and the folders above",
                    procinfo_name(&c->nginx), dir);
    if (c->result == RESULT_OK)
        check_ok(c, "%s is written by %s, and nginx may read there", dir,
                 procinfo_name(&c->service));
}

void check_backlog(struct check *c) {
    uint64_t most = 0;
    FILE *f = fopen("/proc/sys/net/core/somaxconn", "re");
    bool known = f && fscanf(f, "%" SCNu64, &most) == 1;
    if (f) fclose(f);
    if (!known)
        check_unchecked(c, "the kernel does not tell net.core.somaxconn");
    else if (most < c->conf.listen_backlog)
        check_warning(c,
                      "listen_backlog is %" PRIu64 ", but the kernel cuts it to %" PRIu64
                      ": sysctl -w net.core.somaxconn=%" PRIu64 " and restart",
                      c->conf.listen_backlog, most, c->conf.listen_backlog);
    else
        check_ok(c, "%" PRIu64 " connections may wait", c->conf.listen_backlog);
}

void check_open_files(struct check *c) {
    if (!c->nginx.pid)
        check_unchecked(c, "no nginx is seen behind that address");
    else if (c->nginx.files_max < NGINX_FILES_MIN)
        check_warning(c,
                      "nginx may open %" PRIu64
                      " files, two for each client at work: set worker_rlimit_nofile and "
                      "worker_connections to %d or more",
                      c->nginx.files_max, NGINX_FILES_MIN);
    else
        check_ok(c, "nginx may open %" PRIu64, c->nginx.files_max);
}
