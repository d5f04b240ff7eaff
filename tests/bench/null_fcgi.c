/* SPDX-License-Identifier: 0BSD */
/* Yardstick: the least that a preforked FastCGI program behind the same nginx can do, by libfcgi's
 * own means. null-fcgi SOCKET WORKERS */
#include <fcgiapp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static void serve(int fd) {
    static const char answer[] =
        "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
        "15\r\n\r\n{\"status\":\"ok\"}";
    FCGX_Request r;
    FCGX_InitRequest(&r, fd, 0);
    while (FCGX_Accept_r(&r) == 0) {
        FCGX_PutStr(answer, sizeof answer - 1, r.out);
        FCGX_Finish_r(&r);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    FCGX_Init();
    int fd = FCGX_OpenSocket(argv[1], 511);
    if (fd < 0) return 1;
    for (int i = atoi(argv[2]); i > 0; i--)
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            serve(fd);
            _exit(0);
        }
    pause();
    return 0;
}
