/* SPDX-License-Identifier: 0BSD */
/* What the files of the board's tests share. */
#ifndef BOXOFFICE_TESTS_UNIT_BOARD_H
#define BOXOFFICE_TESTS_UNIT_BOARD_H

#include "../tap.h"

#include "board/board_memory.h"

#include <sys/types.h>

/* All is as it is now, and will be for an hour. */
void touch(struct board *board);
bool set_title(struct board *board, uint64_t concert, const char *title);
/* Memory of the board that this process has ever touched. */
uint64_t resident_kb(const struct board *board);
/* Words that processes share, zeroed; never given back. */
word *shared_words(size_t count);
/* Kills a child, and waits until it is no more. */
void end(pid_t pid);
/* Whether a child that ends by itself ended with 0. */
bool ended_well(pid_t pid);
/* Numbers that repeat from run to run. */
uint64_t draw(uint64_t *state);

/* The tests of each file; `count_r`: how many. */
const struct tap_test *queue_tests(size_t *count_r);
const struct tap_test *process_tests(size_t *count_r);
const struct tap_test *pass_tests(size_t *count_r);
const struct tap_test *sold_tests(size_t *count_r);

#endif
