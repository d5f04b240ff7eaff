/* What ps shows of a process. */
#ifndef BOXOFFICE_TITLE_H
#define BOXOFFICE_TITLE_H

/* Once, at the start of main: finds room for titles behind argv and moves the environment away. */
void title_init(int argc, char **argv);
/* "boxoffice-fcgi: TEXT". */
void title_set(const char *text);

#endif
