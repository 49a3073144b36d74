/* "Did you mean": the nearest known name by edit distance. */
#include "search/compile.h"

enum { NAME_BYTES_MAX = 48 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Insertions, deletions and replacements that make b of a; case is free. Both
 * have at most NAME_BYTES_MAX bytes. */
static size_t edit_distance(struct slice a, struct slice b)
{
    size_t row[NAME_BYTES_MAX + 1];
    for (size_t j = 0; j <= b.length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.length; j++) {
            size_t replaced = diagonal + (lower(a.bytes[i - 1]) != lower(b.bytes[j - 1]));
            diagonal = row[j];
            row[j] = MIN(replaced, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.length];
}

struct nearest {
    struct slice asked, found;
    size_t distance;
};

static void consider(struct nearest *n, struct slice name)
{
    if (name.length > NAME_BYTES_MAX)
        return;
    size_t distance = edit_distance(n->asked, name);
    if (distance >= n->distance || slice_equal(name, n->asked)) /* known, but not here */
        return;
    n->distance = distance;
    n->found = name;
}

struct slice suggest_param(const struct custom_set *customs, const struct fhir_type *type,
                           const struct slice *others, size_t other_count, struct slice name)
{
    if (name.length == 0 || name.length > NAME_BYTES_MAX)
        return SLICE_NONE;
    struct nearest n = { .asked = name, .distance = 2 + name.length / 3 };
    size_t count;
    const uint16_t *params = fhir_params_of(type, &count);
    for (size_t i = 0; i < count; i++)
        consider(&n, fhir_param_at(params[i])->code);
    const struct custom_param *const *own = custom_params_of(customs, type, &count);
    for (size_t i = 0; i < count; i++)
        consider(&n, own[i]->param.code);
    for (size_t i = 0; i < other_count; i++)
        consider(&n, others[i]);
    return n.found;
}
