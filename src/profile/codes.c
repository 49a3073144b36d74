/* profile/codes.c - value sets of a set's packages, asked for single elements. */
#include "profile/home.h"
#include "profile/set.h"

static enum err give(struct profile_home *home, enum terminology_kind kind, struct slice url,
                     struct slice version, struct slice package, struct arena *arena,
                     struct slice *ret_text)
{
    struct profile_set *set = profile_home_set(home, NULL);
    enum profile_kind own = kind == TERMINOLOGY_VALUE_SET ? PROFILE_VALUE_SET : PROFILE_CODE_SYSTEM;
    struct slice text = set_resource_for(set, own, url, version, package);
    enum err err = ERR_NONE;
    *ret_text = SLICE_NONE;
    if (text.bytes) {
        char *copy = arena_copy(arena, text);
        err = copy ? ERR_NONE : ERR_NO_MEMORY;
        *ret_text = slice_of(copy, text.length);
    }
    profile_set_unref(set);
    return err;
}

static enum err find(void *context, enum terminology_kind kind, struct slice url,
                     struct slice version, struct arena *arena, struct slice *ret_text)
{
    return give(context, kind, url, version, SLICE_NONE, arena, ret_text);
}

struct terminology_source profile_terminology(struct profile_home *home)
{
    return (struct terminology_source){ .context = home, .find = find };
}

/* ---- of a version that is not the default ---- */

static enum err find_for(void *context, enum terminology_kind kind, struct slice url,
                         struct slice version, struct arena *arena, struct slice *ret_text)
{
    struct package_codes *p = context;
    return give(p->home, kind, url, version, slice_cstr(p->package), arena, ret_text);
}

enum err package_codes_open(struct package_codes *p)
{
    const struct terminology_source source = { .context = p, .find = find_for };
    return terminology_open(&source, &p->terminology);
}

struct terminology *profile_codes_of(const struct profile_codes *codes, struct slice package)
{
    struct terminology *own =
        codes->home && package.length > 0 ? home_codes(codes->home, package) : NULL;
    return own ? own : codes->terminology;
}

struct question {
    struct terminology *terminology;
    struct slice value_set;
    struct arena *arena;
};

/* One coding; its texts live in the scratch. */
static int ask(const struct question *q, const struct terminology_code *code)
{
    struct terminology_answer answer;
    enum err err = terminology_in_value_set(q->terminology, q->value_set, code, q->arena, &answer);
    if (err || answer.truth == TERMINOLOGY_UNKNOWN)
        return -1;
    return answer.truth == TERMINOLOGY_YES;
}

static int ask_coding(const struct question *q, struct json coding)
{
    struct arena *arena = q->arena;
    const struct terminology_code code = {
        .system = json_string(json_member(coding, "system"), arena),
        .version = json_string(json_member(coding, "version"), arena),
        .code = json_string(json_member(coding, "code"), arena),
    };
    /* A coding without a system means nothing: no value set has it. */
    return code.code.length == 0 || code.system.length == 0 ? 0 : ask(q, &code);
}

static int ask_concept(const struct question *q, struct json concept)
{
    struct json list = json_member(concept, "coding");
    int best = 0;
    for (struct json v = json_first(list); json_exists(v) && best != 1; v = json_next(list, v)) {
        int answer = ask_coding(q, v);
        best = answer == 1 || best == 0 ? answer : best;
    }
    return best;
}

int profile_member_of(void *context, struct fhir_item item, struct slice value_set,
                      struct slice package)
{
    struct profile_codes *codes = context;
    const struct question q = { profile_codes_of(codes, package), value_set, codes->arena };
    struct arena_mark mark = arena_mark(codes->arena);
    int answer = -1;
    if (json_is(item.value, JSON_STRING)) {
        const struct terminology_code code = { .code = json_string(item.value, codes->arena) };
        answer = code.code.bytes ? ask(&q, &code) : -1;
    } else if (item.type && item.type->id == FHIR_TYPE_CODEABLE_CONCEPT) {
        answer = ask_concept(&q, item.value);
    } else if (json_is(item.value, JSON_OBJECT)) {
        answer = ask_coding(&q, item.value);
    }
    arena_rewind(codes->arena, mark);
    return answer;
}
