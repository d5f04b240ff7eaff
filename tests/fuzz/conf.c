/* SPDX-License-Identifier: 0BSD */
/* The settings file: what is taken is within its range and reads the same when written again. */
#include "fuzz.h"

#include "base/conf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void within_range(const struct conf *conf) {
#define U64(name, dflt, least, most, unit, help)                                                   \
    MUST(conf->name + 1 > (uint64_t)(least) && conf->name <= (most));
#define TEXT(name, dflt, help) MUST(memchr(conf->name, 0, CONF_TEXT_MAX));
#include "base/config.def"
#undef U64
#undef TEXT
}

/* As an operator would write these settings. */
static void write_out(FILE *out, const struct conf *conf) {
#define U64(name, dflt, least, most, unit, help)                                                   \
    fprintf(out, "%s = %" PRIu64 "\n", #name, conf->name);
#define TEXT(name, dflt, help) fprintf(out, "  %s=\t%s \n", #name, conf->name);
#include "base/config.def"
#undef U64
#undef TEXT
}

static void reads_the_same(const struct conf *conf) {
    static struct conf again;
    char *text, why[600];
    size_t size;
    const char *path;
    FILE *out = open_memstream(&text, &size);
    MUST(out);
    write_out(out, conf);
    fclose(out);
    int fd = fuzz_file((const uint8_t *)text, size, &path);
    MUST(conf_load(path, &again, why, sizeof why));
#define U64(name, dflt, least, most, unit, help) MUST(again.name == conf->name);
#define TEXT(name, dflt, help) MUST(strcmp(again.name, conf->name) == 0);
#include "base/config.def"
#undef U64
#undef TEXT
    close(fd);
    free(text);
}

void fuzz_one(const uint8_t *data, size_t size) {
    static struct conf conf;
    char why[600];
    const char *path;
    int fd = fuzz_file(data, size, &path);
    memset(why, 1, sizeof why);
    if (conf_load(path, &conf, why, sizeof why)) {
        within_range(&conf);
        reads_the_same(&conf);
    } else {
        MUST(memchr(why, 0, sizeof why) && *why && !strchr(why, '\n'));
    }
    close(fd);
}
