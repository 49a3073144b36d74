/* cli/dotenv.h - settings from a `.env` file, as the guide's reader has one.
 *
 * Lines `NAME=value`, perhaps with `export ` before; blank lines and lines that
 * begin with '#' do not count. A value may stand in single or double quotes; in
 * double ones \n, \" and \\ mean what they say; without quotes it ends before
 * " #" and loses its blanks. Nothing is expanded. Of equal names the first counts.
 */
#ifndef CLI_DOTENV_H
#define CLI_DOTENV_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct dotenv_entry {
    struct dotenv_entry *next;
    struct slice name, value; /* NUL-terminated */
};

struct dotenv {
    struct dotenv_entry *first; /* in the arena */
};

/* Texts are copied into the arena. ERR_SYNTAX: *ret_line names the line. */
MUST_USE enum err dotenv_parse(struct slice text, struct arena *arena, struct dotenv *ret,
                               size_t *ret_line);
/* The value; NULL when the name is absent or its value empty. */
const char *dotenv_find(const struct dotenv *d, const char *name);

#endif
