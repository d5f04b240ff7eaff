/* SPDX-License-Identifier: 0BSD */
/* Tests that need no database. */
#include "unit.h"

#include "../tap.h"

#include "admin/procinfo.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/token.h"
#include "batch/idem.h"
#include "batch/queue.h"
#include "batch/reservation.h"
#include "board/board.h"
#include "board/nginx_errors.h"
#include "board/seat_file.h"
#include "board/stats.h"
#include "http/resp.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void times_round_trip(void) {
    static const struct {
        const char *text;
        uint64_t ms;
    } rows[] = {{"1970-01-01T00:00:00.000Z", 0},
                {"2026-11-23T08:44:00.000Z", 1795423440000},
                {"2028-02-29T23:59:59.999Z", 1835481599999}};
    for (size_t i = 0; i < 3; i++) {
        char text[RFC3339_SIZE];
        uint64_t ms = 1;
        clock_rfc3339(rows[i].ms, text);
        CU_ASSERT_STRING_EQUAL(text, rows[i].text);
        CU_ASSERT(clock_parse(text, &ms) && ms == rows[i].ms);
    }
    uint64_t ms;
    CU_ASSERT(clock_parse("2027-01-01T20:00:00+09:00", &ms) && ms == 1798801200000);
    CU_ASSERT(clock_parse("2027-01-01T11:00Z", &ms) && ms == 1798801200000);
    static const char *const bad[] = {"",
                                      "2027",
                                      "2027-01-01",
                                      "2027-01-01T11:00:00",
                                      "2027-13-01T11:00:00Z",
                                      "2027-01-01T11:00:00Zx",
                                      "1960-01-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CU_ASSERT_FALSE(clock_parse(bad[i], &ms));
}

/* Each part of a time is in its own bounds, and a day is one of its month. */
static void times_are_strict(void) {
    static const char *const good[] = {
        "2028-02-29T00:00:00Z",     "2000-02-29T23:59:59Z",      "2031-12-31T23:59:59.999999999Z",
        "2027-01-01t11:00:00z",     "2027-01-01T11:00:00+23:59", "2027-01-01T11:00:00-23:59",
        "9999-12-31T23:59:59.999Z", "1970-01-01T01:00:00+01:00"};
    static const char *const bad[] = {
        "2031-02-29T00:00:00Z",      "2031-02-31T00:00:00Z",      "2100-02-29T00:00:00Z",
        "2031-04-31T00:00:00Z",      "2031-00-10T00:00:00Z",      "2031-01-00T00:00:00Z",
        "2031-01-32T00:00:00Z",      "2031-01-01T24:00:00Z",      "2031-01-01T25:00:00Z",
        "2031-01-01T00:60:00Z",      "2031-01-01T00:00:60Z",      "2031-01-01T23:59:60Z",
        "2031-01-01T00:00:00+24:00", "2031-01-01T00:00:00+99:99", "2031-01-01T00:00:00+00:60",
        "2031-01-01T00:00:00+0:00",  "2031-01-01T00:00:00+0000",  "2031-01-01T00:00:00+ 1:00",
        "2031-01-01T00:00:00.Z",     "2031-01-01T00:00:00,5Z",    "2031-1-01T00:00:00Z",
        "2031-01-1T00:00:00Z",       "2031-01-01T1:00:00Z",       "31-01-01T00:00:00Z",
        "02031-01-01T00:00:00Z",     " 2031-01-01T00:00:00Z",     "2031-01-01T00:00:00Z ",
        "2031-01-01 00:00:00Z",      "2031-01-01T00:00.5Z",       "+2031-01-01T00:00:00Z",
        "2031-01-01T 1:00:00Z",      "2031-01-01T00:00:0Z",       "1970-01-01T00:59:59+01:00",
        "9999-12-31T23:59:59-00:01", "2031-01-01T00:00:00-+1:00", "2031-01-01T00:00Z0"};
    uint64_t ms;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!clock_parse(good[i], &ms)) printf("# refused: %s\n", good[i]);
        CU_ASSERT(clock_parse(good[i], &ms));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (clock_parse(bad[i], &ms)) printf("# taken: %s\n", bad[i]);
        CU_ASSERT_FALSE(clock_parse(bad[i], &ms));
    }
    CU_ASSERT(clock_parse("2027-01-01T00:00:00.0059-12:34", &ms) && ms == 1798806840005);
}

