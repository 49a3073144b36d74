/* Tokens and uris: codes with their systems, and texts matched whole. */
#include "index/extract.h"

#include "base/utf8.h"

static bool has_capital(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.bytes[i] >= 'A' && text.bytes[i] <= 'Z')
            return true;
    return false;
}

static enum err add_token(struct extractor *x, struct slice system, struct slice code)
{
    uint8_t *at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    TRY(extractor_add(x, x->field, value_token(at, system, code)));
    /* Whether case counts in the system is known only when it is asked. */
    if (!system.length || !has_capital(code))
        return ERR_NONE;
    at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    return extractor_add(x, x->field, value_token_lower(at, system, code));
}

/* For :text. */
static enum err add_text(struct extractor *x, struct json value)
{
    struct slice text = json_is(value, JSON_STRING) ? extract_text(value, x->arena) : SLICE_NONE;
    buf_clear(&x->folded);
    enum err err = text.length ? utf8_fold(&x->folded, text) : ERR_INVALID;
    if (err == ERR_INVALID || (!err && !x->folded.length))
        return ERR_NONE;
    TRY(err);
    uint8_t *at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    return extractor_add(x, x->field, value_folded(at, TERM_TOKEN_TEXT, buf_slice(&x->folded)));
}

static enum err add_system(struct extractor *x, struct slice system)
{
    uint8_t *at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    return extractor_add(x, x->field, value_system(at, system));
}

enum err extract_coded(struct extractor *x, struct json element, struct slice code_name)
{
    struct slice system = extract_text(json_member(element, "system"), x->arena);
    struct slice code = extract_text(json_get(element, code_name), x->arena);
    if (system.length)
        TRY(add_system(x, system));
    return code.length ? add_token(x, system, code) : ERR_NONE;
}

static enum err extract_coding(struct extractor *x, struct json coding)
{
    TRY(add_text(x, json_member(coding, "display")));
    return extract_coded(x, coding, SLICE("code"));
}

static enum err extract_concept(struct extractor *x, struct json concept)
{
    struct json codings = json_member(concept, "coding");
    TRY(add_text(x, json_member(concept, "text")));
    if (!json_is(codings, JSON_ARRAY))
        return ERR_NONE;
    for (struct json c = json_first(codings); json_exists(c); c = json_next(codings, c))
        TRY(extract_coding(x, c));
    return ERR_NONE;
}

enum err extract_identifier(struct extractor *x, struct json identifier)
{
    struct json type = json_member(identifier, "type");
    struct json codings = json_member(type, "coding");
    TRY(extract_coded(x, identifier, SLICE("value")));
    TRY(add_text(x, json_member(type, "text")));
    struct slice value = extract_text(json_member(identifier, "value"), x->arena);
    if (!value.length || !json_is(codings, JSON_ARRAY))
        return ERR_NONE;
    for (struct json c = json_first(codings); json_exists(c); c = json_next(codings, c)) {
        struct slice system = extract_text(json_member(c, "system"), x->arena);
        struct slice code = extract_text(json_member(c, "code"), x->arena);
        uint8_t *at = extractor_room(x);
        if (!at)
            return ERR_NO_MEMORY;
        if (code.length)
            TRY(extractor_add(x, x->field, value_identifier(at, system, code, value)));
    }
    return ERR_NONE;
}

/* R4 gives a ContactPoint's token no system. Its kind is accepted as one, too:
 * clients know "phone|555-1234" from other servers. */
static enum err extract_contact(struct extractor *x, struct json contact)
{
    struct slice value = extract_text(json_member(contact, "value"), x->arena);
    if (!value.length)
        return ERR_NONE;
    TRY(add_token(x, SLICE_NONE, value));
    struct slice system = extract_text(json_member(contact, "system"), x->arena);
    return system.length ? add_token(x, system, value) : ERR_NONE;
}

enum err extract_implied(struct extractor *x, struct fhir_item item)
{
    if (item.type->id != FHIR_TYPE_CODE || !item.element)
        return ERR_NONE;
    struct slice code = extract_text(item.value, x->arena);
    struct slice system = code.length ? fhir_code_system(item.element, code) : SLICE_NONE;
    if (!system.length)
        return ERR_NONE;
    TRY(add_system(x, system));
    return add_token(x, system, code);
}

enum err extract_token(struct extractor *x, struct fhir_item item)
{
    if (item.type->kind == FHIR_PRIMITIVE) {
        struct slice text = extract_text(item.value, x->arena);
        return text.length ? add_token(x, SLICE_NONE, text) : ERR_NONE;
    }
    switch (item.type->id) {
    case FHIR_TYPE_CODEABLE_CONCEPT:
        return extract_concept(x, item.value);
    case FHIR_TYPE_CODING:
        return extract_coding(x, item.value);
    case FHIR_TYPE_IDENTIFIER:
        return extract_identifier(x, item.value);
    case FHIR_TYPE_CONTACT_POINT:
        return extract_contact(x, item.value);
    default:
        return ERR_NONE;
    }
}

static enum err add_uri(struct extractor *x, enum term_kind kind, struct slice uri)
{
    uint8_t *at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    return extractor_add(x, x->field, value_uri(at, (char)kind, uri));
}

enum err extract_uri_text(struct extractor *x, struct slice uri, bool is_canonical)
{
    TRY(add_uri(x, TERM_URI, uri));
    ptrdiff_t bar = is_canonical ? slice_find_byte(uri, '|') : -1;
    return bar > 0 ? add_uri(x, TERM_CANONICAL, slice_head(uri, (size_t)bar)) : ERR_NONE;
}

enum err extract_uri(struct extractor *x, struct fhir_item item)
{
    if (item.type->kind != FHIR_PRIMITIVE)
        return ERR_NONE;
    struct slice text = extract_text(item.value, x->arena);
    if (!text.length)
        return ERR_NONE;
    return extract_uri_text(x, text, item.type->id == FHIR_TYPE_CANONICAL);
}
