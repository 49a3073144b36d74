#include "rest/capability.h"

#include "base/date.h"
#include "os/clock.h"
#include "rest/customs.h"
#include "rest/media.h"
#include "rest/patch.h"
#include "rest/reply.h"

/* What FHIR calls an interaction, and where route.c has it. */
struct interaction_row {
    const char *code, *pattern;
    enum interaction interaction;
};

static const struct interaction_row OF_TYPES[] = {
    { "read", "T/I", INTERACTION_READ },
    { "vread", "T/I/_history/V", INTERACTION_VREAD },
    { "update", "T/I", INTERACTION_UPDATE },
    { "patch", "T/I", INTERACTION_PATCH },
    { "delete", "T/I", INTERACTION_DELETE },
    { "history-instance", "T/I/_history", INTERACTION_HISTORY },
    { "history-type", "T/_history", INTERACTION_HISTORY },
    { "create", "T", INTERACTION_CREATE },
    { "search-type", "T", INTERACTION_SEARCH },
};

static const struct interaction_row OF_SYSTEM[] = {
    { "transaction", "", INTERACTION_BUNDLE },
    { "batch", "", INTERACTION_BUNDLE },
    { "search-system", "", INTERACTION_SEARCH },
    { "history-system", "_history", INTERACTION_HISTORY },
};

static void interactions_render(struct buf *out, const struct interaction_row *rows, size_t count)
{
    bool is_begun = false;
    buf_append_cstr(out, "\"interaction\":[");
    for (size_t i = 0; i < count; i++) {
        if (!route_has(rows[i].pattern, rows[i].interaction))
            continue;
        buf_printf(out, "%s{\"code\":\"%s\"}", is_begun ? "," : "", rows[i].code);
        is_begun = true;
    }
    buf_append_byte(out, ']');
}

static const char *param_type_name(uint8_t type)
{
    static const char *const NAMES[] = {
        [FHIR_PARAM_NUMBER] = "number",       [FHIR_PARAM_DATE] = "date",
        [FHIR_PARAM_STRING] = "string",       [FHIR_PARAM_TOKEN] = "token",
        [FHIR_PARAM_REFERENCE] = "reference", [FHIR_PARAM_COMPOSITE] = "composite",
        [FHIR_PARAM_QUANTITY] = "quantity",   [FHIR_PARAM_URI] = "uri",
        [FHIR_PARAM_SPECIAL] = "special",
    };
    CHECK(type < ARRAY_COUNT(NAMES));
    return NAMES[type];
}

/* What a statement is rendered for. */
struct statement {
    const struct rest *rest;
    const struct custom_set *customs; /* the store's own parameters */
};

static void param_append(struct buf *out, const char *before, const struct fhir_param *param)
{
    buf_printf(out, "%s{\"name\":\"%.*s\"", before, SLICE_ARGS(param->code));
    if (param->url.length) {
        buf_append_cstr(out, ",\"definition\":");
        json_write_string(out, param->url);
    }
    buf_printf(out, ",\"type\":\"%s\"}", param_type_name(param->type));
}

/* R4's own of a type but for those whose names the store has defined, then its own:
 * the number from 0 up; NULL at the end. */
static const struct fhir_param *param_of(const struct statement *s, const struct fhir_type *type,
                                         size_t number, bool *ret_is_shown)
{
    size_t count, own_count;
    const uint16_t *ids = fhir_params_of(type, &count);
    const struct custom_param *const *own = custom_params_of(s->customs, type, &own_count);
    const struct fhir_param *param = number < count ? fhir_param_at(ids[number]) : NULL;
    *ret_is_shown = param && !custom_find(s->customs, type, param->code);
    if (!param && number - count < own_count) {
        param = &own[number - count]->param;
        *ret_is_shown = true;
    }
    return param;
}

static void params_render(struct buf *out, const struct statement *s,
                          const struct fhir_type *type)
{
    const struct search_dialect *dialect = s->rest->settings.behaviour.dialect;
    const struct fhir_param *param;
    bool is_begun = false, is_shown;
    for (size_t i = 0; (param = param_of(s, type, i, &is_shown)) != NULL; i++) {
        if (!is_shown || !search_param_is_supported(dialect, type, param))
            continue;
        param_append(out, is_begun ? "," : ",\"searchParam\":[", param);
        is_begun = true;
    }
    if (is_begun)
        buf_append_byte(out, ']');
}

