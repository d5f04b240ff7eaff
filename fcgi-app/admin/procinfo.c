/* SPDX-License-Identifier: 0BSD */
/* Reading /proc. */
#include "admin/procinfo.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INODES_MAX 16
#define LISTENING 0x0a

static FILE *open_proc(pid_t pid, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return fopen(path, "re");
}

static void take_groups(const char *list, struct procinfo *who) {
    char *end;
    for (unsigned long g = strtoul(list, &end, 10); end != list && who->gids < PROCINFO_GROUPS_MAX;
         g = strtoul(list, &end, 10)) {
        who->gid[who->gids++] = (gid_t)g;
        list = end;
    }
}

bool procinfo_of(pid_t pid, struct procinfo *who_r) {
    char line[2048];
    unsigned effective;
    *who_r = (struct procinfo){0};
    FILE *f = open_proc(pid, "status");
    if (!f) return false;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "Uid: %*u %u", &effective) == 1) {
            who_r->uid = effective;
            who_r->pid = pid;
        }
        if (sscanf(line, "Gid: %*u %u", &effective) == 1) who_r->gid[who_r->gids++] = effective;
        if (strncmp(line, "Groups:", 7) == 0) take_groups(line + 7, who_r);
    }
    fclose(f);
    f = open_proc(pid, "limits");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "Max open files", 14) == 0)
            who_r->files_max = strtoull(line + 14, NULL, 10);
    if (f) fclose(f);
    return who_r->pid != 0;
}

const char *procinfo_name(const struct procinfo *who) {
    static char number[16];
    const struct passwd *p = getpwuid(who->uid);
    snprintf(number, sizeof number, "%u", (unsigned)who->uid);
    return p ? p->pw_name : number;
}

/* --- files --- */

static bool in_group(const struct procinfo *who, gid_t gid) {
    for (size_t i = 0; i < who->gids; i++)
        if (who->gid[i] == gid) return true;
    return false;
}

/* R_OK, W_OK and X_OK are the bits of a mode. */
static bool may_at(const struct procinfo *who, const char *path, int mode) {
    struct stat st;
    if (stat(path, &st)) return false;
    if (who->uid == 0) return true;
    unsigned bits = who->uid == st.st_uid      ? st.st_mode >> 6
                    : in_group(who, st.st_gid) ? st.st_mode >> 3
                                               : st.st_mode;
    return (bits & (unsigned)mode) == (unsigned)mode;
}

bool procinfo_may(const struct procinfo *who, const char *path, int mode) {
    char at[PATH_MAX];
    if (!realpath(path, at)) return false;
    if (!may_at(who, at, mode)) return false;
    for (char *slash = strrchr(at, '/'); slash && slash != at; slash = strrchr(at, '/')) {
        *slash = 0;
        if (!may_at(who, at, X_OK)) return false;
    }
    return true;
}

/* --- who listens --- */

static size_t listening(const char *table, unsigned port, unsigned long inode_r[INODES_MAX],
                        size_t count) {
    char line[512];
    FILE *f = fopen(table, "re");
    while (f && fgets(line, sizeof line, f) && count < INODES_MAX) {
        unsigned at, state;
        unsigned long inode;
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %lu", &at,
                   &state, &inode) == 3 &&
            at == port && state == LISTENING)
            inode_r[count++] = inode;
    }
    if (f) fclose(f);
    return count;
}

static bool has_one(pid_t pid, const unsigned long *inode, size_t count) {
    char path[320], link[64];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && !found && (e = readdir(dir));) {
        snprintf(path, sizeof path, "/proc/%d/fd/%s", (int)pid, e->d_name);
        ssize_t n = readlink(path, link, sizeof link - 1);
        if (n <= 0) continue;
        link[n] = 0;
        for (size_t i = 0; i < count; i++) {
            char wanted[40];
            snprintf(wanted, sizeof wanted, "socket:[%lu]", inode[i]);
            found |= strcmp(link, wanted) == 0;
        }
    }
    if (dir) closedir(dir);
    return found;
}

static bool is_called(pid_t pid, const char *name) {
    char line[64] = "";
    FILE *f = open_proc(pid, "comm");
    if (!f) return false;
    if (!fgets(line, sizeof line, f)) *line = 0;
    fclose(f);
    line[strcspn(line, "\n")] = 0;
    return strcmp(line, name) == 0;
}

static bool is_worker(pid_t pid) {
    char title[256] = "";
    FILE *f = open_proc(pid, "cmdline");
    if (!f) return false;
    if (!fgets(title, sizeof title, f)) *title = 0;
    fclose(f);
    return strstr(title, "worker process") != NULL;
}

bool procinfo_listens(const char *name, unsigned port, struct procinfo *who_r) {
    unsigned long inode[INODES_MAX];
    size_t count =
        listening("/proc/net/tcp6", port, inode, listening("/proc/net/tcp", port, inode, 0));
    pid_t found = 0;
    bool worker = false;
    DIR *proc = count ? opendir("/proc") : NULL;
    for (struct dirent *e; proc && !worker && (e = readdir(proc));) {
        pid_t pid = isdigit((unsigned char)*e->d_name) ? (pid_t)strtol(e->d_name, NULL, 10) : 0;
        if (!pid || !is_called(pid, name) || !has_one(pid, inode, count)) continue;
        found = pid;
        worker = is_worker(pid);
    }
    if (proc) closedir(proc);
    *who_r = (struct procinfo){0};
    return found && procinfo_of(found, who_r);
}
