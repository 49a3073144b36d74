/* _summary and _elements, of searches and of every other interaction. */
#include "search/search.h"

static enum err parse_summary(struct slice value, struct issues *issues, struct fhir_subset *ret,
                              bool *ret_is_count)
{
    static const struct {
        struct slice name;
        enum fhir_subset_kind kind;
    } KINDS[] = { { SLICE_INIT("true"), FHIR_SUBSET_SUMMARY },
                  { SLICE_INIT("text"), FHIR_SUBSET_TEXT },
                  { SLICE_INIT("data"), FHIR_SUBSET_DATA },
                  { SLICE_INIT("false"), FHIR_SUBSET_NONE } };
    if (ret_is_count && slice_is(value, "count")) {
        *ret_is_count = true;
        return ERR_NONE;
    }
    for (size_t i = 0; i < ARRAY_COUNT(KINDS); i++) {
        if (!slice_equal(KINDS[i].name, value))
            continue;
        ret->kind = KINDS[i].kind;
        return ERR_NONE;
    }
    return issues_fail(issues, ERR_INVALID, "value",
                       "The value '%.*s' of the parameter '_summary' is not one of true, text, "
                       "data, %sfalse.",
                       SLICE_ARGS(slice_head(value, 100)), ret_is_count ? "count, " : "");
}

static enum err parse_elements(struct slice value, const struct fhir_type *type,
                               struct arena *arena, struct issues *issues,
                               struct fhir_subset *ret)
{
    size_t count = 1;
    for (size_t i = 0; i < value.length; i++)
        count += value.bytes[i] == ',';
    struct slice *elements = arena_array(arena, count, sizeof *elements);
    if (!elements)
        return ERR_NO_MEMORY;
    count = 0;
    while (value.bytes) {
        struct slice name = slice_trim(slice_cut(&value, ','));
        struct slice inner = name;
        /* "Patient.name" is the name of patients; other types have their own. */
        struct slice head = slice_cut(&inner, '.');
        if (inner.bytes && type && slice_equal(head, type->name))
            name = inner;
        if (slice_ends_with(name, SLICE("[x]")))
            name = slice_head(name, name.length - 3);
        if (name.length)
            elements[count++] = name;
    }
    if (!count)
        return issues_fail(issues, ERR_INVALID, "value",
                           "_elements names no element: expected a list such as "
                           "identifier,name");
    ret->kind = FHIR_SUBSET_ELEMENTS;
    ret->elements = elements;
    ret->element_count = count;
    return ERR_NONE;
}

enum err search_subset_parse(const struct search_pair *pairs, size_t count,
                             const struct fhir_type *type, struct arena *arena,
                             struct issues *issues, struct fhir_subset *ret, bool *ret_is_count)
{
    const struct search_pair *summary = NULL, *elements = NULL;
    for (size_t i = 0; i < count; i++) {
        bool is_summary = slice_is(pairs[i].name, "_summary");
        if (!is_summary && !slice_is(pairs[i].name, "_elements"))
            continue;
        const struct search_pair **place = is_summary ? &summary : &elements;
        if (*place)
            return issues_fail(issues, ERR_INVALID, "invalid",
                               "The parameter '%.*s' is given more than once.",
                               SLICE_ARGS(pairs[i].name));
        *place = &pairs[i];
    }
    if (summary)
        TRY(parse_summary(summary->value, issues, ret, ret_is_count));
    if (!elements)
        return ERR_NONE;
    if (ret->kind || (ret_is_count && *ret_is_count))
        return issues_fail(issues, ERR_INVALID, "invalid",
                           "_elements and _summary cannot be combined: each names what a "
                           "resource keeps.");
    return parse_elements(elements->value.bytes ? elements->value : SLICE(""), type, arena, issues,
                          ret);
}
