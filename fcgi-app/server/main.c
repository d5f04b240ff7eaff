/* SPDX-License-Identifier: 0BSD */
/* boxoffice-fcgi: arguments and settings, then the master. */
#include "base/conf.h"
#include "base/log.h"
#include "base/proctitle.h"
#include "base/token.h"
#include "board/seat_file.h"
#include "server/pool.h"
#include "store/db.h"
#include "store/migrate.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

static void usage(FILE *out) {
    fputs("Usage: boxoffice-fcgi [--config FILE] [--version] [--help]\n"
          "Serves the box office to nginx until TERM. HUP reads the settings again.\n",
          out);
}

/* Whether the database is there and of this release. In a process of its own: the master never
 * opens the database. */
static bool database_fits(const struct conf *conf) {
    char why[600];
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        log_init("boxoffice-fcgi", LOG_L_ERROR);
        bool ok = schema_fits(conf, why, sizeof why);
        if (!ok) fprintf(stderr, "boxoffice-fcgi: %s\n", why);
        _exit(!ok);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct conf conf;
    static struct token_keys keys;
    static char path[4096] = CONF_FILE_DEFAULT;
    char why[600];
    /* libfcgi waits for a peer to close: nginx does so at once or never. */
    setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "100", 0);
    proctitle_init(argc, argv); /* after it the environment stays as it is */
    for (int c; (c = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1;) {
        switch (c) {
        case 'c':
            snprintf(path, sizeof path, "%s", optarg);
            break; /* titles are written over argv */
        case 'V': puts("boxoffice-fcgi " PACKAGE_VERSION); return 0;
        case 'h': usage(stdout); return 0;
        default: usage(stderr); return 2;
        }
    }
    if (optind < argc) {
        usage(stderr);
        return 2;
    }
    if (!conf_load(path, &conf, why, sizeof why) ||
        !token_keys_load(conf.token_keys_file, &keys, why, sizeof why) ||
        !db_password_readable(&conf, why, sizeof why)) {
        fprintf(stderr, "boxoffice-fcgi: %s\n", why);
        return 1;
    }
    if (!database_fits(&conf)) return 1;
    log_init("master", (int)conf.log_level);
    if (mkdir(conf.queue_state_dir, 0755) == 0) chmod(conf.queue_state_dir, 0755);
    seat_files_open(conf.queue_state_dir);
    return pool_run(&conf, &keys, path);
}
