#include "sync/reason.h"

static struct slice clean(struct slice text, struct arena *arena)
{
    text = slice_trim(text);
    bool is_cut = text.length > REASON_TEXT_BYTES;
    text = slice_head(text, REASON_TEXT_BYTES);
    /* Not in the middle of a character. */
    while (is_cut && text.length && (text.bytes[text.length - 1] & 0xc0) == 0x80)
        text.length--;
    if (is_cut && text.length && (unsigned char)text.bytes[text.length - 1] >= 0xc0)
        text.length--;
    char *copy = arena_copy(arena, text);
    if (!copy)
        return SLICE_NONE;
    for (size_t i = 0; i < text.length; i++) {
        if ((unsigned char)copy[i] < ' ' || copy[i] == 0x7f)
            copy[i] = ' ';
    }
    return slice_of(copy, text.length);
}

static struct slice text_of(struct json v, struct arena *arena)
{
    return json_is(v, JSON_STRING) ? clean(json_string(v, arena), arena) : SLICE_NONE;
}

struct slice reason_issue_text(struct json issue, struct arena *arena)
{
    struct slice text = text_of(json_member(issue, "diagnostics"), arena);
    if (!text.length)
        text = text_of(json_member(json_member(issue, "details"), "text"), arena);
    if (!text.length)
        text = text_of(json_member(issue, "code"), arena);
    return text;
}

static bool is_bad(struct json issue)
{
    struct json severity = json_member(issue, "severity");
    return json_string_is(severity, SLICE("error")) || json_string_is(severity, SLICE("fatal"));
}

void reason_of(struct json outcome, struct arena *arena, struct reason *ret)
{
    *ret = (struct reason){ .outcome = outcome };
    struct json issues = json_member(outcome, "issue");
    struct json chosen = json_first(issues);
    int best = 0;
    /* The first error that names a place (HealthLake puts a general sentence before
     * those of validation), else the first error, else the first. */
    for (struct json at = chosen; json_exists(at) && best < 2; at = json_next(issues, at)) {
        bool has_place = json_exists(json_first(json_member(at, "expression"))) ||
                         json_exists(json_first(json_member(at, "location")));
        int rank = is_bad(at) ? 1 + has_place : 0;
        if (rank > best) {
            chosen = at;
            best = rank;
        }
    }
    if (json_exists(chosen)) {
        ret->code = text_of(json_member(chosen, "code"), arena);
        ret->text = reason_issue_text(chosen, arena);
    }
    if (!ret->text.length)
        ret->text = text_of(json_member(outcome, "message"), arena);
    if (!ret->text.length)
        ret->text = text_of(json_member(outcome, "Message"), arena);
    if (!ret->text.length)
        ret->text = text_of(json_member(outcome, "error"), arena);
}

void reason_read(const struct spool *answer, struct arena *arena, struct reason *ret)
{
    *ret = (struct reason){ .outcome = JSON_ABSENT };
    size_t length = (size_t)MIN(answer->bytes, (uint64_t)REASON_BODY_BYTES);
    char *body = length ? arena_raw(arena, length) : NULL;
    struct json_doc *doc = arena_alloc(arena, sizeof *doc);
    struct json_error error;
    if (!body || !doc || spool_read(answer, 0, body, length) ||
        json_parse(slice_of(body, length), NULL, arena, doc, &error))
        return;
    reason_of(json_root(doc), arena, ret);
}

static int64_t entry_number(struct json text)
{
    static const struct slice prefix = SLICE_INIT("Bundle.entry[");
    if (!json_is(text, JSON_STRING))
        return -1;
    struct slice raw = json_string_raw(text);
    if (!slice_starts_with(raw, prefix))
        return -1;
    struct slice rest = slice_from(raw, prefix.length);
    uint64_t number;
    bool is_number = slice_parse_u64(slice_cut(&rest, ']'), &number);
    return is_number && number < INT32_MAX ? (int64_t)number : -1;
}

int64_t reason_issue_entry(struct json issue)
{
    int64_t entry = entry_number(json_first(json_member(issue, "expression")));
    return entry >= 0 ? entry : entry_number(json_first(json_member(issue, "location")));
}
