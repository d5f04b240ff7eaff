/* boxoffice-fcgi: arguments and settings, then the master. */
#include "conf.h"
#include "log.h"
#include "pool.h"
#include "title.h"
#include "token.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

static void usage(FILE *out) {
    fputs("Usage: boxoffice-fcgi [--config FILE] [--version] [--help]\n"
          "Serves the box office to nginx until TERM. HUP reads the settings again.\n",
          out);
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"version", no_argument, NULL, 'V'}, {"help", no_argument, NULL, 'h'}, {0}};
    static struct conf conf;
    static struct token_keys keys;
    static char path[4096] = CONF_FILE_DEFAULT;
    char why[600];
    /* libfcgi waits for a peer to close: nginx does so at once or never. */
    setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "100", 0);
    title_init(argc, argv); /* after it the environment stays as it is */
    for (int c; (c = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1;) {
        switch (c) {
        case 'c': snprintf(path, sizeof path, "%s", optarg); break; /* titles are written over argv */
        case 'V': puts("boxoffice-fcgi " PACKAGE_VERSION); return 0;
        case 'h': usage(stdout); return 0;
        default: usage(stderr); return 2;
        }
    }
    if (optind < argc) {
        usage(stderr);
        return 2;
    }
    if (!conf_load(path, &conf, why, sizeof why) || !token_keys_load(conf.token_keys_file, &keys, why, sizeof why)) {
        fprintf(stderr, "boxoffice-fcgi: %s\n", why);
        return 1;
    }
    log_init("master", (int)conf.log_level);
    if (mkdir(conf.queue_state_dir, 0755) == 0) chmod(conf.queue_state_dir, 0755);
    return pool_run(&conf, &keys, path);
}
