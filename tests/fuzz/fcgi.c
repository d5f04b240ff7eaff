/* The way in from nginx: bytes of a connection through libfcgi to a request and its answer, as the server's loops do it.
 * The first byte says whether the others are the records themselves (even) or what goes into records (odd): type,
 * length, content, and so on; random bytes alone hardly ever get past a record's head. */
#include "fuzz.h"

#include "http/req.h"
#include "http/resp.h"

#include <fcgiapp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WIRE_MAX 100000 /* fits a socket's buffer: nobody reads while it is written */
enum { STDOUT = 6, END_REQUEST = 3, HEAD_BYTES = 8 };

static size_t put_record(uint8_t *wire, uint8_t type, const uint8_t *content, size_t len) {
    const uint8_t head[HEAD_BYTES] = {1, type, 0, 1, (uint8_t)(len >> 8), (uint8_t)len};
    memcpy(wire, head, sizeof head);
    if (len) memcpy(wire + sizeof head, content, len);
    return sizeof head + len;
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
    for (ssize_t n; len < sizeof got && (n = recv(fd, got + len, sizeof got - len, MSG_DONTWAIT)) > 0;) len += (size_t)n;
    for (; at + HEAD_BYTES <= len; at += HEAD_BYTES + ((size_t)got[at + 4] << 8 | got[at + 5]) + got[at + 6]) {
        MUST(got[at] == 1);
        type = got[at + 1];
        if (type == STDOUT && text == 0) text = at + HEAD_BYTES;
    }
    MUST(at == len && type == END_REQUEST);
    MUST(text && memcmp(got + text, "Status: ", 8) == 0);
}

static void whole(const struct req *req) {
    const char *const texts[] = {req->method, req->path, req->query, req->request_id, req->remote_addr, req->content_type,
                                 req->authorization, req->queue_token, req->idempotency_key};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) MUST(texts[i]);
    MUST(req->body_len <= BODY_BYTES_MAX && req->body[req->body_len] == 0);
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
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
    MUST(send(fd[0], wire, len, MSG_DONTWAIT) == (ssize_t)len && shutdown(fd[0], SHUT_WR) == 0);
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
    close(fd[0]);
}