/* Is it one of every type that is stored? */
static bool is_common(const struct statement *s, const struct fhir_param *param)
{
    const struct rest_behaviour *b = &s->rest->settings.behaviour;
    for (uint16_t i = 0; i < fhir_resource_count(); i++) {
        const struct fhir_type *type = fhir_resource_at(i);
        if (route_type_is_stored(b, type) &&
            (fhir_param_find(type, param->code) != param ||
             !search_param_is_supported(b->dialect, type, param)))
            return false;
    }
    return true;
}

/* Those of all types: R4's, and what no SearchParameter defines. */
static void common_params_render(struct buf *out, const struct statement *s)
{
    static const struct {
        const char *name, *type;
    } OTHERS[] = { { "_has", "special" },  { "_type", "special" },   { "createdAt", "date" },
                   { "_list", "special" }, { "_filter", "special" } };
    const struct fhir_param *param;
    bool is_begun = false, is_shown;
    for (size_t i = 0; (param = param_of(s, fhir_resource_at(0), i, &is_shown)) != NULL; i++) {
        if (custom_is(param) || !is_common(s, param))
            continue;
        param_append(out, is_begun ? "," : ",\"searchParam\":[", param);
        is_begun = true;
    }
    if (!is_begun)
        return;
    for (size_t i = 0; i < ARRAY_COUNT(OTHERS); i++)
        if (search_code_is_known(s->rest->settings.behaviour.dialect, slice_cstr(OTHERS[i].name)))
            buf_printf(out, ",{\"name\":\"%s\",\"type\":\"%s\"}", OTHERS[i].name,
                       OTHERS[i].type);
    buf_append_byte(out, ']');
}

/* A parameter without targets, or with an abstract one, may refer to any type;
 * only those that name the type are listed for it. */
static bool names_target(const struct fhir_param *param, const struct fhir_type *type)
{
    for (size_t i = 0; i < param->target_count; i++)
        if (param->targets[i] == type->id)
            return true;
    return false;
}

static bool can_include(const struct fhir_param *param)
{
    return param->type == FHIR_PARAM_REFERENCE && search_param_is_supported(NULL, NULL, param);
}

static void includes_render(struct buf *out, const struct statement *s,
                            const struct fhir_type *type)
{
    const struct fhir_param *param;
    bool is_begun = false, is_shown;
    buf_append_cstr(out, ",\"searchInclude\":[\"*\"");
    for (size_t i = 0; (param = param_of(s, type, i, &is_shown)) != NULL; i++)
        if (is_shown && can_include(param))
            buf_printf(out, ",\"%.*s:%.*s\"", SLICE_ARGS(type->name), SLICE_ARGS(param->code));
    buf_append_byte(out, ']');
    for (uint16_t t = 0; t < fhir_resource_count(); t++) {
        const struct fhir_type *source = fhir_resource_at(t);
        for (size_t i = 0; (param = param_of(s, source, i, &is_shown)) != NULL; i++) {
            if (!is_shown || !can_include(param) || !names_target(param, type))
                continue;
            buf_printf(out, "%s\"%.*s:%.*s\"", is_begun ? "," : ",\"searchRevInclude\":[",
                       SLICE_ARGS(source->name), SLICE_ARGS(param->code));
            is_begun = true;
        }
    }
    if (is_begun)
        buf_append_byte(out, ']');
}

