/* SPDX-License-Identifier: 0BSD */
/* Process titles: the kernel shows what lies where argv was, up to the end of the environment's
 * strings. */
#include "base/proctitle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

extern char **environ;

static char *room;
static size_t room_size;

void proctitle_init(int argc, char **argv) {
    char *end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
    size_t n = 0;
    for (; environ[n]; n++)
        if (environ[n] == end) end += strlen(environ[n]) + 1;
    static char **moved __attribute__((used)); /* kept, whatever becomes of environ */
    moved = calloc(n + 1, sizeof *moved);
    if (!moved) return;
    for (size_t i = 0; i < n; i++)
        if (!(moved[i] = strdup(environ[i]))) return;
    environ = moved;
    room = argv[0];
    room_size = (size_t)(end - argv[0]);
}

void proctitle_set(const char *text) {
    if (!room) return;
    memset(room, 0, room_size);
    snprintf(room, room_size, "boxoffice-fcgi: %s", text);
    prctl(PR_SET_NAME, text, 0, 0, 0); /* its first 15 characters */
}
