/* SPDX-License-Identifier: 0BSD */
/* Reading answers of HTTP/1.1, and the few members of their JSON that a client needs. The service
 * is the operator's own, and yet nothing that it sends is trusted to be well-formed. */
#ifndef BOXOFFICE_REHEARSE_ANSWER_H
#define BOXOFFICE_REHEARSE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answer {
    int status;             /* 0: none came, see `trouble` of who asked */
    uint64_t retry_after_s; /* 0: not said */
    bool closes;            /* the connection is not to be used again */
    const char *body;       /* NUL-terminated, in the bytes that were read */
    size_t len;
};

enum answer_state { ANSWER_PART, ANSWER_WHOLE, ANSWER_BROKEN };
/* `bytes`, of which `len` were read, has room for a NUL behind them; a chunked body is put together
 * in it once it is whole. `ended`: no more will come. */
enum answer_state answer_read(char *bytes, size_t len, bool ended, struct answer *answer_r);

/* The first member of that name, wherever it stands: a whole number (false: there is none, or it is
 * no such), or a text without escapes that fits. */
bool answer_u64(const struct answer *a, const char *name, uint64_t *v_r);
bool answer_text(const struct answer *a, const char *name, char *text_r, size_t size);

/* A date to look at: one of those with seats left, the `pick`-th (modulo how many there are), with
 * its price. False: none has any. */
bool answer_date(const struct answer *a, uint64_t pick, uint64_t *performance_r, uint64_t *price_r);
/* Up to `wanted` free seats next to each other in number, from the one that lies at this share of
 * all free ones on. How many; 0: none is free. */
size_t answer_seats(const struct answer *a, double share, size_t wanted, uint64_t *seat_r);

#endif
