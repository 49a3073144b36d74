/* cli/inputs.h - the texts that a verb's arguments name: files (plain or .zst),
 * folders, standard input ("-"), whole or a line each.
 *
 * A folder gives its files that end in .json or .ndjson (with .zst too), those of its
 * folders as well, by name. A file that ends in .ndjson gives its lines, empty ones
 * left out; any other is one text. A byte order mark at its start is no part of it.
 */
#ifndef CLI_INPUTS_H
#define CLI_INPUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct input {
    const char *name;  /* of the file */
    struct slice text; /* lives as long as the call */
    uint32_t line;     /* its first one in the file, from 1; 0: the whole file */
};

/* Returns 0 or a worse exit status; the worst of all is the result. */
typedef int input_visit(void *context, const struct input *input);

/* `by_lines`: standard input and files of any name, too. What cannot be read is said
 * on standard error after `verb`, and is a 2. */
int inputs_each(const char *verb, const char *argument, bool by_lines, input_visit *visit,
                void *context);

#endif
