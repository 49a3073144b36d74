/* check/narrative.c - links of a narrative that lead within it, and its language. */
#include "check/rules.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The value of the next attribute of that name at or behind *at; false: no more. */
static bool attribute_next(struct slice text, const char *name, size_t *at, struct slice *ret)
{
    struct slice wanted = slice_cstr(name);
    for (size_t i = *at; i + wanted.length + 2 < text.length; i++) {
        size_t behind = i + wanted.length;
        bool is_name = is_blank(text.bytes[i]) &&
                       memcmp(text.bytes + i + 1, wanted.bytes, wanted.length) == 0 &&
                       text.bytes[behind + 1] == '=';
        if (!is_name)
            continue;
        struct slice rest = slice_from(text, behind + 2);
        char quote = rest.length ? rest.bytes[0] : '\0';
        rest = slice_from(rest, 1);
        ptrdiff_t end = slice_find_byte(rest, quote);
        if ((quote != '"' && quote != '\'') || end < 0)
            continue;
        *ret = slice_head(rest, (size_t)end);
        *at = behind + 2 + (size_t)end;
        return true;
    }
    *at = text.length;
    return false;
}

/* ---- anchors: what a link may lead to ---- */

static enum err anchor_add(struct map *anchors, struct slice text)
{
    uint64_t *place;
    return text.length ? map_put(anchors, text, &place, NULL) : ERR_NONE;
}

static enum err anchors_of_text(struct slice text, const char *name, struct map *anchors)
{
    struct slice value;
    for (size_t at = 0; attribute_next(text, name, &at, &value);)
        TRY(anchor_add(anchors, value));
    return ERR_NONE;
}

/* All ids in the value and, of its narratives, ids and names of anchors: a pass over
 * the tape. The arena keeps the texts. */
static enum err anchors_of(struct json value, struct arena *arena, struct map *anchors)
{
    const struct json_doc *doc = value.doc;
    for (uint32_t at = value.at; at < json_node(value)->next; at++) {
        struct json key = { doc, at };
        if (!json_is(key, JSON_KEY) || !json_is(json_value(key), JSON_STRING))
            continue;
        struct slice name = json_string_raw(key);
        bool is_id = slice_is(name, "id"), is_div = slice_is(name, "div");
        struct slice text = is_id || is_div ? json_string(json_value(key), arena) : SLICE_NONE;
        if ((is_id || is_div) && !text.bytes)
            return ERR_NO_MEMORY;
        if (is_id)
            TRY(anchor_add(anchors, text));
        if (is_div)
            TRY(anchors_of_text(text, "id", anchors));
        if (is_div)
            TRY(anchors_of_text(text, "name", anchors));
    }
    return ERR_NONE;
}

/* In the resource, or else anywhere in the Bundle around it, which is looked through
 * once. */
static enum err anchor_is_there(struct check_run *run, const struct fhir_subject *s,
                                const struct map *own, struct slice name, bool *ret)
{
    *ret = map_find(own, name) != NULL;
    if (*ret || s->outermost.at == s->item.value.at)
        return ERR_NONE;
    if (!run->has_all_anchors) {
        run->has_all_anchors = true;
        TRY(anchors_of(s->outermost, &run->kept, &run->all_anchors));
    }
    *ret = map_find(&run->all_anchors, name) != NULL;
    return ERR_NONE;
}

static enum err links_check(struct check_run *run, const struct fhir_subject *s,
                            const struct fhir_spot *spot, struct json div, struct slice text,
                            const struct map *anchors)
{
    static const char *const names[] = { "href", "src" };
    enum issue_severity severity = run->options->is_lenient ? ISSUE_WARNING : ISSUE_ERROR;
    struct slice value;
    for (size_t n = 0; n < ARRAY_COUNT(names); n++) {
        for (size_t at = 0; attribute_next(text, names[n], &at, &value);) {
            bool is_there = true;
            if (value.length > 1 && value.bytes[0] == '#')
                TRY(anchor_is_there(run, s, anchors, slice_from(value, 1), &is_there));
            if (!is_there)
                rule_report(run, s, spot, div, severity, "not-found",
                            "Hyperlink '%.*s' does not resolve",
                            SLICE_ARGS(slice_head(value, 200)));
        }
    }
    return ERR_NONE;
}

/* ---- language ---- */

/* A resource's language is said on its div, too, for HTML and for XML. */
static void language_check(struct check_run *run, const struct fhir_subject *s,
                           const struct fhir_spot *spot, struct json div, struct slice text)
{
    static const char *const names[] = { "lang", "xml:lang" };
    struct slice language = json_string_raw(json_member(s->item.value, "language"));
    ptrdiff_t end = slice_find_byte(text, '>');
    struct slice tag = slice_head(text, (size_t)MAX(end, 0)), value;
    for (size_t i = 0; language.length && i < ARRAY_COUNT(names); i++) {
        size_t at = 0;
        if (!attribute_next(tag, names[i], &at, &value))
            rule_report(
                run, s, spot, div, ISSUE_WARNING, "business-rule",
                "Resource has a language, but the XHTML does not have an %s tag (needs both "
                "lang and xml:lang - see "
                "https://www.w3.org/TR/i18n-html-tech-lang/#langvalues)",
                names[i]);
        else if (!slice_equal(value, language))
            rule_report(run, s, spot, div, ISSUE_WARNING, "business-rule",
                        "Resource has a language (%.*s), and the XHTML has an %s (%.*s), but they "
                        "differ",
                        SLICE_ARGS(slice_head(language, 40)), names[i],
                        SLICE_ARGS(slice_head(value, 40)));
    }
}

static enum err narrative_check(struct check_run *run, const struct fhir_subject *s,
                                struct json div, struct slice text)
{
    struct fhir_spot outer = spot_of(s->spot, SLICE("text")), spot = spot_of(&outer, SLICE("div"));
    struct map anchors;
    enum err err = ERR_NONE;
    language_check(run, s, &spot, div, text);
    if (slice_find(text, SLICE("#")) < 0)
        return ERR_NONE;
    map_init(&anchors, UINT32_MAX, (uint64_t)(uintptr_t)run);
    err = anchors_of(s->item.value, run->arena, &anchors);
    if (!err)
        err = links_check(run, s, &spot, div, text, &anchors);
    map_release(&anchors);
    return err;
}

enum err rule_narrative(struct check_run *run, const struct fhir_subject *s)
{
    struct json div = json_member(json_member(s->item.value, "text"), "div");
    uint32_t nodes = json_node(s->item.value)->next - s->item.value.at;
    if (!json_is(div, JSON_STRING) ||
        !rule_spend(run, s, json_string_raw(div).length / 50 + nodes / 50))
        return ERR_NONE;
    struct slice text = json_string(div, run->arena);
    return text.bytes ? narrative_check(run, s, div, text) : ERR_NO_MEMORY;
}
