/* SPDX-License-Identifier: 0BSD */
/* Who runs here, and what they may do with a file: users and groups of processes, by /proc. For
 * `boxofficectl check`. */
#ifndef BOXOFFICE_PROCINFO_H
#define BOXOFFICE_PROCINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCINFO_GROUPS_MAX 64

struct procinfo {
    pid_t pid; /* 0: not known */
    uid_t uid;
    gid_t gid[PROCINFO_GROUPS_MAX];
    size_t gids;
    uint64_t files_max; /* RLIMIT_NOFILE */
};

/* The process of that number; false, and pid 0, when there is none or it may not be looked at. */
bool procinfo_of(pid_t pid, struct procinfo *who_r);
/* The process of that program name (its workers rather than its master) that listens on a TCP port
 * here. */
bool procinfo_listens(const char *name, unsigned port, struct procinfo *who_r);
/* Whether it may read (R_OK), write (W_OK), search or run (X_OK) a file, and reach it through the
 * folders above, by owner, group and mode. Access control lists are not looked at. False also when
 * there is no such file. */
bool procinfo_may(const struct procinfo *who, const char *path, int mode);
/* Its user's name, or the number. Static memory. */
const char *procinfo_name(const struct procinfo *who);

#endif
