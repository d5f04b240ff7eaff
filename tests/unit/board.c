/* Tests of the board: shared memory, many processes, no database. */
#include "../tap.h"

#include "base/clock.h"
#include "board/board.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void touch(struct board *board) { board_touch(board, clock_mono_ms(), clock_wall_ms()); }

static bool set_title(struct board *board, uint64_t concert, const char *title) {
    struct board_concert c = {.concert = concert};
    memcpy(c.title, title, strnlen(title, sizeof c.title - 1));
    return board_concert_set(board, &c);
}

/* The truth, kept plainly. */
static uint64_t plain_ahead(const bool *left, uint64_t through, uint64_t n) {
    uint64_t ahead = 0;
    for (uint64_t i = through + 1; i < n; i++) ahead += !left[i];
    return ahead;
}

static void board_agrees_with_a_plain_count(void) {
    enum { N = 20000 };
    struct board *board = board_create(3);
    static bool left[N + 1];
    struct board_queue q = {.concert = 42, .max_active = 1}, seen;
    uint64_t leavers[64], ahead;
    CU_ASSERT_EQUAL(board_place(board, (struct concert_id){42}, 1, &ahead, NULL), BOARD_UNKNOWN);
    srand(7);
    for (int round = 0; round < 400; round++) {
        size_t n = 0;
        q.tail += (uint64_t)(rand() % 100);
        if (q.tail > N) q.tail = N;
        q.admitted_through += (uint64_t)(rand() % 60);
        if (q.admitted_through > q.tail) q.admitted_through = q.tail;
        while (n < (size_t)(rand() % 64) && q.tail > 0) {
            uint64_t number = 1 + (uint64_t)rand() % q.tail;
            if (number > q.admitted_through) left[number] = true;
            leavers[n++] = number; /* those let in already are to be ignored */
        }
        CU_ASSERT(board_publish(board, &q, leavers, n));
        touch(board);
        for (int look = 0; look < 30 && q.tail > 0; look++) {
            uint64_t number = 1 + (uint64_t)rand() % (q.tail + 5);
            enum board_says says = board_place(board, (struct concert_id){42}, number, &ahead, &seen);
            enum board_says right = number > q.tail ? BOARD_NEWER : number <= q.admitted_through || left[number] ? BOARD_NOT_WAITING : BOARD_WAITING;
            CU_ASSERT_EQUAL(says, right);
            if (right == BOARD_WAITING) CU_ASSERT_EQUAL(ahead, plain_ahead(left, q.admitted_through, number));
        }
    }
    CU_ASSERT(board_queue(board, (struct concert_id){42}, &seen) && seen.tail == q.tail);
    board_reset(board);
    CU_ASSERT_EQUAL(board_place(board, (struct concert_id){42}, q.tail, &ahead, NULL), BOARD_UNKNOWN);
    /* Room for three, and no more. */
    for (uint64_t c = 1; c <= 3; c++) CU_ASSERT(board_publish(board, &(struct board_queue){.concert = c}, NULL, 0));
    CU_ASSERT_FALSE(board_publish(board, &(struct board_queue){.concert = 4}, NULL, 0));
    board_destroy(board);
}

static void board_lists_queues_with_titles(void) {
    struct board *board = board_create(8);
    char title[BOARD_TEXT_SIZE], longest[2000];
    struct board_queue q;
    uint64_t at = 0, seen = 0;
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    CU_ASSERT_FATAL(board != NULL);
    CU_ASSERT_FALSE(board_next(board, &at, &q));
    CU_ASSERT(set_title(board, 3, "콘서트") && set_title(board, 5, longest));
    at = 0;
    CU_ASSERT_FALSE(board_next(board, &at, &q)); /* a title alone is no queue yet */
    for (uint64_t c = 3; c <= 5; c++) CU_ASSERT(board_publish(board, &(struct board_queue){.concert = c, .seats = {.total = 10 * c}}, NULL, 0));
    for (at = 0; board_next(board, &at, &q); seen += q.concert) CU_ASSERT_EQUAL(q.seats.total, 10 * q.concert);
    CU_ASSERT_EQUAL(seen, 3 + 4 + 5);
    board_title(board, (struct concert_id){3}, title);
    CU_ASSERT_STRING_EQUAL(title, "콘서트");
    board_title(board, (struct concert_id){4}, title);
    CU_ASSERT_STRING_EQUAL(title, "");
    board_title(board, (struct concert_id){5}, title);
    CU_ASSERT_EQUAL(strlen(title), BOARD_TEXT_SIZE - 1);
    board_title(board, (struct concert_id){77}, title);
    CU_ASSERT_STRING_EQUAL(title, "");
    board_destroy(board);
}

static void an_old_board_is_not_trusted(void) {
    struct board *board = board_create(1);
    uint64_t ahead;
    CU_ASSERT(board_publish(board, &(struct board_queue){.concert = 1, .tail = 9}, NULL, 0));
    CU_ASSERT_EQUAL(board_place(board, (struct concert_id){1}, 5, &ahead, NULL), BOARD_UNKNOWN); /* never touched */
    touch(board);
    CU_ASSERT_EQUAL(board_place(board, (struct concert_id){1}, 5, &ahead, NULL), BOARD_WAITING);
    clock_sleep_ms(1100);
    CU_ASSERT_EQUAL(board_place(board, (struct concert_id){1}, 5, &ahead, NULL), BOARD_UNKNOWN);
    board_destroy(board);
}

