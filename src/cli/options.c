#include "cli/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { ROWS_MAX = 64, HELP_COLUMN = 30 };

int options_refuse(const char *verb, const char *format, ...)
{
    fprintf(stderr, "tarn %s: ", verb);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n`tarn %s --help` says more\n", verb);
    return 2;
}

static void print_row(const struct option_row *row)
{
    char left[128];
    snprintf(left, sizeof left, "  --%s%s%s", row->name, row->value ? " " : "",
             row->value ? row->value : "");
    printf("%s", left);
    size_t column = strlen(left);
    if (column >= HELP_COLUMN) {
        putchar('\n');
        column = 0;
    }
    for (struct slice rest = slice_cstr(row->help); rest.bytes; column = 0) {
        struct slice line = slice_cut(&rest, '\n');
        printf("%*s%.*s", (int)(HELP_COLUMN - column), "", SLICE_ARGS(line));
        if (rest.bytes)
            putchar('\n');
    }
    if (row->environment)
        printf(" [%s]", row->environment);
    putchar('\n');
}

static void print_help(const struct option_usage *usage)
{
    printf("usage: %s\n\n%s\n\noptions:\n", usage->line, usage->about);
    for (const struct option_row *row = usage->rows; row->name; row++)
        print_row(row);
    printf("  %-*s%s\n", HELP_COLUMN - 2, "--help", "this text");
}

static bool parse_bytes(struct slice text, uint64_t *ret_value)
{
    static const char units[] = "KMG";
    unsigned shift = 0;
    const char *unit = text.length ? strchr(units, text.bytes[text.length - 1]) : NULL;
    if (unit && *unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        text.length--;
    }
    uint64_t value;
    if (!slice_parse_u64(text, &value) || value > UINT64_MAX >> shift)
        return false;
    *ret_value = value << shift;
    return true;
}

/* Store the text in the row's variable; NULL or why it cannot be. */
static const char *option_set(const struct option_row *row, const char *text)
{
    switch (row->kind) {
    case OPTION_SWITCH:
        *(bool *)row->to = true;
        return NULL;
    case OPTION_TEXT:
        *(const char **)row->to = text;
        return NULL;
    case OPTION_NUMBER:
        return slice_parse_u64(slice_cstr(text), row->to) ? NULL : "is not a number";
    case OPTION_BYTES:
        return parse_bytes(slice_cstr(text), row->to)
                   ? NULL
                   : "is not a number of bytes (digits, perhaps followed by K, M or G)";
    case OPTION_LIST: {
        struct option_list *list = row->to;
        if (list->count == OPTION_LIST_MAX)
            return "is one too many";
        list->items[list->count++] = text;
        return NULL;
    }
    }
    return "has no kind";
}

static const struct option_row *find_row(const struct option_usage *usage, struct slice name,
                                         size_t *ret_index)
{
    for (size_t i = 0; usage->rows[i].name; i++) {
        CHECK(i < ROWS_MAX);
        if (slice_is(name, usage->rows[i].name)) {
            *ret_index = i;
            return &usage->rows[i];
        }
    }
    return NULL;
}

static bool is_true(const char *text)
{
    return strcmp(text, "0") != 0 && strcmp(text, "false") != 0 && strcmp(text, "no") != 0;
}

static int set_from_environment(const struct option_usage *usage, const char *verb,
                                const bool *given)
{
    for (size_t i = 0; usage->rows[i].name; i++) {
        const struct option_row *row = &usage->rows[i];
        const char *text = row->environment && !given[i] ? getenv(row->environment) : NULL;
        if (!text || !*text || (row->kind == OPTION_SWITCH && !is_true(text)))
            continue;
        const char *problem = option_set(row, text);
        if (problem)
            return options_refuse(verb, "%s='%s' %s", row->environment, text, problem);
    }
    return -1;
}

/* One "--name", "--name=value" or "--name value"; *at moves past the value. */
static int parse_one(const struct option_usage *usage, int argc, char **argv, int *at, bool *given)
{
    const char *verb = argv[0];
    struct slice rest = slice_cstr(argv[*at] + 2);
    struct slice name = slice_cut(&rest, '=');
    size_t index = 0;
    const struct option_row *row = find_row(usage, name, &index);
    if (!row)
        return options_refuse(verb, "there is no option --%.*s", SLICE_ARGS(name));
    if (given[index] && row->kind != OPTION_LIST)
        return options_refuse(verb, "--%s is given twice", row->name);
    given[index] = true;

    const char *text = rest.bytes;
    if (row->kind == OPTION_SWITCH) {
        if (text)
            return options_refuse(verb, "--%s takes no value", row->name);
    } else if (!text) {
        if (*at + 1 >= argc)
            return options_refuse(verb, "--%s needs a value (%s)", row->name, row->value);
        text = argv[++*at];
    }
    const char *problem = option_set(row, text);
    if (problem)
        return options_refuse(verb, "--%s: '%s' %s", row->name, text, problem);
    return -1;
}

int options_parse(const struct option_usage *usage, int argc, char **argv,
                  size_t *ret_argument_count)
{
    bool given[ROWS_MAX] = { false };
    size_t count = 0;
    bool options_over = false;
    for (int at = 1; at < argc; at++) {
        char *text = argv[at];
        if (!options_over && strcmp(text, "--") == 0) {
            options_over = true;
        } else if (!options_over && (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0)) {
            print_help(usage);
            return 0;
        } else if (!options_over && strncmp(text, "--", 2) == 0) {
            int status = parse_one(usage, argc, argv, &at, given);
            if (status >= 0)
                return status;
        } else if (!options_over && text[0] == '-' && text[1]) {
            return options_refuse(argv[0], "there is no option %s", text);
        } else {
            argv[++count] = text;
        }
    }
    if (count < usage->least || count > usage->most)
        return options_refuse(argv[0], "%s argument; usage: %s",
                              count < usage->least ? "missing" : "unexpected", usage->line);
    *ret_argument_count = count;
    return set_from_environment(usage, argv[0], given);
}
