/* cli/options.h - long options from a table, with --help made from it.
 *
 * A verb describes its options as rows that point at its own variables and
 * calls options_parse() once:
 *
 *     const char *data = NULL;
 *     uint64_t count = 100;
 *     bool dry = false;
 *     const struct option_row rows[] = {
 *         { "data", OPTION_TEXT, "DIR", NULL, "where the store lives", &data },
 *         { "count", OPTION_NUMBER, "N", "TARN_COUNT", "page size (default 100)", &count },
 *         { "dry-run", OPTION_SWITCH, NULL, NULL, "show what would be sent", &dry },
 *         { 0 },
 *     };
 *     struct option_usage usage = { .line = "tarn verb --data DIR [options] URL",
 *                                   .about = "What it does, in a sentence.",
 *                                   .rows = rows, .least = 1, .most = 1 };
 *     int status = options_parse(&usage, argc, argv, &argument_count);
 *     if (status >= 0)
 *         return status; // --help was printed (0) or the use was wrong (2)
 *     // the argument_count arguments that are no options: argv[1], argv[2], ...
 *
 * Written `--name value` or `--name=value`; `--` ends the options; `-` is an
 * argument. Giving an option twice is wrong use unless it is a list. A variable
 * keeps its value when neither the option nor its environment variable is there.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum option_kind {
    OPTION_SWITCH, /* bool: true when given; takes no value */
    OPTION_TEXT,   /* const char *: points into argv or the environment */
    OPTION_NUMBER, /* uint64_t: decimal digits */
    OPTION_BYTES,  /* uint64_t: decimal digits and perhaps K, M or G (1,024) */
    OPTION_LIST,   /* struct option_list: may be given again and again */
};

struct option_row {
    const char *name; /* "listen" for --listen; NULL ends the table */
    enum option_kind kind;
    const char *value;       /* what the help calls the value: "ADDR:PORT"; NULL for a switch */
    const char *environment; /* asked when the option is not given and not empty; may be NULL */
    const char *help;        /* lines parted by '\n' */
    void *to;                /* as the kind says */
};

enum { OPTION_LIST_MAX = 64 };

struct option_list {
    const char *items[OPTION_LIST_MAX];
    size_t count;
};

struct option_usage {
    const char *line;  /* "tarn serve --data DIR [options]" */
    const char *about; /* what it does; may have several lines */
    const struct option_row *rows;
    size_t least, most; /* how many arguments that are no options */
};

/* -1 to go on; 0 after --help (on stdout); 2 after wrong use (on stderr). The
 * arguments that are no options are moved to argv[1].. in their order. */
int options_parse(const struct option_usage *usage, int argc, char **argv,
                  size_t *ret_argument_count);

/* Print "tarn VERB: text" and the hint at --help; returns 2, for `return`. */
int options_refuse(const char *verb, const char *format, ...)
    __attribute__((__format__(__printf__, 2, 3)));

#endif
