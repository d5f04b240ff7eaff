/* SPDX-License-Identifier: 0BSD */
/* Tests of the board: shared memory, many processes, no database. Those of queues as one process
 * sees them are in board_queues.c, and so on; what they share is here. */
#include "board.h"

#include "base/clock.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

void touch(struct board *board) {
    const uint64_t hour_ms = 3600000; /* so that no pause of a busy machine makes it old */
    board_touch(board, clock_mono_ms() + hour_ms, clock_wall_ms() + hour_ms);
}

bool set_title(struct board *board, uint64_t concert, const char *title) {
    struct board_concert c = {.concert = concert};
    memcpy(c.title, title, strnlen(title, sizeof c.title - 1));
    return board_concert_set(board, &c);
}

uint64_t resident_kb(const struct board *board) {
    char line[600];
    uint64_t from, to, kb = 0;
    bool in = false;
    FILE *f = fopen("/proc/self/smaps", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &from, &to) == 2)
            in = from >= (uintptr_t)board && to <= (uintptr_t)board + board->bytes + PAGE;
        uint64_t rss;
        if (in && sscanf(line, "Rss: %" SCNu64, &rss) == 1) kb += rss;
    }
    if (f) fclose(f);
    return kb;
}

word *shared_words(size_t count) {
    return mmap(NULL, count * sizeof(word), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                0);
}

void end(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

bool ended_well(pid_t pid) {
    int status;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

uint64_t draw(uint64_t *state) { return hash64(*state += 0x9e3779b97f4a7c15u); }

int main(void) {
    struct tap_test all[100];
    size_t n = 0, count;
    const struct tap_test *(*const files[])(size_t *) = {queue_tests, process_tests, pass_tests,
                                                         sold_tests};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        const struct tap_test *tests = files[f](&count);
        memcpy(&all[n], tests, count * sizeof *tests);
        n += count;
    }
    return tap_run("board", all, n);
}