static void texts_grow(void) {
    struct strbuf t = {0};
    strbuf_add(&t, "%s", "");
    CU_ASSERT_EQUAL(t.len, 0);
    for (int i = 0; i < 3000; i++) strbuf_add(&t, "%d,", i % 10);
    CU_ASSERT(t.len == 6000 && strlen(t.bytes) == 6000 &&
              strncmp(t.bytes + 5994, "7,8,9,", 6) == 0);
    free(t.bytes);
}

static void uuids(void) {
    struct user_id a = user_id_new(), b;
    char text[UUID_TEXT_SIZE];
    user_id_text(a, text);
    CU_ASSERT_EQUAL(strlen(text), 36);
    CU_ASSERT_EQUAL(text[14], '4');
    CU_ASSERT(user_id_parse(text, &b) && user_id_equal(a, b));
    text[8] = 'x';
    CU_ASSERT_FALSE(user_id_parse(text, &b));
    CU_ASSERT_FALSE(user_id_parse("", &b));
    CU_ASSERT_FALSE(user_id_parse("00000000-0000-0000-0000-0000000000000", &b));
}

static void numbers_are_strict(void) {
    CU_ASSERT_EQUAL(ids_parse_u64("12", 2), 12);
    CU_ASSERT_EQUAL(ids_parse_u64("999999999999999999", 18), 999999999999999999u);
    static const char *const bad[] = {
        "", "0", "-1", "+1", "1e3", "01", " 1", "1 ", "0x1", "99999999999999999999", "1.0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_EQUAL(ids_parse_u64(bad[i], strlen(bad[i])), 0);
}

static void base64url_is_canonical(void) {
    for (size_t len = 0; len < 70; len++) {
        uint8_t in[70], out[70];
        char text[BASE64URL_SIZE(70)];
        ids_random(in, sizeof in);
        size_t n = base64url_encode(in, len, text);
        CU_ASSERT_EQUAL(base64url_decode(text, n, out, sizeof out), (int)len);
        CU_ASSERT_EQUAL(memcmp(in, out, len), 0);
    }
    uint8_t out[8];
    CU_ASSERT_EQUAL(base64url_decode("AA", 2, out, 8), 1);
    CU_ASSERT_EQUAL(base64url_decode("AB", 2, out, 8), -1); /* unused bits set */
    CU_ASSERT_EQUAL(base64url_decode("A", 1, out, 8), -1);
    CU_ASSERT_EQUAL(base64url_decode("A+==", 4, out, 8), -1);
    CU_ASSERT_EQUAL(base64url_decode("AAAAAAAAAAAAAAAA", 16, out, 8), -1);
}

static struct token_keys keys_of(const char *file_text, bool *ok_r) {
    char path[] = "/tmp/boxoffice-unit.XXXXXX", why[300];
    static struct token_keys keys;
    int fd = mkstemp(path);
    CU_ASSERT(fd >= 0 && write(fd, file_text, strlen(file_text)) >= 0);
    close(fd);
    *ok_r = token_keys_load(path, &keys, why, sizeof why);
    unlink(path);
    return keys;
}

#define HEX_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX_B "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void tokens_are_signed(void) {
    bool ok;
    struct token_keys keys = keys_of("# keys\nk1 " HEX_A "\n", &ok);
    CU_ASSERT_FATAL(ok);
    struct token t = {.user = user_id_new(),
                      .concert = {7},
                      .number = 123456789,
                      .joined_at_ms = 1795423440000,
                      .ahead = 5},
                 back;
    char text[TOKEN_TEXT_MAX], bad[TOKEN_TEXT_MAX];
    token_sign(&keys, &t, text);
    CU_ASSERT_EQUAL(token_verify(&keys, text, &back), E_OK);
    CU_ASSERT(user_id_equal(t.user, back.user) && back.concert.v == 7 && back.number == t.number &&
              back.joined_at_ms == t.joined_at_ms && back.ahead == 5);
    /* Every single character that is changed is noticed. */
    for (size_t i = 0; text[i]; i++) {
        strcpy(bad, text);
        bad[i] = bad[i] == 'A' ? 'B' : 'A';
        CU_ASSERT_EQUAL(token_verify(&keys, bad, &back), E_QUEUE_TOKEN_INVALID);
        bad[i] = 0;
        CU_ASSERT_EQUAL(token_verify(&keys, bad, &back), E_QUEUE_TOKEN_INVALID);
    }
    CU_ASSERT_EQUAL(token_verify(&keys, "", &back), E_QUEUE_TOKEN_INVALID);
}

