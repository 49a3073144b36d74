/* $validate-code of ValueSet and CodeSystem, and $lookup. */
#include "rest/codes.h"
#include "rest/operation.h"
#include "rest/reply.h"

/* ---- which codes ---- */

static struct terminology_code code_of(struct json coding, struct arena *arena)
{
    return (struct terminology_code){
        .system = json_string(json_member(coding, "system"), arena),
        .version = json_string(json_member(coding, "version"), arena),
        .code = json_string(json_member(coding, "code"), arena),
        .display = json_string(json_member(coding, "display"), arena),
    };
}

enum { CODINGS_MAX = 100 };

/* From coding, codeableConcept or code with its companions. */
static enum err codes_find(struct request *r, const struct operation_input *in,
                           struct terminology_code *codes, size_t *ret_count)
{
    const struct operation_parameter *p = operation_value(in, "codeableConcept");
    *ret_count = 0;
    if (p) {
        struct json list = json_member(p->value, "coding");
        for (struct json v = json_first(list); json_exists(v) && *ret_count < CODINGS_MAX;
             v = json_next(list, v))
            codes[(*ret_count)++] = code_of(v, r->arena);
    } else if ((p = operation_value(in, "coding"))) {
        codes[(*ret_count)++] = code_of(p->value, r->arena);
    } else if ((p = operation_value(in, "code"))) {
        codes[(*ret_count)++] = (struct terminology_code){
            .code = p->text,
            .system = operation_text(in, "system"),
            .version = operation_text(in, "systemVersion"),
            .display = operation_text(in, "display"),
        };
    }
    for (size_t i = 0; i < *ret_count; i++)
        if (!codes[i].code.length)
            return issues_fail(&r->issues, ERR_INVALID, "required", "A coding has no code");
    if (*ret_count > 0)
        return ERR_NONE;
    return issues_fail(&r->issues, ERR_INVALID, "required",
                       "One of code, coding and codeableConcept is needed");
}

/* ---- the answer ---- */

static void text_parameter(struct buf *out, const char *name, const char *type, struct slice text)
{
    if (!text.length)
        return;
    buf_printf(out, ",{\"name\":\"%s\",\"value%s\":", name, type);
    json_write_string(out, text);
    buf_append_byte(out, '}');
}

static struct slice message_of(struct request *r, const struct terminology_code *code,
                               const struct terminology_answer *a, struct slice set)
{
    struct arena *arena = r->arena;
    if (a->truth == TERMINOLOGY_YES && a->has_wrong_display)
        return arena_printf(arena,
                            "Wrong Display Name '%.*s' for %.*s#%.*s. Valid display is '%.*s'",
                            SLICE_ARGS(slice_head(code->display, 200)), SLICE_ARGS(a->system),
                            SLICE_ARGS(slice_head(code->code, 200)), SLICE_ARGS(a->display));
    switch (a->reason) {
    case TERMINOLOGY_FOUND:
        return SLICE_NONE;
    case TERMINOLOGY_NO_CODE:
        return arena_printf(arena, "Unknown code '%.*s' in the CodeSystem '%.*s'",
                            SLICE_ARGS(slice_head(code->code, 200)), SLICE_ARGS(a->about));
    case TERMINOLOGY_SUPPLEMENT:
        return arena_printf(arena, "CodeSystem %.*s is a supplement, so can't be used as a system",
                            SLICE_ARGS(slice_head(a->about, 400)));
    case TERMINOLOGY_NO_SYSTEM:
        return arena_printf(arena,
                            "The code system '%.*s' is not here (or only in part), so the code "
                            "could not be checked",
                            SLICE_ARGS(slice_head(a->about, 400)));
    case TERMINOLOGY_NO_VALUE_SET:
        return arena_printf(arena,
                            "The value set '%.*s' is not here, so the code could not be checked",
                            SLICE_ARGS(slice_head(a->about, 400)));
    case TERMINOLOGY_NOT_UNDERSTOOD:
        return SLICE("The value set's definition could not be evaluated for this code");
    case TERMINOLOGY_NOT_IN_SET:
        break;
    }
    return arena_printf(arena, "The code '%.*s#%.*s' was not found in the value set '%.*s'",
                        SLICE_ARGS(slice_head(code->system, 200)),
                        SLICE_ARGS(slice_head(code->code, 200)), SLICE_ARGS(slice_head(set, 400)));
}

static enum err reply_truth(struct request *r, const struct terminology_code *code,
                            const struct terminology_answer *a, struct slice set)
{
    struct buf out;
    bool is_good = a->truth == TERMINOLOGY_YES && !a->has_wrong_display;
    buf_init(&out, (size_t)1 << 20);
    buf_printf(&out,
               "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"result\","
               "\"valueBoolean\":%s}",
               is_good ? "true" : "false");
    text_parameter(&out, "message", "String", message_of(r, code, a, set));
    if (a->truth == TERMINOLOGY_YES)
        text_parameter(&out, "display", "String", a->display);
    text_parameter(&out, "code", "Code", code->code);
    text_parameter(&out, "system", "Uri", a->system.length ? a->system : code->system);
    buf_append_cstr(&out, "]}");
    enum err err = reply_copy(r, 200, &out);
    buf_release(&out);
    return err;
}

