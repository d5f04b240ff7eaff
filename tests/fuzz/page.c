/* SPDX-License-Identifier: 0BSD */
/* The query parameters of lists. */
#include "fuzz.h"

#include "http/route.h"

#include <stdlib.h>

void fuzz_one(const uint8_t *data, size_t size) {
    char *query = fuzz_text(data, size);
    struct req *req = calloc(1, sizeof *req);
    struct resp resp = {0};
    uint64_t limit, after;
    MUST(req);
    req->query = query;
    struct call call = {.req = req, .resp = &resp};
    enum err e = route_page(&call, &limit, &after);
    MUST(e == E_OK || e == E_VALIDATION_FAILED);
    MUST(e || (limit >= 1 && limit <= 100 && after <= INT64_MAX));
    MUST(e == E_OK || resp.extra); /* it is told which one, and what it should be */
    resp_free(&resp);
    free(req);
    free(query);
}