static void signing_keys_change_while_tokens_are_out(void) {
    bool ok;
    struct token t = {.user = user_id_new(), .concert = {1}, .number = 1}, back;
    char old[TOKEN_TEXT_MAX], new[TOKEN_TEXT_MAX];
    struct token_keys keys = keys_of("k1 " HEX_A "\n", &ok);
    token_sign(&keys, &t, old);
    keys = keys_of("k2 " HEX_B "\nk1 " HEX_A "\n", &ok);
    CU_ASSERT_FATAL(ok);
    token_sign(&keys, &t, new);
    CU_ASSERT_EQUAL(strncmp(new, "k2.", 3), 0);
    CU_ASSERT_EQUAL(token_verify(&keys, old, &back), E_OK);
    CU_ASSERT_EQUAL(token_verify(&keys, new, &back), E_OK);
    keys = keys_of("k2 " HEX_B "\n", &ok);
    CU_ASSERT_EQUAL(token_verify(&keys, old, &back), E_QUEUE_TOKEN_INVALID);
    CU_ASSERT_EQUAL(token_verify(&keys, new, &back), E_OK);
    /* The same id twice: of two keys only one would be used. */
    (void)keys_of("k1 " HEX_A "\nk2 " HEX_A "\nk1 " HEX_B "\n", &ok);
    CU_ASSERT_FALSE(ok);
    (void)keys_of("", &ok);
    CU_ASSERT_FALSE(ok);
    (void)keys_of("k1 1234\n", &ok);
    CU_ASSERT_FALSE(ok);
    (void)keys_of("k1 " HEX_A "0\n", &ok);
    CU_ASSERT_FALSE(ok);
}

/* The key that signs is the one that the shared id names; the first one when it names none. */
static void who_signs_is_told_apart_from_who_is_first(void) {
    bool ok;
    struct token t = {.user = user_id_new(), .concert = {1}, .number = 1}, back;
    char text[TOKEN_TEXT_MAX];
    static token_signing signing;
    struct token_keys before = keys_of("fifteen-letters " HEX_A "\n", &ok);
    CU_ASSERT_FATAL(ok);
    struct token_keys keys = keys_of("k2 " HEX_B "\nfifteen-letters " HEX_A "\n", &ok);
    CU_ASSERT_FATAL(ok);
    keys.signing = &signing;
    token_sign(&keys, &t, text);
    CU_ASSERT_EQUAL(strncmp(text, "k2.", 3), 0);
    token_signing_set(signing, &before);
    token_sign(&keys, &t, text);
    CU_ASSERT(strncmp(text, "fifteen-letters.", 16) == 0 &&
              token_verify(&before, text, &back) == E_OK);
    CU_ASSERT_EQUAL(token_verify(&keys, text, &back), E_OK);
    token_signing_set(signing, &keys);
    token_sign(&keys, &t, text);
    CU_ASSERT(strncmp(text, "k2.", 3) == 0 &&
              token_verify(&before, text, &back) == E_QUEUE_TOKEN_INVALID);
    CU_ASSERT(token_keys_have(&keys, "k2") && !token_keys_have(&keys, "k") &&
              !token_keys_have(&before, "k2"));
    /* What is taken half, or of which a part would be read as something else. */
    char longest[400];
    snprintf(longest, sizeof longest, "#%0254d\nk1 " HEX_A "\n", 1);
    static const char *const bad[] = {"k1 " HEX_A " more\n",
                                      "k.1 " HEX_A "\n",
                                      "sixteen-letters- " HEX_A "\n",
                                      "k1 0g112233445566778899aabbccddeeff\n",
                                      "k1\n",
                                      "k1 " HEX_A HEX_A "00\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)keys_of(bad[i], &ok);
        if (ok) printf("# taken: %s", bad[i]);
        CU_ASSERT_FALSE(ok);
    }
    (void)keys_of(longest, &ok);
    CU_ASSERT_FALSE(ok);
    (void)keys_of("k1 " HEX_A HEX_A, &ok);
    CU_ASSERT(ok);
    char why[300];
    CU_ASSERT(!token_keys_load("/tmp", &keys, why, sizeof why) &&
              strstr(why, "/tmp: Is a directory"));
}

