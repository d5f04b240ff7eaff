/* SPDX-License-Identifier: 0BSD */
/* Reading answers. */
#include "admin/rehearse_answer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BODY_MAX (64u << 20)

/* --- HTTP --- */

/* The value of a header in a head that ends in an empty line; NULL: it is not there. */
static const char *header(const char *head, const char *name) {
    size_t n = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, n) == 0 && line[n] == ':')
            return line + n + 1 + strspn(line + n + 1, " \t");
    }
    return NULL;
}

static bool says(const char *value, const char *word) {
    return value && strncasecmp(value, word, strlen(word)) == 0;
}

static bool whole_number(const char *text, uint64_t *v_r) {
    char *end;
    if (!text || *text < '0' || *text > '9') return false;
    *v_r = strtoull(text, &end, 10);
    return true;
}

/* Puts the chunks together at the body's start. */
static enum answer_state read_chunks(char *body, size_t len, size_t *len_r) {
    size_t at = 0, out = 0;
    bool dry = true; /* nothing may be moved before all is there */
    for (;;) {
        char *end;
        const char *line = memchr(body + at, '\n', len - at);
        if (!line) return len - at > 100 ? ANSWER_BROKEN : ANSWER_PART;
        unsigned long n = strtoul(body + at, &end, 16);
        if (end == body + at || n > BODY_MAX) return ANSWER_BROKEN;
        size_t data = (size_t)(line + 1 - body);
        if (data + n + 2 > len) return ANSWER_PART;
        if (!dry) memmove(body + out, body + data, n);
        out += n;
        at = data + n + 2; /* trailers are not sent by what we talk to: an empty line follows */
        if (n > 0) continue;
        *len_r = out;
        if (!dry) return ANSWER_WHOLE;
        dry = false;
        at = out = 0;
    }
}

enum answer_state answer_read(char *bytes, size_t len, bool ended, struct answer *answer_r) {
    bytes[len] = 0;
    char *end = strstr(bytes, "\r\n\r\n");
    if (!end) return ended || len > 65536 ? ANSWER_BROKEN : ANSWER_PART;
    char kept = end[2], *body = end + 4;
    size_t got = len - (size_t)(body - bytes);
    uint64_t wanted = 0;
    end[2] = 0;
    *answer_r = (struct answer){.body = body};
    bool http = sscanf(bytes, "HTTP/1.%*1d %3d", &answer_r->status) == 1;
    const char *length = header(bytes, "Content-Length");
    bool chunked = says(header(bytes, "Transfer-Encoding"), "chunked");
    bool sized = whole_number(length, &wanted);
    answer_r->closes = says(header(bytes, "Connection"), "close");
    if (!whole_number(header(bytes, "Retry-After"), &answer_r->retry_after_s))
        answer_r->retry_after_s = 0;
    end[2] = kept;
    if (!http || answer_r->status < 200 || wanted > BODY_MAX) return ANSWER_BROKEN;
    if (answer_r->status == 204 || answer_r->status == 304) {
        body[0] = 0; /* they have none, whatever they say */
        return ANSWER_WHOLE;
    }
    enum answer_state state = chunked         ? read_chunks(body, got, &answer_r->len)
                              : !sized        ? (ended ? ANSWER_WHOLE : ANSWER_PART)
                              : got >= wanted ? ANSWER_WHOLE
                                              : ANSWER_PART;
    if (!chunked) answer_r->len = sized && state == ANSWER_WHOLE ? wanted : got;
    if (state == ANSWER_WHOLE) body[answer_r->len] = 0;
    return state == ANSWER_PART && ended ? ANSWER_BROKEN : state;
}

/* --- JSON --- */

/* Where the value of the next `"name":` begins; NULL: there is none. */
static const char *value_of(const char *from, const char *name) {
    char quoted[40];
    int n = snprintf(quoted, sizeof quoted, "\"%s\":", name);
    assert(n > 0 && n < (int)sizeof quoted);
    const char *at = strstr(from, quoted);
    return at ? at + n : NULL;
}

bool answer_u64(const struct answer *a, const char *name, uint64_t *v_r) {
    return whole_number(value_of(a->body, name), v_r);
}

bool answer_text(const struct answer *a, const char *name, char *text_r, size_t size) {
    const char *at = value_of(a->body, name);
    size_t n = at && *at == '"' ? strcspn(at + 1, "\"\\") : size;
    if (n >= size || at[1 + n] != '"') return false;
    memcpy(text_r, at + 1, n);
    text_r[n] = 0;
    return true;
}

bool answer_date(const struct answer *a, uint64_t pick, uint64_t *performance_r,
                 uint64_t *price_r) {
    for (uint64_t round = 0, found = 0; round < 2; round++) {
        uint64_t id, price, left, seen = 0;
        for (const char *at = a->body; (at = value_of(at, "performanceId"));) {
            const char *priced = value_of(at, "price"), *free = value_of(at, "availableSeats");
            if (!whole_number(at, &id) || !whole_number(priced, &price) ||
                !whole_number(free, &left) || left == 0)
                continue;
            if (round == 1 && seen == pick % found) {
                *performance_r = id;
                *price_r = price;
                return true;
            }
            seen++;
        }
        if (seen == 0) return false;
        found = seen;
    }
    return false;
}

/* What marks a seat that is free. A hall has thousands, and everybody looks: one search a seat. */
static const char free_mark[] = "\"status\":\"AVAILABLE\"";

/* The number of the seat that is marked there. The members of a seat stand in an order that the
 * service keeps: its number before its status. */
static bool number_before(const char *body, const char *mark, uint64_t *number_r) {
    while (mark > body && *mark != '{') mark--;
    return whole_number(value_of(mark, "seatNumber"), number_r);
}

size_t answer_seats(const struct answer *a, double share, size_t wanted, uint64_t *seat_r) {
    assert(share >= 0 && share < 1 && wanted > 0);
    const size_t len = sizeof free_mark - 1;
    uint64_t total = 0, number;
    size_t count = 0;
    for (const char *at = a->body; (at = strstr(at, free_mark)); at += len) total++;
    uint64_t skip = (uint64_t)(share * (double)total);
    for (const char *at = a->body; count < wanted && (at = strstr(at, free_mark)); at += len) {
        if (skip > 0) {
            skip--;
            continue;
        }
        if (!number_before(a->body, at, &number)) continue;
        if (count > 0 && number != seat_r[count - 1] + 1) break;
        seat_r[count++] = number;
    }
    return count;
}