/* ---- $validate-code ---- */

/* What is asked about: a value set's or code system's text or canonical. */
struct asked {
    bool is_set;
    struct slice text, canonical;
};

static enum err asked_find(struct request *r, const struct operation_input *in, struct asked *ret)
{
    const struct operation_parameter *inner =
        operation_value(in, ret->is_set ? "valueSet" : "codeSystem");
    struct slice url = operation_text(in, "url");
    struct slice version = operation_text(in, ret->is_set ? "valueSetVersion" : "version");
    if (r->route.id.length)
        return operation_stored(r, &ret->text);
    if (inner && json_exists(inner->resource)) {
        ret->text = json_raw(inner->resource);
        return ERR_NONE;
    }
    ret->canonical = version.length
                         ? arena_printf(r->arena, "%.*s|%.*s", SLICE_ARGS(url), SLICE_ARGS(version))
                         : url;
    bool is_here = true;
    if (url.length && ret->is_set)
        TRY(terminology_has(codes_terminology(r->rest), TERMINOLOGY_VALUE_SET, ret->canonical,
                            r->arena, &is_here));
    if (!is_here)
        return issues_fail(&r->issues, ERR_NOT_FOUND, "not-found", "The value set %.*s is not here",
                           SLICE_ARGS(slice_head(ret->canonical, 400)));
    return ERR_NONE;
}

static enum err ask(struct request *r, const struct asked *asked, struct terminology_code *code,
                    struct terminology_answer *ret)
{
    struct terminology *t = codes_terminology(r->rest);
    if (asked->is_set && asked->text.length)
        return terminology_in_text(t, asked->text, code, r->arena, ret);
    if (asked->is_set)
        return terminology_in_value_set(t, asked->canonical, code, r->arena, ret);
    struct slice version = asked->canonical, url = slice_cut(&version, '|');
    struct json_doc doc;
    if (asked->text.length) {
        TRY(json_parse(asked->text, NULL, r->arena, &doc, NULL));
        url = json_string(json_member(json_root(&doc), "url"), r->arena);
    }
    if (url.length && code->system.length && !slice_equal(url, code->system)) {
        *ret = (struct terminology_answer){ .truth = TERMINOLOGY_NO,
                                            .reason = TERMINOLOGY_NO_CODE,
                                            .about = url };
        return ERR_NONE;
    }
    if (url.length)
        code->system = url;
    if (version.length)
        code->version = version;
    return terminology_in_system(t, code, r->arena, ret);
}

static enum err validate_code(struct request *r, const struct operation_input *in)
{
    struct asked asked = { .is_set = slice_is(r->route.type->name, "ValueSet") };
    struct terminology_code codes[CODINGS_MAX];
    size_t count, best = 0;
    TRY(codes_find(r, in, codes, &count));
    TRY(asked_find(r, in, &asked));
    if (asked.is_set && !asked.text.length && !asked.canonical.length)
        return issues_fail(&r->issues, ERR_INVALID, "required",
                           "One of url and valueSet is needed");
    if (!asked.is_set && !asked.text.length && !asked.canonical.length && !codes[0].system.length)
        return issues_fail(&r->issues, ERR_INVALID, "required",
                           "url or a coding's system is needed");
    struct terminology_answer answer = { .truth = TERMINOLOGY_NO };
    for (size_t i = 0; i < count; i++) {
        struct terminology_answer one;
        TRY(ask(r, &asked, &codes[i], &one));
        if (i == 0 || one.truth > answer.truth) {
            answer = one;
            best = i;
        }
    }
    return reply_truth(r, &codes[best], &answer, asked.canonical);
}

enum err rest_validate_code(struct request *r)
{
    static const char *const KNOWN[] = {
        "url",     "valueSet",        "valueSetVersion", "codeSystem", "code",     "system",
        "version", "systemVersion",   "display",         "coding",     "abstract", "date",
        "context", "displayLanguage", "codeableConcept", NULL
    };
    struct operation_input in;
    enum err err = operation_begin(r, KNOWN, &in);
    if (!err)
        err = validate_code(r, &in);
    operation_end(&in);
    return err;
}

/* ---- $lookup ---- */

static void property_append(struct buf *out, struct slice name, const char *type, struct slice text)
{
    buf_append_cstr(out, ",{\"name\":\"property\",\"part\":[{\"name\":\"code\",\"valueCode\":");
    json_write_string(out, name);
    buf_printf(out, "},{\"name\":\"value\",\"value%s\":", type);
    json_write_string(out, text);
    buf_append_cstr(out, "}]}");
}

