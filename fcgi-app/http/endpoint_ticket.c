/* SPDX-License-Identifier: 0BSD */
/* Tickets. */
#include "store/ticket.h"

#include "http/endpoints.h"

#include <stdlib.h>

enum err endpoint_ticket(struct call *call) {
    struct ticket t;
    char code[TOKEN_TEXT_MAX];
    size_t len;
    enum err e = ticket_get(call->db, &call->cred, (struct payment_id){call->id}, &t);
    if (e) return e;
    ticket_code(call->keys, &t, code);
    char *svg = ticket_svg(&t, code, call->conf->currency, &len);
    if (!svg) return E_INTERNAL;
    resp_bytes(call->resp, 200, "image/svg+xml", svg, len);
    free(svg);
    return E_OK;
}