/* Of the type (NULL: of the system). Those of every type are Resource's. */
static void operations_render(struct buf *out, const struct fhir_type *type)
{
    size_t count;
    const struct rest_operation *operations = route_operations(&count);
    bool is_begun = false;
    for (size_t i = 0; i < count; i++) {
        const struct rest_operation *o = &operations[i];
        bool is_of_types = (o->levels & (OPERATION_TYPE | OPERATION_INSTANCE)) != 0;
        bool fits = type ? is_of_types && (!o->type || slice_is(type->name, o->type))
                         : (o->levels & OPERATION_SYSTEM) != 0;
        if (!fits)
            continue;
        buf_printf(out, "%s{\"name\":\"%s\",\"definition\":\"", is_begun ? "," : ",\"operation\":[",
                   o->name);
        if (o->is_ours)
            buf_printf(out, "urn:tarn:operation:%s\"}", o->name);
        else
            buf_printf(out, "http://hl7.org/fhir/OperationDefinition/%s-%s\"}",
                       o->type ? o->type : "Resource", o->name);
        is_begun = true;
    }
    if (is_begun)
        buf_append_byte(out, ']');
}

static void type_render(struct buf *out, const struct statement *s,
                        const struct fhir_type *type)
{
    buf_printf(out, "{\"type\":\"%.*s\",", SLICE_ARGS(type->name));
    interactions_render(out, OF_TYPES, ARRAY_COUNT(OF_TYPES));
    buf_printf(out,
               ",\"versioning\":\"versioned-update\",\"readHistory\":true,"
               "\"updateCreate\":true,\"conditionalCreate\":true,"
               "\"conditionalRead\":\"full-support\",\"conditionalUpdate\":%s,"
               "\"conditionalDelete\":\"%s\",\"referencePolicy\":[\"literal\",\"logical\"]",
               route_has("T", INTERACTION_UPDATE) ? "true" : "false",
               route_has("T", INTERACTION_DELETE) ? "single" : "not-supported");
    includes_render(out, s, type);
    params_render(out, s, type);
    operations_render(out, type);
    buf_append_byte(out, '}');
}

/* The figures in force, 0 for no limit; `tarn limits` says what each is. */
static void limits_render(struct buf *out, const struct limits *limits)
{
    buf_append_cstr(out, "\"extension\":[{\"url\":\"urn:tarn:limits\",\"extension\":[");
    for (size_t i = 0; i < limits_count(); i++) {
        struct limit_row row;
        limits_row(limits, i, &row);
        buf_printf(out, "%s{\"url\":\"%s\",\"valueDecimal\":%llu}", i ? "," : "", row.name,
                   (unsigned long long)row.value);
    }
    buf_append_cstr(out, "]}],");
}

static void head_render(struct buf *out, const struct rest *rest)
{
    char now[INSTANT_TEXT_BYTES];
    size_t length = instant_render(os_now_us(), 0, now);
    buf_append_cstr(out, "{\"resourceType\":\"CapabilityStatement\",");
    limits_render(out, &rest->settings.behaviour.limits);
    buf_printf(out,
               "\"status\":\"active\",\"date\":\"%.*s\",\"kind\":\"instance\",\"software\":{"
               "\"name\":\"Tarn\"",
               (int)length, now);
    if (rest->settings.software_version.length)
        buf_printf(out, ",\"version\":\"%.*s\"", SLICE_ARGS(rest->settings.software_version));
    buf_append_cstr(out, "},\"implementation\":{\"description\":\"Tarn FHIR R4 data store\","
                         "\"url\":");
}

/* The texts that `at` gives, up to the first NULL, as a list of strings. */
static void list_render(struct buf *out, const char *(*at)(size_t number))
{
    for (size_t i = 0; at(i); i++)
        buf_printf(out, "%s\"%s\"", i ? "," : "[", at(i));
    buf_append_byte(out, ']');
}

/* The definition of an owner's compartment has its name with a small first letter. */
static void compartments_render(struct buf *out)
{
    if (!route_has("T/I/T", INTERACTION_SEARCH))
        return;
    buf_append_cstr(out, ",\"compartment\":[");
    for (int i = 0; i < FHIR_COMPARTMENT_COUNT; i++) {
        struct slice owner = fhir_compartment_owner((enum fhir_compartment)i)->name;
        buf_printf(out, "%s\"http://hl7.org/fhir/CompartmentDefinition/%c%.*s\"", i ? "," : "",
                   owner.bytes[0] | 0x20, SLICE_ARGS(slice_from(owner, 1)));
    }
    buf_append_byte(out, ']');
}

