/* profile/codes.c - value sets of a set's packages, asked for single elements. */
#include "profile/profile.h"

static enum err find(void *context, enum terminology_kind kind, struct slice url,
                     struct slice version, struct arena *arena, struct slice *ret_text)
{
    struct profile_home *home = context;
    struct profile_set *set = profile_home_set(home, NULL);
    struct slice text = profile_resource(
        set, kind == TERMINOLOGY_VALUE_SET ? PROFILE_VALUE_SET : PROFILE_CODE_SYSTEM, url, version);
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

struct terminology_source profile_terminology(struct profile_home *home)
{
    return (struct terminology_source){ .context = home, .find = find };
}

/* One coding; its texts live in the scratch. */
static int ask(struct profile_codes *codes, struct slice value_set,
               const struct terminology_code *code)
{
    struct terminology_answer answer;
    enum err err =
        terminology_in_value_set(codes->terminology, value_set, code, codes->arena, &answer);
    if (err || answer.truth == TERMINOLOGY_UNKNOWN)
        return -1;
    return answer.truth == TERMINOLOGY_YES;
}

static int ask_coding(struct profile_codes *codes, struct slice value_set, struct json coding)
{
    struct arena *arena = codes->arena;
    const struct terminology_code code = {
        .system = json_string(json_member(coding, "system"), arena),
        .version = json_string(json_member(coding, "version"), arena),
        .code = json_string(json_member(coding, "code"), arena),
    };
    /* A coding without a system means nothing: no value set has it. */
    return code.code.length == 0 || code.system.length == 0 ? 0 : ask(codes, value_set, &code);
}

static int ask_concept(struct profile_codes *codes, struct slice value_set, struct json concept)
{
    struct json list = json_member(concept, "coding");
    int best = 0;
    for (struct json v = json_first(list); json_exists(v) && best != 1; v = json_next(list, v)) {
        int answer = ask_coding(codes, value_set, v);
        best = answer == 1 || best == 0 ? answer : best;
    }
    return best;
}

int profile_member_of(void *context, struct fhir_item item, struct slice value_set)
{
    struct profile_codes *codes = context;
    struct arena_mark mark = arena_mark(codes->arena);
    int answer = -1;
    if (json_is(item.value, JSON_STRING)) {
        const struct terminology_code code = { .code = json_string(item.value, codes->arena) };
        answer = code.code.bytes ? ask(codes, value_set, &code) : -1;
    } else if (item.type && item.type->id == FHIR_TYPE_CODEABLE_CONCEPT) {
        answer = ask_concept(codes, value_set, item.value);
    } else if (json_is(item.value, JSON_OBJECT)) {
        answer = ask_coding(codes, value_set, item.value);
    }
    arena_rewind(codes->arena, mark);
    return answer;
}
