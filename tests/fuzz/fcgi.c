/* SPDX-License-Identifier: 0BSD */
/* The way in from nginx: bytes of a connection through libfcgi to a request and its answer, as the
 * server's loops do it. The first byte says whether the others are the records themselves (even) or
 * what goes into records (odd): type, length, content, and so on; random bytes alone hardly ever
 * get past a record's head. */
#include "fuzz.h"

#include "http/req.h"
#include "http/resp.h"

#include <fcgiapp.h>
#include <sanitizer/lsan_interface.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WIRE_MAX 100000 /* fits a socket's buffer: nobody reads while it is written */
enum { END_REQUEST = 3, STDOUT = 6, HEAD_BYTES = 8 };

/* With its head and padding. */
static size_t record_bytes(const uint8_t *head) {
    return HEAD_BYTES + ((size_t)head[4] << 8 | head[5]) + head[6];
}

static size_t put_record(uint8_t *wire, uint8_t type, const uint8_t *content, size_t len) {
    const uint8_t head[HEAD_BYTES] = {1, type, 0, 1, (uint8_t)(len >> 8), (uint8_t)len};
    memcpy(wire, head, sizeof head);
    if (len) memcpy(wire + sizeof head, content, len);
    return sizeof head + len;
}

/* Bytes from 0x80 are lengths of four bytes where one begins. libfcgi adds two of them up as int,
 * and 2 GiB of those end the process (what is left of CVE-2025-23016): that only nginx may write to
 * the socket is what guards it. */
static void keep_lengths_small(uint8_t *wire, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (wire[i] & 0x80) wire[i] &= 0x81;
}

static size_t make_wire(const uint8_t *data, size_t size, uint8_t *wire_r) {
    uint8_t framed;
    size_t n = 0;
    fuzz_take(&data, &size, &framed, 1);
    if (!(framed & 1)) {
        n = size < WIRE_MAX ? size : WIRE_MAX;
        if (n) memcpy(wire_r, data, n);
        return n;
    }
    while (size >= 2 && n < WIRE_MAX - 300) {
        uint8_t type = data[0];
        size_t len = data[1] < size - 2 ? data[1] : size - 2;
        n += put_record(wire_r + n, type, data + 2, len);
        data += 2 + len;
        size -= 2 + len;
    }
    return n;
}

/* Whole records of the protocol, and the last one ends the request. */
static void answered_well(int fd) {
    static uint8_t got[65536];
    size_t len = 0, at = 0, text = 0;
    uint8_t type = 0;
    for (ssize_t n;
         len < sizeof got && (n = recv(fd, got + len, sizeof got - len, MSG_DONTWAIT)) > 0;)
        len += (size_t)n;
    for (; at + HEAD_BYTES <= len; at += record_bytes(got + at)) {
        MUST(got[at] == 1);
        type = got[at + 1];
        if (type == STDOUT && text == 0) text = at + HEAD_BYTES;
    }
    MUST(at == len && type == END_REQUEST);
    MUST(text && memcmp(got + text, "Status: ", 8) == 0);
}

static void whole(const struct req *req) {
    const char *const texts[] = {req->method,        req->path,        req->query,
                                 req->request_id,    req->remote_addr, req->content_type,
                                 req->authorization, req->queue_token, req->idempotency_key};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) MUST(texts[i]);
    MUST(req->body_len <= BODY_BYTES_MAX && req->body[req->body_len] == 0);
}

/* Of a record of request 0 that it does not know libfcgi itself loses 48 bytes; nginx sends none.
 * Behind a head of another version one may be anywhere. */
static bool has_unknown(const uint8_t *wire, size_t len) {
    for (size_t at = 0; at + HEAD_BYTES <= len; at += record_bytes(wire + at))
        if (wire[at] != 1 || (wire[at + 2] == 0 && wire[at + 3] == 0)) return true;
    return false;
}

static void answer(FCGX_Request *fcgi, const struct req *req) {
    struct resp resp = {0};
    char head[512];
    resp_problem(&resp, E_ROUTE_NOT_FOUND, NULL, req->request_id);
    FCGX_PutStr(head, (int)resp_head(&resp, head, sizeof head), fcgi->out);
    FCGX_PutStr(resp.body, (int)resp.body_len, fcgi->out);
    resp_free(&resp);
}

void fuzz_one(const uint8_t *data, size_t size) {
    static FCGX_Request fcgi;
    static struct req req;
    static uint8_t wire[WIRE_MAX];
    static bool begun;
    int fd[2];
    if (!begun) {
        FCGX_Init();
        FCGX_InitRequest(&fcgi, -1, 0);
        begun = true;
    }
    size_t len = make_wire(data, size, wire);
    keep_lengths_small(wire, len);
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
    MUST(send(fd[0], wire, len, MSG_DONTWAIT) == (ssize_t)len && shutdown(fd[0], SHUT_WR) == 0);
    bool loses = has_unknown(wire, len);
    if (loses) __lsan_disable();
    fcgi.ipcFd = fd[1];
    fcgi.keepConnection = 1;
    if (FCGX_Accept_r(&fcgi) >= 0) {
        enum err e = req_read(&fcgi, &req);
        MUST(e == E_OK || e == E_CLIENT_GONE);
        if (e == E_OK) {
            whole(&req);
            /* An echo of a request id of any length would not fit into what is read back below. */
            if (strlen(req.request_id) < 1000) answer(&fcgi, &req);
        }
        bool told = e == E_OK && strlen(req.request_id) < 1000;
        FCGX_Finish_r(&fcgi);
        if (fcgi.ipcFd >= 0) close(fcgi.ipcFd);
        fcgi.ipcFd = -1;
        if (told) answered_well(fd[0]);
    }
    if (loses) __lsan_enable();
    close(fd[0]);
}
