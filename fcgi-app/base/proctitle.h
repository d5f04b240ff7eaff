/* SPDX-License-Identifier: 0BSD */
/* What ps shows of a process. */
#ifndef BOXOFFICE_PROCTITLE_H
#define BOXOFFICE_PROCTITLE_H

/* Once, at the start of main: finds room for titles behind argv and moves the environment away. */
void proctitle_init(int argc, char **argv);
/* "boxoffice-fcgi: TEXT". */
void proctitle_set(const char *text);

#endif
