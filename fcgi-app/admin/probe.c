/* SPDX-License-Identifier: 0BSD */
/* Small clients of FastCGI and HTTP. Each request has a connection of its own, and each wait an
 * end. */
#include "admin/probe.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX (4u << 20)

static int open_socket(int family) {
    struct timeval t = {.tv_sec = PROBE_TIMEOUT_S};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t); /* that of connect, too */
    return fd;
}

/* --- FastCGI --- */

enum { FCGI_BEGIN = 1, FCGI_END = 3, FCGI_PARAMS = 4, FCGI_STDIN = 5, FCGI_STDOUT = 6 };

static size_t record(unsigned char *at, int type, const void *bytes, size_t len) {
    const unsigned char head[8] = {
        1, (unsigned char)type, 0, 1, (unsigned char)(len >> 8), (unsigned char)len, 0, 0};
    memcpy(at, head, 8);
    memcpy(at + 8, bytes, len);
    return 8 + len;
}

static size_t pair(unsigned char *at, const char *name, const char *value) {
    size_t n = strlen(name), v = strlen(value);
    at[0] = (unsigned char)n; /* both below 128 */
    at[1] = (unsigned char)v;
    memcpy(at + 2, name, n);
    memcpy(at + 2 + n, value, v);
    return 2 + n + v;
}

static size_t fcgi_request(const char *path, unsigned char request_r[1024]) {
    static const unsigned char responder[8] = {0, 1};
    unsigned char params[512];
    size_t n = pair(params, "REQUEST_METHOD", "GET");
    n += pair(params + n, "REQUEST_URI", path);
    n += pair(params + n, "DOCUMENT_URI", path);
    n += pair(params + n, "QUERY_STRING", "");
    n += pair(params + n, "SERVER_PROTOCOL", "HTTP/1.1");
    n += pair(params + n, "REMOTE_ADDR", "127.0.0.1");
    n += pair(params + n, "REQUEST_ID", "boxofficectl-check");
    size_t len = record(request_r, FCGI_BEGIN, responder, sizeof responder);
    len += record(request_r + len, FCGI_PARAMS, params, n);
    len += record(request_r + len, FCGI_PARAMS, "", 0);
    return len + record(request_r + len, FCGI_STDIN, "", 0);
}

/* All until the peer closes. NULL: errno says why. */
static char *read_all(int fd, size_t *len_r) {
    size_t size = 65536, len = 0;
    char *bytes = malloc(size);
    while (bytes) {
        ssize_t n = read(fd, bytes + len, size - len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 || len > ANSWER_MAX) break;
        if (n == 0) {
            *len_r = len;
            return bytes;
        }
        len += (size_t)n;
        if (len == size) {
            char *more = realloc(bytes, size *= 2);
            if (!more) break;
            bytes = more;
        }
    }
    free(bytes);
    return NULL;
}

/* Puts what the STDOUT records bear together at the start of the buffer, and ends it. */
static bool unpack(char *bytes, size_t len) {
    size_t out = 0;
    for (size_t at = 0; at + 8 <= len;) {
        const unsigned char *head = (const unsigned char *)bytes + at;
        int type = head[1];
        size_t n = (size_t)head[4] << 8 | head[5], padding = head[6];
        if (head[0] != 1 || at + 8 + n > len) return false;
        if (type == FCGI_STDOUT) {
            memmove(bytes + out, bytes + at + 8, n);
            out += n;
        }
        if (type == FCGI_END) {
            bytes[out] = 0; /* the record that ends it is longer than this */
            return true;
        }
        at += 8 + n + padding;
    }
    return false;
}

static int fcgi_talk(int fd, const char *path, char **body_r) {
    unsigned char request[1024];
    size_t len = fcgi_request(path, request);
    if (send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len) return -errno;
    char *answer = read_all(fd, &len);
    if (!answer) return errno ? -errno : -EPROTO;
    char *body = unpack(answer, len) ? strstr(answer, "\r\n\r\n") : NULL;
    int status;
    if (!body || sscanf(answer, "Status: %3d", &status) != 1) {
        free(answer);
        return -EPROTO;
    }
    memmove(answer, body + 4, strlen(body + 4) + 1);
    *body_r = answer;
    return status;
}

int probe_fcgi(const char *socket_path, const char *path, char **body_r) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    *body_r = NULL;
    if (strlen(socket_path) >= sizeof at.sun_path) return -ENAMETOOLONG;
    strcpy(at.sun_path, socket_path);
    int fd = open_socket(AF_UNIX);
    if (fd < 0) return -errno;
    int status =
        connect(fd, (struct sockaddr *)&at, sizeof at) ? -errno : fcgi_talk(fd, path, body_r);
    close(fd);
    return status;
}

/* --- HTTP --- */