static bool conf_of(const char *text, struct conf *conf, char *why, size_t size) {
    char path[] = "/tmp/boxoffice-unit.XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT(fd >= 0 && write(fd, text, strlen(text)) >= 0);
    close(fd);
    bool ok = conf_load(path, conf, why, size);
    unlink(path);
    return ok;
}

/* Owner, group and others, and the folders above; the first of the three that fits decides. */
static void rights_on_files_are_judged(void) {
    char dir[] = "/tmp/boxoffice-test-XXXXXX", file[64];
    struct stat st = {0};
    CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
    snprintf(file, sizeof file, "%s/file", dir);
    int fd = open(file, O_WRONLY | O_CREAT, 0600);
    CU_ASSERT_FATAL(fd >= 0 && close(fd) == 0 && stat(file, &st) == 0);
    /* Not as root, whoever runs this. */
    CU_ASSERT_FATAL(st.st_uid != 0 || chown(dir, 12, 13) + chown(file, 12, 13) == 0);
    CU_ASSERT_FATAL(stat(file, &st) == 0);
    struct procinfo owner = {.pid = 1, .uid = st.st_uid, .gid = {st.st_gid}, .gids = 1};
    struct procinfo member = {
        .pid = 1, .uid = st.st_uid + 1, .gid = {st.st_gid + 1, st.st_gid}, .gids = 2};
    struct procinfo other = {.pid = 1, .uid = st.st_uid + 1, .gid = {st.st_gid + 1}, .gids = 1};
    struct procinfo root = {.pid = 1};
    static const struct {
        mode_t dir, file;
        int wants;
        bool owner, member, other;
    } rows[] = {
        {0755, 0640, R_OK, true, true, false},       {0755, 0640, W_OK, true, false, false},
        {0755, 0604, R_OK, true, false, true},       {0755, 0660, R_OK | W_OK, true, true, false},
        {0700, 0666, R_OK, true, false, false},      {0710, 0666, R_OK, true, true, false},
        {0711, 0666, R_OK | W_OK, true, true, true}, {0755, 0066, R_OK, false, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CU_ASSERT_FATAL(chmod(dir, 0700) == 0 && chmod(file, rows[i].file) == 0 &&
                        chmod(dir, rows[i].dir) == 0);
        CU_ASSERT_EQUAL(procinfo_may(&owner, file, rows[i].wants), rows[i].owner);
        CU_ASSERT_EQUAL(procinfo_may(&member, file, rows[i].wants), rows[i].member);
        CU_ASSERT_EQUAL(procinfo_may(&other, file, rows[i].wants), rows[i].other);
        CU_ASSERT(procinfo_may(&root, file, rows[i].wants));
    }
    CU_ASSERT(unlink(file) == 0 && !procinfo_may(&root, file, R_OK) && rmdir(dir) == 0);
}

static void settings_are_checked(void) {
    static struct conf conf;
    char why[600];
    CU_ASSERT(conf_of("# x\n\n hold_ttl_ms = 2000 \ncurrency=USD\n", &conf, why, sizeof why));
    CU_ASSERT(conf.hold_ttl_ms == 2000 && strcmp(conf.currency, "USD") == 0 && conf.tick_ms == 100);
    CU_ASSERT_FALSE(conf_of("\nno_such_thing = 1\n", &conf, why, sizeof why));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, ":2: unknown setting 'no_such_thing'"));
    CU_ASSERT_FALSE(conf_of("tick_ms = 5\n", &conf, why, sizeof why));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, ":1: tick_ms must be a whole number from 10 to 900"));
    /* What can't be read is not a file of defaults. */
    CU_ASSERT_FALSE(conf_load("/tmp", &conf, why, sizeof why));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "/tmp: Is a directory"));
    char longest[1200];
    snprintf(longest, sizeof longest, "# %01100d\ntick_ms = 100\n", 1);
    CU_ASSERT_FALSE(conf_of(longest, &conf, why, sizeof why));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, ":1: a line has at most 1022 characters"));
    static const char *const bad[] = {"tick_ms\n",          "tick_ms = \n",
                                      "tick_ms = 1e2\n",    "tick_ms = -100\n",
                                      "tick_ms = 100 ms\n", "workers = 99999999999999999999\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_FALSE(conf_of(bad[i], &conf, why, sizeof why));
}

