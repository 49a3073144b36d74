/* rest/codes.c - where a data store's terminology comes from. */
#include "rest/codes.h"

#include "rest/customs.h"
#include "rest/definitions.h"

enum { SAME_URL_MAX = 1000, ESCAPED_BYTES = 4000 };

static const char *const TYPES[] = {
    [TERMINOLOGY_CODE_SYSTEM] = "CodeSystem",
    [TERMINOLOGY_VALUE_SET] = "ValueSet",
};

/* A value of a search: with a backslash before what would part it. */
static struct slice escaped(struct slice text, struct arena *arena)
{
    struct buf out;
    buf_init(&out, ESCAPED_BYTES);
    for (size_t i = 0; i < text.length; i++) {
        if (strchr(",|$\\", text.bytes[i]))
            buf_append_byte(&out, '\\');
        buf_append_byte(&out, text.bytes[i]);
    }
    char *copy = buf_status(&out) ? NULL : arena_copy(arena, buf_slice(&out));
    struct slice kept = slice_of(copy, copy ? out.length : 0);
    buf_release(&out);
    return kept;
}

/* The newest of those that match. */
static enum err newest(struct rest *rest, const struct search_query *query, struct arena *arena,
                       struct slice *ret_text)
{
    struct store_reader *reader;
    struct store_version version;
    uint64_t *docs;
    size_t count = 0;
    TRY(store_read_begin(rest->settings.store, 0, &reader));
    enum err err = store_search(reader, query->plan, 0, SAME_URL_MAX, arena, &docs, &count);
    for (bool is_erased = true; !err && is_erased && count > 0; count--) {
        err = store_doc(reader, docs[count - 1], arena, &version);
        is_erased = err == ERR_NOT_FOUND; /* since it was found: then the one before */
        if (is_erased) {
            err = ERR_NONE;
            continue;
        }
        char *copy = err ? NULL : arena_copy(arena, version.body);
        *ret_text = slice_of(copy, copy ? version.body.length : 0);
    }
    store_read_end(reader);
    return err;
}

static enum err find_stored(struct rest *rest, const char *type_name, struct slice url,
                            struct slice version, struct arena *arena, struct slice *ret_text)
{
    const struct fhir_type *type = fhir_resource_find(slice_cstr(type_name));
    struct search_settings settings = { .base_url = rest->index_base_url,
                                        .default_count = 1,
                                        .largest_count = 1 };
    struct search_pair pairs[] = { { .name = SLICE("url"), .value = escaped(url, arena) },
                                   { .name = SLICE("version"), .value = escaped(version, arena) } };
    struct search_query query;
    struct issues issues;
    issues_init(&issues, arena);
    if (!url.length || 2 * (url.length + version.length) > ESCAPED_BYTES)
        return ERR_NONE; /* nobody has stored that */
    if (!pairs[0].value.length || (version.length && !pairs[1].value.length))
        return ERR_NO_MEMORY;
    enum err err =
        search_parse(&settings, type, pairs, version.length ? 2 : 1, arena, &issues, &query);
    if (err) /* what cannot be searched for is not here */
        return err == ERR_NO_MEMORY || (err == ERR_LIMIT && !issues.first) ? ERR_NO_MEMORY
                                                                           : ERR_NONE;
    return newest(rest, &query, arena, ret_text);
}

/* A CodeSystem that only says of itself that its codes are elsewhere. */
static bool is_stub(struct slice text, struct arena *arena)
{
    struct json_doc doc;
    struct arena_mark mark = arena_mark(arena);
    bool is_it = json_parse(text, NULL, arena, &doc, NULL) == ERR_NONE &&
                 json_string_is(json_member(json_root(&doc), "content"), SLICE("not-present")) &&
                 !json_exists(json_first(json_member(json_root(&doc), "concept")));
    arena_rewind(arena, mark);
    return is_it;
}

static enum err find(void *context, enum terminology_kind kind, struct slice url,
                     struct slice version, struct arena *arena, struct slice *ret_text)
{
    struct rest *rest = context;
    TRY(find_stored(rest, TYPES[kind], url, version, arena, ret_text));
    bool is_here =
        ret_text->bytes && !(kind == TERMINOLOGY_CODE_SYSTEM && is_stub(*ret_text, arena));
    if (is_here || !rest->settings.profiles)
        return ERR_NONE;
    const struct terminology_source packages = profile_terminology(rest->settings.profiles);
    return packages.find(packages.context, kind, url, version, arena, ret_text);
}

enum err codes_questionnaire(void *context, struct slice canonical, struct arena *arena,
                             struct slice *ret_text)
{
    struct rest *rest = context;
    struct slice version = canonical, url = slice_cut(&version, '|');
    struct arena_mark mark = arena_mark(arena);
    *ret_text = SLICE_NONE;
    enum err err = find_stored(rest, "Questionnaire", url, version, arena, ret_text);
    if (!err && !ret_text->bytes)
        arena_rewind(arena, mark);
    return err;
}

enum err codes_open(struct rest *rest)
{
    const struct terminology_source source = { .context = rest, .find = find };
    return terminology_open(&source, &rest->terminology);
}

struct terminology *codes_terminology(const struct rest *rest)
{
    definitions_look(rest);
    return rest->terminology;
}

void codes_note(struct rest *rest, const struct store_write *writes, size_t count)
{
    definitions_note(rest, writes, count);
    customs_note(rest, writes, count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < ARRAY_COUNT(TYPES); k++)
            if (slice_is(writes[i].type, TYPES[k])) {
                terminology_forget(rest->terminology);
                return;
            }
}
