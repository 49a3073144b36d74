/* base/regex.h - regular expressions in time linear in the text.
 *
 * The common part of Perl's and Java's language: literals, `.`, classes with
 * ranges and \d \w \s, groups, (?:...), |, * + ? {m,n} and their lazy forms,
 * ^ $ \b \B. Texts are UTF-8; `.` matches every character, line ends too.
 * Back references and lookaround are refused: they are what makes others
 * exponential. A set of states is walked once over the text (Thompson, Pike).
 */
#ifndef BASE_REGEX_H
#define BASE_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct regex;

enum { REGEX_GROUPS_MAX = 10 };

struct regex_match {
    struct slice groups[REGEX_GROUPS_MAX]; /* [0]: all; bytes NULL: took no part */
};

/* ERR_SYNTAX for what is no expression, ERR_UNSUPPORTED for what it leaves out,
 * ERR_LIMIT for expressions that unroll to too many states, ERR_NO_MEMORY. The
 * result lives in the arena. */
MUST_USE enum err regex_compile(struct slice pattern, struct arena *arena,
                                const struct regex **ret_regex);

/* The leftmost match at or behind `start`; with `is_whole`, of all of the text
 * from there. Scratch comes from the arena and is given back. */
MUST_USE enum err regex_find(const struct regex *regex, struct slice text, size_t start,
                             bool is_whole, struct arena *arena, bool *ret_found,
                             struct regex_match *ret_match);

/* States times characters: the work that finding in such a text costs at most. */
size_t regex_cost(const struct regex *regex, struct slice text);

#endif