bool url_parse(const char *text, struct url *url_r) {
    *url_r = (struct url){0};
    if (strncmp(text, "https://", 8) == 0)
        url_r->tls = true;
    else if (strncmp(text, "http://", 7) != 0)
        return false;
    const char *host = text + (url_r->tls ? 8 : 7);
    bool bracket = *host == '[';
    size_t len = bracket ? strcspn(++host, "]/") : strcspn(host, ":/");
    const char *rest = host + len;
    if (bracket && *rest++ != ']') return false;
    if (len == 0 || len >= sizeof url_r->host || strcspn(host, " \r\n\t@?#") < len) return false;
    memcpy(url_r->host, host, len);
    strcpy(url_r->port, url_r->tls ? "443" : "80");
    if (*rest == ':') {
        size_t digits = strspn(rest + 1, "0123456789");
        unsigned long port = strtoul(rest + 1, NULL, 10);
        if (digits == 0 || digits >= sizeof url_r->port || port < 1 || port > 65535) return false;
        snprintf(url_r->port, sizeof url_r->port, "%lu", port);
        rest += 1 + digits;
    }
    /* The site is the whole of an address: what follows would not be looked at. */
    return strcmp(rest, "") == 0 || strcmp(rest, "/") == 0;
}

static int tcp_connect(const struct url *url, char *why_r, size_t why_size) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    /* This machine by its addresses, whatever the hosts file says and however slow the resolver is.
     */
    const char *host = strcmp(url->host, "localhost") == 0 ? NULL : url->host;
    int bad = getaddrinfo(host, url->port, &hints, &list), fd = -1;
    if (bad) {
        snprintf(why_r, why_size, "%s: %s", url->host, gai_strerror(bad));
        return -1;
    }
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = open_socket(a->ai_family);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0) break;
        snprintf(why_r, why_size, "%s port %s: %s", url->host, url->port,
                 strerror(errno == EINPROGRESS ? ETIMEDOUT : errno));
        if (fd >= 0) close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    return fd;
}

bool probe_connect(const struct url *url) {
    char why[200];
    int fd = tcp_connect(url, why, sizeof why);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static int64_t certificate_left_s(SSL *ssl) {
    X509 *x = SSL_get1_peer_certificate(ssl);
    int days = 0, seconds = 0;
    if (x) ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x));
    X509_free(x);
    return (int64_t)days * 86400 + seconds;
}

void probe_close(struct probe *p) {
    SSL_free(p->ssl);
    SSL_CTX_free(p->ctx);
    if (p->fd >= 0) close(p->fd);
    *p = (struct probe){.fd = -1};
}

static bool open_tls(struct probe *p, const struct url *url, char *why_r, size_t why_size) {
    ERR_clear_error();
    p->ctx = SSL_CTX_new(TLS_client_method());
    p->ssl = p->ctx ? SSL_new(p->ctx) : NULL;
    if (p->ssl && SSL_set_fd(p->ssl, p->fd) && SSL_set_tlsext_host_name(p->ssl, url->host) &&
        SSL_connect(p->ssl) == 1) {
        p->certificate_s = certificate_left_s(p->ssl);
        return true;
    }
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(why_r, why_size, "no TLS: %s", reason ? reason : "the connection was closed");
    return false;
}

bool probe_send(struct probe *p_r, const struct url *url, const char *method, const char *path,
                const char *headers, char *why_r, size_t why_size) {
    char request[1024];
    bool v6 = strchr(url->host, ':') != NULL; /* an address of IPv6 stands in brackets there */
    int n = snprintf(request, sizeof request,
                     "%s %s HTTP/1.1\r\nHost: %s%s%s\r\n"
                     "User-Agent: boxofficectl-check\r\nConnection: close\r\n%s\r\n",
                     method, path, v6 ? "[" : "", url->host, v6 ? "]" : "", headers);
    *p_r = (struct probe){.fd = tcp_connect(url, why_r, why_size)};
    if (p_r->fd < 0 || (url->tls && !open_tls(p_r, url, why_r, why_size))) return false;
    if ((p_r->ssl ? SSL_write(p_r->ssl, request, n)
                  : (int)send(p_r->fd, request, (size_t)n, MSG_NOSIGNAL)) == n)
        return true;
    snprintf(why_r, why_size, "the connection was closed");
    return false;
}

/* The first bytes of an answer are enough: its status is there. */
int probe_status(struct probe *p, char *why_r, size_t why_size) {
    char answer[64] = "";
    size_t got = 0;
    int status;
    while (got < 12) {
        int room = (int)(sizeof answer - 1 - got);
        int n = p->ssl ? SSL_read(p->ssl, answer + got, room)
                       : (int)recv(p->fd, answer + got, (size_t)room, 0);
        if (n <= 0) break;
        got += (size_t)n;
    }
    if (sscanf(answer, "HTTP/1.%*1d %3d", &status) == 1) return status;
    snprintf(why_r, why_size, "no HTTP answer within %d s", PROBE_TIMEOUT_S);
    return -1;
}
