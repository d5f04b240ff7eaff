/* SPDX-License-Identifier: 0BSD */
/* A ticket drawn. SVG, because it is sharp on any screen and printer, and text in it can be read
 * out. */
#include "store/ticket.h"

#include <inttypes.h>
#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WIDTH 640
#define HEIGHT 280
#define QR_SIDE 220 /* with the quiet zone of four modules that readers want around it */
#define LINE_CHARACTERS 30

/* Text of others never becomes markup. Control characters are not allowed in XML 1.0. */
static void put_text(FILE *out, const char *text, size_t characters) {
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        bool starts = (*c & 0xc0) != 0x80; /* of a UTF-8 sequence */
        if (starts && characters-- == 0) {
            fputs("…", out);
            return;
        }
        switch (*c) {
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '&': fputs("&amp;", out); break;
        case '"': fputs("&quot;", out); break;
        default: fputc(*c < 0x20 || *c == 0x7f ? ' ' : *c, out);
        }
    }
}

static void line(FILE *out, int y, int size, const char *weight, const char *text) {
    fprintf(out, "<text x=\"250\" y=\"%d\" font-size=\"%d\" font-weight=\"%s\">", y, size, weight);
    put_text(out, text, size > 20 ? LINE_CHARACTERS * 20 / (size_t)size : LINE_CHARACTERS + 10);
    fputs("</text>\n", out);
}

/* Runs of dark modules, row by row, in one path. */
static void put_qr(FILE *out, const QRcode *qr) {
    fprintf(out,
            "<svg x=\"15\" y=\"20\" width=\"%d\" height=\"%d\" viewBox=\"-4 -4 %d %d\" "
            "shape-rendering=\"crispEdges\"><path d=\"",
            QR_SIDE, QR_SIDE, qr->width + 8, qr->width + 8);
    for (int y = 0; y < qr->width; y++) {
        const unsigned char *row = qr->data + (size_t)y * (size_t)qr->width;
        for (int x = 0, end; x < qr->width; x = end) {
            for (end = x; end < qr->width && (row[end] & 1) == (row[x] & 1); end++) continue;
            if (row[x] & 1) fprintf(out, "M%d %dh%dv1H%dz", x, y, end - x, x);
        }
    }
    fputs("\"/></svg>\n", out);
}

static void put_lines(FILE *out, const struct ticket *t, const char *code, const char *currency) {
    char text[SEATS_TEXT_MAX + 40], seats[SEATS_TEXT_MAX];
    time_t at = (time_t)(t->starts_at_ms / 1000);
    struct tm tm;
    line(out, 56, 26, "bold", t->title);
    line(out, 92, 18, "normal", t->venue);
    if (localtime_r(&at, &tm) && strftime(text, sizeof text, "%Y-%m-%d %H:%M %Z", &tm))
        line(out, 122, 18, "normal", text);
    seat_numbers_text(&t->seats, seats);
    snprintf(text, sizeof text, "%s %s", t->seats.count == 1 ? "Seat" : "Seats", seats);
    line(out, 166, 26, "bold", text);
    snprintf(text, sizeof text, "%" PRIu64 " %s · Payment %" PRIu64, t->amount_minor, currency,
             t->payment.v);
    line(out, 206, 15, "normal", text);
    /* For a reader that is broken: it can be typed. */
    fputs("<text x=\"25\" y=\"264\" font-size=\"11\" font-family=\"monospace\">", out);
    put_text(out, code, TOKEN_TEXT_MAX);
    fputs("</text>\n", out);
}

char *ticket_svg(const struct ticket *t, const char *code, const char *currency, size_t *len_r) {
    char *text = NULL;
    FILE *out = open_memstream(&text, len_r);
    QRcode *qr = QRcode_encodeString8bit(code, 0, QR_ECLEVEL_M);
    if (!out || !qr) goto failed;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d "
            "%d\" font-family=\"sans-serif\" role=\"img\">\n<title>",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    put_text(out, t->title, SIZE_MAX);
    fprintf(out, "</title>\n<rect width=\"%d\" height=\"%d\" rx=\"12\" fill=\"#fff\"/>\n", WIDTH,
            HEIGHT);
    put_qr(out, qr);
    put_lines(out, t, code, currency);
    fputs("</svg>\n", out);
    QRcode_free(qr);
    if (fclose(out) == 0) return text;
    free(text);
    return NULL;
failed:
    if (qr) QRcode_free(qr);
    if (out) fclose(out);
    free(text);
    return NULL;
}