static void tail_render(struct buf *out, const struct statement *s)
{
    const struct rest *rest = s->rest;
    buf_append_cstr(out, "},\"fhirVersion\":\"4.0.1\",\"format\":");
    list_render(out, media_type);
    buf_append_cstr(out, ",\"patchFormat\":");
    list_render(out, patch_media_type);
    buf_printf(out, ",\"rest\":[{\"mode\":\"server\",\"security\":{\"cors\":%s},\"resource\":[",
               rest->settings.has_cors ? "true" : "false");
    bool is_begun = false;
    for (uint16_t i = 0; i < fhir_resource_count(); i++) {
        const struct fhir_type *type = fhir_resource_at(i);
        if (!route_type_is_stored(&rest->settings.behaviour, type))
            continue;
        if (is_begun)
            buf_append_byte(out, ',');
        type_render(out, s, type);
        is_begun = true;
    }
    buf_append_cstr(out, "],");
    interactions_render(out, OF_SYSTEM, ARRAY_COUNT(OF_SYSTEM));
    common_params_render(out, s);
    operations_render(out, NULL);
    compartments_render(out);
    buf_append_cstr(out, "}]}");
}

static enum err keep(struct rest *rest, struct buf *text, struct slice *ret_kept)
{
    TRY(buf_status(text));
    char *copy = arena_copy(&rest->arena, buf_slice(text));
    if (!copy)
        return ERR_NO_MEMORY;
    *ret_kept = slice_of(copy, text->length);
    return ERR_NONE;
}

enum err capability_make(struct rest *rest)
{
    struct buf text;
    buf_init(&text, (size_t)8 << 20);
    head_render(&text, rest);
    enum err err = keep(rest, &text, &rest->capability);
    buf_clear(&text);
    const struct statement plain = { .rest = rest };
    tail_render(&text, &plain);
    if (!err)
        err = keep(rest, &text, &rest->capability_tail);
    buf_release(&text);
    return err;
}

/* What the operations on codes can do; which code systems there are is a search. */
static enum err reply_terminology(struct request *r)
{
    struct buf body;
    char now[INSTANT_TEXT_BYTES];
    size_t length = instant_render(os_now_us(), 0, now);
    buf_init(&body, (size_t)1 << 20);
    buf_printf(&body,
               "{\"resourceType\":\"TerminologyCapabilities\",\"status\":\"active\","
               "\"date\":\"%.*s\",\"kind\":\"instance\",\"software\":{\"name\":\"Tarn\"},"
               "\"implementation\":{\"description\":\"Tarn FHIR R4 data store\",\"url\":",
               (int)length, now);
    json_write_string(&body, r->base_url);
    buf_append_cstr(&body, "},\"lockedDate\":false");
    if (route_operation_exists("expand"))
        buf_append_cstr(&body, ",\"expansion\":{\"hierarchical\":false,\"paging\":true,"
                               "\"incomplete\":false}");
    if (route_operation_exists("validate-code"))
        buf_append_cstr(&body, ",\"validateCode\":{\"translations\":false}");
    buf_append_byte(&body, '}');
    enum err err = reply_copy(r, 200, &body);
    buf_release(&body);
    return err;
}

enum err rest_capabilities(struct request *r)
{
    static const char *const KNOWN[] = { "mode", NULL };
    TRY(request_only(r, KNOWN));
    const struct slice *mode = request_parameter(r, "mode");
    if (mode && slice_is(*mode, "terminology"))
        return reply_terminology(r);
    if (mode && !slice_is(*mode, "full") && !slice_is(*mode, "normative"))
        return issues_fail(&r->issues, ERR_INVALID, "value",
                           "mode=%.*s is none of full, normative, terminology",
                           SLICE_ARGS(slice_head(*mode, 100)));
    struct buf body;
    buf_init(&body, (size_t)16 << 20);
    buf_append(&body, r->rest->capability);
    json_write_string(&body, r->base_url);
    const struct statement own = { .rest = r->rest, .customs = customs_set(r->rest->customs) };
    if (customs_are_used(r->rest) && custom_set_at(own.customs, 0))
        tail_render(&body, &own);
    else
        buf_append(&body, r->rest->capability_tail);
    enum err err = reply_copy(r, 200, &body);
    buf_release(&body);
    return err;
}