static void what_workers_note_goes_before_the_board(void) {
    struct board *board = board_create(1);
    struct concert_id c = {1};
    uint64_t ahead;
    CU_ASSERT(board_publish(board, &(struct board_queue){.concert = 1, .tail = 9, .waiting = 9, .event_seq = 9}, NULL, 0));
    touch(board);
    CU_ASSERT(board_place(board, c, 12, &ahead, NULL) == BOARD_NEWER && ahead == 11);
    board_gone(board, c, 5);
    CU_ASSERT_EQUAL(board_place(board, c, 5, &ahead, NULL), BOARD_NOT_WAITING);
    CU_ASSERT_EQUAL(board_place(board, c, 6, &ahead, NULL), BOARD_WAITING);
    board_told(board, c, 6, 10);
    CU_ASSERT_EQUAL(board_place(board, c, 6, &ahead, NULL), BOARD_UNKNOWN);
    board_told(board, c, 6, 4);
    CU_ASSERT(board_publish(board, &(struct board_queue){.concert = 1, .tail = 9, .waiting = 8, .event_seq = 10}, &(uint64_t){5}, 1));
    CU_ASSERT(board_place(board, c, 6, &ahead, NULL) == BOARD_WAITING && ahead == 4);
    board_destroy(board);
}

/* A writer refreshes without a pause while other processes read. Every state it publishes satisfies
 * waiting = tail - admitted_through - leavers, with leavers at every third number, so a reader that saw half
 * of one state and half of another would count wrong. */
static int read_torn(const struct board *board, uint64_t until_ms) {
    int torn = 0;
    struct board_queue q;
    for (uint64_t looks = 0; clock_mono_ms() < until_ms; looks++) {
        uint64_t ahead = 0, n = 1 + looks * 7919 % 30000;
        enum board_says says = board_place(board, (struct concert_id){1}, n, &ahead, &q);
        if (says == BOARD_UNKNOWN || says == BOARD_NEWER) continue;
        if (q.tail != q.admitted_through + 20000 || q.event_seq != q.tail * 3 || q.waiting != q.tail + 1) torn++;
        bool waits = n > q.admitted_through && n % 3 != 0;
        if ((says == BOARD_WAITING) != waits) torn++;
        if (says == BOARD_WAITING && ahead != (n - 1 - q.admitted_through) - ((n - 1) / 3 - q.admitted_through / 3)) torn++;
    }
    return torn;
}

static void readers_never_see_half_a_refresh(void) {
    struct board *board = board_create(1);
    static uint64_t leavers[40000];
    uint64_t until_ms = clock_mono_ms() + 1500, refreshes = 0;
    pid_t readers[3];
    for (uint64_t through = 0;; through = 0) {
        size_t n = 0;
        for (uint64_t i = 3; i <= 20000; i += 3) leavers[n++] = i;
        board_reset(board);
        CU_ASSERT(board_publish(board, &(struct board_queue){.concert = 1, .tail = 20000, .event_seq = 60000, .waiting = 20001}, leavers, n));
        touch(board);
        if (refreshes++ == 0)
            for (int i = 0; i < 3; i++)
                if ((readers[i] = fork()) == 0) _exit(read_torn(board, until_ms) > 0);
        for (through = 1; through <= 10000 && clock_mono_ms() < until_ms; through += 37, refreshes++) {
            uint64_t tail = through + 20000;
            for (n = 0; n < 20; n++) leavers[n] = 0;
            n = 0;
            for (uint64_t i = tail; i + 60 > tail && i > 0; i--)
                if (i % 3 == 0) leavers[n++] = i;
            (void)board_publish(board, &(struct board_queue){.concert = 1, .admitted_through = through, .tail = tail, .event_seq = tail * 3, .waiting = tail + 1}, leavers, n);
            touch(board);
        }
        if (clock_mono_ms() >= until_ms) break;
    }
    for (int i = 0; i < 3; i++) {
        int status;
        waitpid(readers[i], &status, 0);
        CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    printf("# %llu refreshes\n", (unsigned long long)refreshes);
    board_destroy(board);
}

/* A writer killed in the middle: what readers see stays whole, and the next writer goes on. */
static void a_killed_writer_leaves_the_board_whole(void) {
    struct board *board = board_create(1);
    struct board_queue q;
    uint64_t ahead;
    for (int round = 0; round < 40; round++) {
        CU_ASSERT(board_publish(board, &(struct board_queue){.concert = 1, .tail = 30000, .waiting = 30000}, NULL, 0));
        touch(board);
        pid_t writer = fork();
        if (writer == 0)
            for (;;) {
                if (!board_publish(board, &(struct board_queue){.concert = 1, .tail = 30000, .waiting = 30000}, NULL, 0)) _exit(1);
            }
        clock_sleep_ms(1 + (uint64_t)round % 5);
        kill(writer, SIGKILL);
        waitpid(writer, NULL, 0);
        CU_ASSERT(board_place(board, (struct concert_id){1}, 30000, &ahead, &q) == BOARD_WAITING && ahead == 29999 && q.waiting == 30000);
    }
    board_destroy(board);
}


int main(void) {
    static const struct tap_test tests[] = {
        {"the board agrees with a plain count", board_agrees_with_a_plain_count},
        {"the board lists queues with their titles", board_lists_queues_with_titles},
        {"an old board is not trusted", an_old_board_is_not_trusted},
        {"what workers note goes before the board's copies", what_workers_note_goes_before_the_board},
        {"readers of the board never see half a refresh", readers_never_see_half_a_refresh},
        {"a killed writer leaves the board whole", a_killed_writer_leaves_the_board_whole},
    };
    return tap_run("board", tests, sizeof tests / sizeof *tests);
}
