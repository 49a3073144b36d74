/* check/narrative.c - links of a narrative that lead within it. */
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

static enum err anchors_gather(struct slice text, const char *name, struct map *anchors)
{
    struct slice value;
    uint64_t *place;
    for (size_t at = 0; attribute_next(text, name, &at, &value);)
        if (value.length)
            TRY(map_put(anchors, value, &place, NULL));
    return ERR_NONE;
}

static enum err links_check(struct check_run *run, const struct fhir_subject *s, struct json div,
                            struct slice text, struct map *anchors)
{
    struct fhir_spot outer = spot_of(s->spot, SLICE("text")), spot = spot_of(&outer, SLICE("div"));
    enum issue_severity severity = run->options->is_lenient ? ISSUE_WARNING : ISSUE_ERROR;
    struct slice value;
    TRY(anchors_gather(text, "id", anchors));
    TRY(anchors_gather(text, "name", anchors));
    for (size_t at = 0; attribute_next(text, "href", &at, &value);)
        if (value.length > 1 && value.bytes[0] == '#' && !map_find(anchors, slice_from(value, 1)))
            rule_report(run, s, &spot, div, severity, "not-found",
                        "Hyperlink '%.*s' does not resolve", SLICE_ARGS(slice_head(value, 200)));
    return ERR_NONE;
}

/* Contained resources may be linked to as well. */
static enum err contained_gather(const struct fhir_subject *s, struct map *anchors)
{
    struct json list = json_member(s->item.value, "contained");
    uint64_t *place;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct slice id = json_string_raw(json_member(v, "id"));
        if (id.length)
            TRY(map_put(anchors, id, &place, NULL));
    }
    return ERR_NONE;
}

enum err rule_narrative(struct check_run *run, const struct fhir_subject *s)
{
    struct json div = json_member(json_member(s->item.value, "text"), "div");
    struct slice raw = json_string_raw(div);
    struct map anchors;
    if (slice_find(raw, SLICE("#")) < 0 || !rule_spend(run, s, raw.length / 50))
        return ERR_NONE;
    struct slice text = json_string(div, run->arena);
    if (!text.bytes)
        return json_is(div, JSON_STRING) ? ERR_NO_MEMORY : ERR_NONE;
    map_init(&anchors, UINT32_MAX, (uint64_t)(uintptr_t)run);
    enum err err = contained_gather(s, &anchors);
    if (!err)
        err = links_check(run, s, div, text, &anchors);
    map_release(&anchors);
    return err;
}