/* As they stand in the concept: value[x] is the same in Parameters. */
static void properties_append(struct buf *out, struct json concept)
{
    struct json list = json_member(concept, "property");
    for (struct json p = json_first(list); json_exists(p); p = json_next(list, p)) {
        buf_append_cstr(out, ",{\"name\":\"property\",\"part\":[");
        bool is_begun = false;
        for (struct json key = json_first(p); json_exists(key);
             key = json_next(p, json_value(key))) {
            bool is_code = json_string_is(key, SLICE("code"));
            if (!is_code && !slice_starts_with(json_string_raw(key), SLICE("value")))
                continue;
            buf_printf(out, "%s{\"name\":\"%s\",\"%.*s\":", is_begun ? "," : "",
                       is_code ? "code" : "value",
                       SLICE_ARGS(is_code ? SLICE("valueCode") : json_string_raw(key)));
            json_minify(json_value(key), out);
            buf_append_byte(out, '}');
            is_begun = true;
        }
        buf_append_cstr(out, "]}");
    }
    struct json inner = json_member(concept, "concept");
    for (struct json c = json_first(inner); json_exists(c); c = json_next(inner, c)) {
        struct json code = json_member(c, "code");
        if (json_is(code, JSON_STRING)) {
            buf_append_cstr(out, ",{\"name\":\"property\",\"part\":[{\"name\":\"code\","
                                 "\"valueCode\":\"child\"},{\"name\":\"value\",\"valueCode\":");
            json_minify(code, out);
            buf_append_cstr(out, "}]}");
        }
    }
}

static void designations_append(struct buf *out, struct json concept)
{
    struct json list = json_member(concept, "designation");
    for (struct json d = json_first(list); json_exists(d); d = json_next(list, d)) {
        static const char *const parts[][2] = { { "language", "valueCode" },
                                                { "use", "valueCoding" },
                                                { "value", "valueString" } };
        buf_append_cstr(out, ",{\"name\":\"designation\",\"part\":[");
        bool is_begun = false;
        for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
            struct json value = json_get(d, slice_cstr(parts[i][0]));
            if (!json_exists(value))
                continue;
            buf_printf(out, "%s{\"name\":\"%s\",\"%s\":", is_begun ? "," : "", parts[i][0],
                       parts[i][1]);
            json_minify(value, out);
            buf_append_byte(out, '}');
            is_begun = true;
        }
        buf_append_cstr(out, "]}");
    }
}

static enum err reply_concept(struct request *r, const struct terminology_code *code,
                              const struct terminology_concept *concept)
{
    struct json_doc doc;
    struct buf out;
    TRY(json_parse(concept->json, NULL, r->arena, &doc, NULL));
    struct json root = json_root(&doc);
    struct slice display = json_string(json_member(root, "display"), r->arena);
    buf_init(&out, (size_t)16 << 20);
    buf_append_cstr(&out, "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"name\","
                          "\"valueString\":");
    json_write_string(&out, concept->name.length ? concept->name : code->system);
    buf_append_byte(&out, '}');
    text_parameter(&out, "version", "String", concept->version);
    text_parameter(&out, "display", "String", display.length ? display : code->code);
    designations_append(&out, root);
    if (concept->parent.length)
        property_append(&out, SLICE("parent"), "Code", concept->parent);
    properties_append(&out, root);
    buf_append_cstr(&out, "]}");
    enum err err = reply_copy(r, 200, &out);
    buf_release(&out);
    return err;
}

static enum err lookup(struct request *r, const struct operation_input *in)
{
    const struct operation_parameter *coding = operation_value(in, "coding");
    struct terminology_code code = { .code = operation_text(in, "code"),
                                     .system = operation_text(in, "system"),
                                     .version = operation_text(in, "version") };
    struct terminology_concept concept;
    bool is_found = false;
    if (coding)
        code = code_of(coding->value, r->arena);
    if (!code.code.length || !code.system.length)
        return issues_fail(&r->issues, ERR_INVALID, "required",
                           "code and system, or a coding, are needed");
    TRY(terminology_lookup(codes_terminology(r->rest), &code, r->arena, &is_found, &concept));
    if (is_found)
        return reply_concept(r, &code, &concept);
    return issues_fail(&r->issues, ERR_NOT_FOUND, "not-found", "%.*s#%.*s is not known here",
                       SLICE_ARGS(slice_head(code.system, 300)),
                       SLICE_ARGS(slice_head(code.code, 100)));
}

enum err rest_lookup(struct request *r)
{
    static const char *const KNOWN[] = { "code", "system",   "version",         "coding",
                                         "date", "property", "displayLanguage", NULL };
    struct operation_input in;
    enum err err = operation_begin(r, KNOWN, &in);
    if (!err)
        err = lookup(r, &in);
    operation_end(&in);
    return err;
}
