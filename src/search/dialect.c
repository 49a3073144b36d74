/* What a server's search lacks of R4's: HealthLake's, by its documentation. Names that
 * it does not mention are refused as well. docs/compatibility.md has the sentences. */
#include "search/compile.h"

struct absence {
    struct slice type; /* empty: every type */
    struct slice code;
};

/* R4's own that HealthLake names as not supported, and common ones that it does not
 * name at all. */
static const struct absence absences[] = {
    { SLICE_INIT("Bundle"), SLICE_INIT("composition") },
    { SLICE_INIT("Bundle"), SLICE_INIT("identifier") },
    { SLICE_INIT("Bundle"), SLICE_INIT("message") },
    { SLICE_INIT("Bundle"), SLICE_INIT("type") },
    { SLICE_INIT("Bundle"), SLICE_INIT("timestamp") },
    { SLICE_INIT("Location"), SLICE_INIT("near") },
    { SLICE_INIT("Consent"), SLICE_INIT("source-reference") },
    { SLICE_INIT("Contract"), SLICE_INIT("patient") },
    { SLICE_INIT(""), SLICE_INIT("_content") },
    { SLICE_INIT(""), SLICE_INIT("_query") },
    { SLICE_INIT(""), SLICE_INIT("_list") },
    { SLICE_INIT(""), SLICE_INIT("_filter") },
    { SLICE_INIT(""), SLICE_INIT("_contained") },
    { SLICE_INIT(""), SLICE_INIT("_containedType") },
    { SLICE_INIT(""), SLICE_INIT("_score") },
};

static const struct search_dialect healthlake = {
    .name = SLICE_INIT("healthlake"),
    .case_counts = true,
    .code_may_be_system = true,
    .is_narrow = true,
};

const struct search_dialect *search_dialect_healthlake(void)
{
    return &healthlake;
}

bool dialect_lacks(const struct search_dialect *dialect, const struct fhir_type *type,
                   struct slice code)
{
    for (size_t i = 0; dialect && dialect->is_narrow && i < ARRAY_COUNT(absences); i++)
        if (slice_equal(absences[i].code, code) &&
            (!absences[i].type.length || (type && slice_equal(absences[i].type, type->name))))
            return true;
    return false;
}

enum err dialect_refuse(struct compiler *c, const char *what)
{
    return issues_fail(c->issues, ERR_INVALID, "not-supported",
                       "%s in the parameter '%.*s' is not supported (--behave %.*s).", what,
                       SLICE_ARGS(slice_head(c->name, SEARCH_SHOWN_BYTES)),
                       SLICE_ARGS(c->settings->dialect->name));
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static struct slice word_cut(struct slice *rest)
{
    size_t length = 0;
    while (length < rest->length && is_letter(rest->bytes[length]))
        length++;
    struct slice word = slice_head(*rest, length);
    *rest = slice_from(*rest, length);
    return word;
}

/* "name.family" is nested, "code" and "extension.where(...)" are not; of strings also
 * what has parts of its own, as a HumanName. */
static bool branch_is_nested(const struct fhir_type *type, const struct fhir_param *param,
                             struct slice path)
{
    struct slice name = word_cut(&path);
    const struct fhir_element *element = fhir_element_find(type, name);
    if (param->type == FHIR_PARAM_STRING && element &&
        fhir_type_at(element->type)->kind != FHIR_PRIMITIVE)
        return true;
    if (!path.length || path.bytes[0] != '.')
        return false;
    path = slice_from(path, 1);
    struct slice step = word_cut(&path);
    return step.length && !(path.length && path.bytes[0] == '(');
}

bool dialect_sorts_by(const struct search_dialect *dialect, const struct fhir_type *type,
                      const struct fhir_param *param)
{
    if (!dialect || !dialect->is_narrow)
        return true;
    struct slice rest = param->expression;
    while (rest.length) {
        struct slice word = word_cut(&rest);
        bool is_type = slice_equal(word, type->name) && rest.length && rest.bytes[0] == '.';
        if (is_type && branch_is_nested(type, param, slice_from(rest, 1)))
            return false;
        if (!word.length)
            rest = slice_from(rest, 1);
    }
    return true;
}