static void the_example_settings_are_the_defaults(void) {
    static struct conf conf, defaults;
    char *text = NULL, why[600];
    size_t size;
    FILE *f = open_memstream(&text, &size);
    conf_print_example(f);
    fclose(f);
    /* Uncomment every setting. */
    for (char *s = text; (s = strstr(s, "\n#")); s++)
        if (s[2] != ' ') s[1] = ' ';
    conf_defaults(&defaults);
    CU_ASSERT(conf_of(text, &conf, why, sizeof why));
    CU_ASSERT_EQUAL(memcmp(&conf, &defaults, sizeof conf), 0);
    free(text);
}

static void idempotency_keys(void) {
    struct idem a = {0}, b = {0};
    CU_ASSERT(idem_key_parse("\"abc\"", &a) && idem_key_parse("abc", &b) &&
              strcmp(a.key, b.key) == 0);
    char longest[80];
    memset(longest, 'k', 64);
    longest[64] = 0;
    CU_ASSERT(idem_key_parse(longest, &a));
    longest[64] = 'k';
    longest[65] = 0;
    CU_ASSERT_FALSE(idem_key_parse(longest, &a));
    CU_ASSERT_FALSE(idem_key_parse("\"\"", &a));
    CU_ASSERT_FALSE(idem_key_parse("a b", &a));
    CU_ASSERT_FALSE(idem_key_parse("\xec\x95\x84", &a));
    idem_hash_request(&a, "POST", "/a", "b", 1);
    idem_hash_request(&b, "POST", "/ab", "", 0);
    CU_ASSERT_NOT_EQUAL(memcmp(a.request_hash, b.request_hash, HASH_BYTES), 0);
}

static void seat_lists_round_trip(void) {
    struct seat_numbers a = {.count = SEATS_MAX}, b;
    char text[SEATS_TEXT_MAX];
    for (size_t i = 0; i < SEATS_MAX; i++) a.number[i] = UINT32_MAX - SEATS_MAX + i;
    seat_numbers_text(&a, text);
    seat_numbers_parse(text, &b);
    CU_ASSERT(b.count == a.count && memcmp(a.number, b.number, sizeof a.number) == 0);
    seat_numbers_parse("", &b);
    CU_ASSERT_EQUAL(b.count, 0);
}

static void poll_advice_grows_and_is_bounded(void) {
    CU_ASSERT_EQUAL(queue_eta_s(0, 60), 1);
    CU_ASSERT_EQUAL(queue_eta_s(999, 60), 1000);
    CU_ASSERT_EQUAL(queue_eta_s(9, 0), 0);
    uint64_t seen[100] = {0}, kinds = 0;
    for (uint64_t r = 0; r < 1000; r++) {
        uint64_t near = queue_poll_after_s(true, 5, 3, r),
                 far = queue_poll_after_s(true, 100000, 1000000, r);
        CU_ASSERT(near >= 1 && near <= 5 && far >= 60 && far <= 91);
        if (!seen[far]) kinds++;
        seen[far] = 1;
    }
    CU_ASSERT(kinds > 20); /* jittered */
}

