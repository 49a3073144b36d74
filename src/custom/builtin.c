/* custom/builtin.c - is a definition R4's own parameter in other words?
 *
 * Guides define again what R4 has ("Patient.birthDate" as birthdate, for their own
 * profile). Such a definition needs no values of its own. Both expressions are taken
 * apart at their unions; what is left for one type must be the same. */
#include "custom/custom.h"

enum { BRANCHES_MAX = 64 };

struct branches {
    struct slice list[BRANCHES_MAX];
    size_t count;
    bool is_odd; /* something that cannot be compared */
};

/* Without blanks, and without parentheses around the whole. */
static struct slice bare(struct slice text)
{
    for (;;) {
        text = slice_trim(text);
        if (text.length < 2 || text.bytes[0] != '(' || text.bytes[text.length - 1] != ')')
            return text;
        int depth = 0;
        for (size_t i = 0; i + 1 < text.length; i++) {
            depth += text.bytes[i] == '(' ? 1 : text.bytes[i] == ')' ? -1 : 0;
            if (depth == 0)
                return text; /* the first one closes before the end */
        }
        text = slice_of(text.bytes + 1, text.length - 2);
    }
}

/* The length of the name it begins with. */
static size_t name_length(struct slice text)
{
    size_t length = 0;
    while (length < text.length && ((text.bytes[length] | 0x20) >= 'a') &&
           ((text.bytes[length] | 0x20) <= 'z'))
        length++;
    return length;
}

/* One branch, if it can select anything on the type. */
static void branch_add(struct branches *b, struct slice text, const struct fhir_type *type)
{
    text = bare(text);
    struct slice inner = text;
    while (inner.length && inner.bytes[0] == '(')
        inner = slice_from(inner, 1);
    struct slice name = slice_head(inner, name_length(inner));
    const struct fhir_type *named = name.length ? fhir_type_find(name) : NULL;
    if (named && named != type && named->kind == FHIR_RESOURCE && !named->is_abstract)
        return; /* of another type */
    if (b->count == BRANCHES_MAX || named != type) {
        b->is_odd = true;
        return;
    }
    b->list[b->count++] = text;
}

static void branches_cut(struct branches *b, struct slice text, const struct fhir_type *type)
{
    size_t from = 0;
    int depth = 0;
    char quote = 0;
    text = bare(text);
    *b = (struct branches){ .count = 0 };
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        if (quote) {
            if (c == '\\')
                i++;
            else if (c == quote)
                quote = 0;
        } else if (c == '\'' || c == '`' || c == '"') {
            quote = c;
        } else if (c == '(' || c == ')') {
            depth += c == '(' ? 1 : -1;
        } else if (c == '|' && depth == 0) {
            branch_add(b, slice_of(text.bytes + from, i - from), type);
            from = i + 1;
        }
    }
    branch_add(b, slice_from(text, from), type);
}

/* The same but for blanks outside of quotes, of which nothing hangs in paths but
 * around words, where both have one. */
static bool is_same(struct slice a, struct slice b)
{
    size_t i = 0, k = 0;
    char quote = 0;
    for (;;) {
        while (!quote && i < a.length && a.bytes[i] == ' ')
            i++;
        while (!quote && k < b.length && b.bytes[k] == ' ')
            k++;
        if (i == a.length || k == b.length)
            return i == a.length && k == b.length;
        if (a.bytes[i] != b.bytes[k])
            return false;
        if (a.bytes[i] == '\'')
            quote = quote ? 0 : '\'';
        i++;
        k++;
    }
}

static bool has(const struct branches *b, struct slice text)
{
    for (size_t i = 0; i < b->count; i++)
        if (is_same(b->list[i], text))
            return true;
    return false;
}

bool custom_is_builtin(const struct custom_param *p, const struct fhir_type *type)
{
    const struct fhir_param *own = fhir_param_find(type, p->param.code);
    struct branches mine, theirs;
    if (!own)
        return false;
    if (p->param.code.bytes[0] == '_') /* FHIR's own name: R4's meaning stays */
        return true;
    if (own->type != p->param.type || own->type == FHIR_PARAM_COMPOSITE || !own->path)
        return false;
    branches_cut(&mine, p->param.expression, type);
    branches_cut(&theirs, own->expression, type);
    bool is_it = !mine.is_odd && !theirs.is_odd && mine.count == theirs.count;
    for (size_t i = 0; is_it && i < mine.count; i++)
        is_it = has(&theirs, mine.list[i]) && has(&mine, theirs.list[i]);
    return is_it;
}
