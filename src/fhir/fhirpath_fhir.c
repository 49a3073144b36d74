/* fhir/fhirpath_fhir.c - the functions that FHIR adds. */
#include "fhir/fhirpath_functions.h"
#include "fhir/xhtml.h"

#define FUNCTION(name) enum err name(struct fp_call *call, struct fp_list *out)

FUNCTION(fp_extension)
{
    struct slice url;
    bool any;
    TRY(fp_one_text(call->run, call->node, &call->args[0], &url, &any));
    if (!any)
        return ERR_NONE;
    for (uint32_t i = 0; i < call->input.count; i++) {
        struct fp_list list = { .count = 0 };
        TRY(fp_children(call->run, call->node, &call->input.items[i], SLICE("extension"), &list));
        for (uint32_t k = 0; k < list.count; k++)
            if (list.items[k].kind == FP_NODE &&
                json_string_is(json_member(list.items[k].node.value, "url"), url))
                TRY(fp_push(call->run, out, &list.items[k]));
    }
    return ERR_NONE;
}

FUNCTION(fp_has_value)
{
    return fp_push_boolean(call->run, out,
                           call->input.count == 1 && fp_item_has_value(&call->input.items[0]));
}

FUNCTION(fp_get_value)
{
    struct fp_item value;
    if (call->input.count != 1 || !fp_item_has_value(&call->input.items[0]) ||
        !fp_system(call->run, &call->input.items[0], &value))
        return ERR_NONE;
    return fp_push(call->run, out, &value);
}

/* ---- references ---- */

static enum err push_resource(struct fp_call *call, struct json value, struct json holder,
                              struct fp_list *out)
{
    struct fp_item item;
    TRY(fp_item_root(value, holder, &item));
    return fp_push(call->run, out, &item);
}

static enum err push_contained(struct fp_call *call, const struct fp_item *item, struct slice id,
                               struct fp_list *out)
{
    struct json resource = item->kind == FP_NODE ? item->node.resource : call->run->host->resource;
    if (json_exists(call->run->host->root))
        resource = call->run->host->root;
    if (id.length == 0)
        return push_resource(call, resource, resource, out);
    struct json list = json_member(resource, "contained");
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        TRY(fp_spend(call->run, 1));
        if (json_string_is(json_member(v, "id"), id))
            return push_resource(call, v, resource, out);
    }
    return ERR_NONE;
}

/* In a bundle: an entry of that fullUrl, or of that type and id. */
static enum err push_entry(struct fp_call *call, struct slice text, struct fp_list *out)
{
    struct json root =
        json_exists(call->run->host->root) ? call->run->host->root : call->run->host->resource;
    struct json list = json_member(root, "entry");
    struct fhir_reference reference = fhir_reference_parse(text);
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        TRY(fp_spend(call->run, 1));
        struct json resource = json_member(v, "resource");
        bool is_it = json_string_is(json_member(v, "fullUrl"), text) ||
                     (reference.type && reference.base.length == 0 &&
                      resource_type_of(resource) == reference.type &&
                      json_string_is(json_member(resource, "id"), reference.id));
        if (is_it && json_exists(resource))
            return push_resource(call, resource, resource, out);
    }
    return ERR_NONE;
}

/* What is out of reach, but whose type the reference tells: `resolve() is T`
 * and ofType(T) work; it has no elements. */
static enum err push_stub(struct fp_call *call, const struct fp_item *item, struct slice text,
                          struct fp_list *out)
{
    struct fp_item stub = { .kind = FP_NODE };
    struct fhir_item found = { .value = JSON_ABSENT };
    const struct fhirpath_host *host = call->run->host;
    if (text.bytes && host->resolve && host->resolve(host->context, text, &found)) {
        stub.node.value = found.value;
        stub.node.type = found.type;
        stub.node.resource = found.value;
        return fp_push(call->run, out, &stub);
    }
    stub.node.type = fhir_reference_parse(text).type;
    if (!stub.node.type && item->kind == FP_NODE) {
        struct slice name = json_string(json_member(item->node.value, "type"), call->run->arena);
        stub.node.type = name.bytes ? fhir_resource_find(name) : NULL;
    }
    return stub.node.type ? fp_push(call->run, out, &stub) : ERR_NONE;
}

FUNCTION(fp_resolve)
{
    for (uint32_t i = 0; i < call->input.count; i++) {
        const struct fp_item *item = &call->input.items[i];
        struct slice text = SLICE_NONE;
        uint32_t before = out->count;
        struct json value = item->kind == FP_NODE ? item->node.value : JSON_ABSENT;
        if (item->kind == FP_STRING)
            text = item->text;
        else
            text =
                json_string(json_is(value, JSON_OBJECT) ? json_member(value, "reference") : value,
                            call->run->arena);
        TRY(fp_spend(call->run, 1));
        bool is_local = text.length > 0 && text.bytes[0] == '#';
        if (is_local)
            TRY(push_contained(call, item, slice_from(text, 1), out));
        else if (text.length > 0)
            TRY(push_entry(call, text, out));
        if (out->count == before && !is_local)
            TRY(push_stub(call, item, text, out));
    }
    return ERR_NONE;
}

/* ---- conformance ---- */

static struct fhir_item face_item(const struct fp_item *item)
{
    return (struct fhir_item){ .value = item->node.value,
                               .type = item->node.type,
                               .resource = item->node.resource,
                               .element = item->node.element };
}

/* One element and one string; *ret_any false when one is empty. */
static enum err element_and_text(struct fp_call *call, struct slice *ret_text, bool *ret_any)
{
    TRY(fp_one_text(call->run, call->node, &call->args[0], ret_text, ret_any));
    if (call->input.count > 1)
        return fp_fail(call->run, call->node, "one item was expected, %u are there",
                       call->input.count);
    *ret_any = *ret_any && call->input.count == 1 && call->input.items[0].kind == FP_NODE;
    return ERR_NONE;
}

FUNCTION(fp_member_of)
{
    const struct fhirpath_host *host = call->run->host;
    struct slice url;
    bool any;
    TRY(element_and_text(call, &url, &any));
    int answer = any && host->member_of
                     ? host->member_of(host->context, face_item(&call->input.items[0]), url)
                     : -1;
    return answer < 0 ? ERR_NONE : fp_push_boolean(call->run, out, answer > 0);
}

FUNCTION(fp_conforms_to)
{
    const struct fhirpath_host *host = call->run->host;
    struct slice url, base = SLICE("http://hl7.org/fhir/StructureDefinition/");
    bool any;
    TRY(element_and_text(call, &url, &any));
    if (!any)
        return ERR_NONE;
    const struct fp_item *item = &call->input.items[0];
    const struct fhir_type *type =
        slice_starts_with(url, base) ? fhir_type_find(slice_from(url, base.length)) : NULL;
    if (type)
        return fp_push_boolean(call->run, out,
                               item->node.type && (item->node.type == type ||
                                                   type_derives(item->node.type->id, type->id)));
    int answer = host->conforms_to ? host->conforms_to(host->context, face_item(item), url) : -1;
    if (answer < 0)
        return fp_fail(call->run, call->node, "the profile %.*s is unknown", SLICE_ARGS(url));
    return fp_push_boolean(call->run, out, answer > 0);
}

FUNCTION(fp_html_checks)
{
    struct slice text;
    bool any;
    TRY(fp_one_text(call->run, call->node, &call->input, &text, &any));
    if (!any)
        return ERR_NONE;
    TRY(fp_spend(call->run, text.length / 16));
    return fp_push_boolean(call->run, out, xhtml_check(text, NULL, NULL));
}