/* Some answers are put together by json-c and some without it: no reader is to see a difference. */
static void texts_are_json_as_json_c_writes_it(void) {
    static const char *const more[] = {"",    "콘서트", "\"",           "\\",
                                       "a/b", "\x7f",   "a\nb\tc\"d\\", "𝄞 end"};
    char one[3] = "";
    for (int c = 1; c < 0x80 + 8; c++) {
        one[0] = (char)c;
        one[1] = 'x';
        const char *text = c < 0x80 ? one : more[c - 0x80];
        struct strbuf t = {0};
        struct json_object *o = json_object_new_string(text);
        strbuf_json(&t, text);
        CU_ASSERT_STRING_EQUAL(t.bytes,
                               json_object_to_json_string_ext(
                                   o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(o);
        strbuf_free(&t);
    }
    struct strbuf t = {0};
    static const uint64_t numbers[] = {0, 9, 10, 1234567890, UINT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) strbuf_u64(&t, numbers[i]);
    strbuf_json_time(&t, 0);
    strbuf_json_time(&t, 1);
    CU_ASSERT_STRING_EQUAL(t.bytes,
                           "0910123456789018446744073709551615null\"1970-01-01T00:00:00.001Z\"");
    strbuf_free(&t);
}

static void a_seat_list_is_json(void) {
    struct board_performance p = {.performance = 7, .total_seats = 3, .price_minor = 50};
    struct strbuf t = {0};
    seat_list_text(&t, &p, (const uint8_t[]){BOARD_SEAT_FREE, BOARD_SEAT_HELD, BOARD_SEAT_SOLD}, 1);
    CU_ASSERT_STRING_EQUAL(t.bytes,
                           "{\"performanceId\":7,\"totalSeats\":3,\"availableSeats\":1,\"seats\":["
                           "{\"seatNumber\":1,\"price\":50,\"status\":\"AVAILABLE\"},{"
                           "\"seatNumber\":2,\"price\":50,\"status\":\"HELD\"},"
                           "{\"seatNumber\":3,\"price\":50,\"status\":\"SOLD\"}]}");
    strbuf_free(&t);
}

static void what_a_client_has_is_not_sent_again(void) {
    struct resp resp = {0};
    static const struct {
        const char *sent;
        int status;
    } rows[] = {{"", 200},
                {"\"00000000000000ff\"", 304},
                {"W/\"00000000000000ff\"", 304},
                {"\"1\", \"00000000000000ff\"", 304},
                {"*", 304},
                {"\"00000000000000fe\"", 200},
                {"00000000000000ff", 200}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char head[512];
        resp_reset(&resp);
        resp_bytes(&resp, 200, "application/json", "{}", 2);
        resp_etag(&resp, 255, true, rows[i].sent);
        CU_ASSERT(resp.status == rows[i].status &&
                  resp.body_len == (rows[i].status == 200 ? 2u : 0u));
        resp_head(&resp, head, sizeof head);
        CU_ASSERT(strstr(head, "ETag: \"00000000000000ff\"\r\n") &&
                  strstr(head, "Cache-Control: private, no-cache\r\n"));
        CU_ASSERT_EQUAL(strstr(head, "Content-Length") != NULL, rows[i].status == 200);
    }
    resp_free(&resp);
}

static void nginx_errors_are_counted_once(void) {
    char path[] = "/tmp/boxoffice-unit-XXXXXX", next[64];
    struct stats *stats = stats_create(1, 0);
    int fd = mkstemp(path);
    CU_ASSERT_FATAL(stats != NULL && fd >= 0);
#define NOTE(text) CU_ASSERT_EQUAL(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1)
#define COUNTED(e) stats_get(&stats->nginx_errors[E_##e])
    nginx_errors_read("/nowhere/at/all", stats);
    CU_ASSERT_EQUAL(stats_get(&stats->nginx_errors_known), 0);
    nginx_errors_read(path, stats);
    CU_ASSERT_EQUAL(stats_get(&stats->nginx_errors_known), 1); /* there, and empty */
    NOTE("RATE_LIMITED\nBUSY\nRATE_LIM");
    nginx_errors_read(path, stats);
    nginx_errors_read(path, stats);
    CU_ASSERT(COUNTED(RATE_LIMITED) == 1 && COUNTED(BUSY) == 1);
    NOTE("ITED\nno such code\n\n");
    nginx_errors_read(path, stats);
    CU_ASSERT(COUNTED(RATE_LIMITED) == 2 && COUNTED(BUSY) == 1 && COUNTED(INTERNAL) == 2);
    /* More than one call may read, in many lines. */
    for (int i = 0; i < 100000; i++) NOTE("RATE_LIMITED\n");
    nginx_errors_read(path, stats);
    CU_ASSERT(COUNTED(RATE_LIMITED) > 70000 && COUNTED(RATE_LIMITED) < 100002);
    nginx_errors_read(path, stats);
    CU_ASSERT_EQUAL(COUNTED(RATE_LIMITED), 100002);
    /* Emptied in place; then replaced by another of the same length. */
    CU_ASSERT(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    NOTE("BUSY\n");
    nginx_errors_read(path, stats);
    CU_ASSERT_EQUAL(COUNTED(BUSY), 2);
    close(fd);
    snprintf(next, sizeof next, "%s.next", path);
    fd = open(next, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    NOTE("BUSY\n");
    CU_ASSERT_EQUAL(rename(next, path), 0);
    nginx_errors_read(path, stats);
    CU_ASSERT_EQUAL(COUNTED(BUSY), 3);
    close(fd);
    unlink(path);
}

int main(void) {
    static const struct tap_test tests[] = {
        {"times round trip as RFC 3339", times_round_trip},
        {"times are read strictly", times_are_strict},
        {"texts grow from nothing", texts_grow},
        {"UUIDs are made and read", uuids},
        {"numbers in paths are strict", numbers_are_strict},
        {"base64url has one text for one value", base64url_is_canonical},
        {"a token with any character changed is refused", tokens_are_signed},
        {"signing keys change while tokens are out", signing_keys_change_while_tokens_are_out},
        {"who signs is told apart from who is first", who_signs_is_told_apart_from_who_is_first},
        {"rights on files are judged by owner, group and folders", rights_on_files_are_judged},
        {"settings are checked by file and line", settings_are_checked},
        {"the example settings are the defaults", the_example_settings_are_the_defaults},
        {"bodies are strict JSON objects", bodies_are_strict},
        {"body fields have types and bounds", body_fields_have_bounds},
        {"JSONTestSuite's inputs are judged as RFC 8259 says", json_vectors_are_judged},
        {"JSON is not mangled: names twice, halves of pairs, NUL in names", json_is_not_mangled},
        {"texts of white space alone are none", blank_texts_are_none},
        {"idempotency keys have a form, requests a hash", idempotency_keys},
        {"seat lists round trip", seat_lists_round_trip},
        {"poll advice grows with the wait, is bounded and jittered",
         poll_advice_grows_and_is_bounded},
        {"texts are JSON as json-c writes it", texts_are_json_as_json_c_writes_it},
        {"a seat list is JSON", a_seat_list_is_json},
        {"what a client has is not sent again", what_a_client_has_is_not_sent_again},
        {"nginx's errors are counted once", nginx_errors_are_counted_once},
        {"people come as at an on-sale", people_come_as_at_an_on_sale},
        {"people have addresses and roles", people_have_addresses_and_roles},
        {"percentiles are near", percentiles_are_near},
        {"what gives way does so for a while", what_gives_way_does_so_for_a_while},
        {"advice is rate times time", advice_is_rate_times_time},
        {"answers are read in parts, cut anywhere", answers_are_read_in_parts},
        {"answers tell what to buy", answers_tell_what_to_buy},
        {"timers are never early", timers_are_never_early},
    };
    return tap_run("unit", tests, sizeof tests / sizeof *tests);
}
