/* A step of a plan as a person reads it. */
#include "search/compile.h"
#include "search/search.h"

#include "base/date.h"
#include "index/index.h"

enum { SHOWN_BYTES = 80 };

/* Bytes of the index: text as it stands, all else as \xx. */
static void value_append(struct buf *out, struct slice value)
{
    struct slice shown = slice_head(value, SHOWN_BYTES);
    buf_append_byte(out, '\'');
    for (size_t i = 0; i < shown.length; i++) {
        unsigned char c = (unsigned char)shown.bytes[i];
        if (c == 0)
            buf_append_byte(out, '|');
        else if (c > ' ' && c < 0x7f && c != '\\')
            buf_append_byte(out, (char)c);
        else
            buf_printf(out, "\\%02x", c);
    }
    buf_append_cstr(out, shown.length < value.length ? "...'" : "'");
}

void field_append(struct buf *out, const struct custom_set *customs, uint32_t field)
{
    uint16_t param = (uint16_t)(field & 0xffff);
    uint16_t resource = (uint16_t)((field & ~INDEX_FIELD_CONTAINED) >> 16);
    if (field != INDEX_FIELD_COMPARTMENT && (field & INDEX_FIELD_CONTAINED))
        buf_append_cstr(out, "contained ");
    if (resource < fhir_resource_count())
        buf_append(out, fhir_resource_at(resource)->name);
    if (param == INDEX_PARAM_TYPE)
        buf_append_cstr(out, " (all of the type)");
    else if (custom_param_at(customs, param))
        buf_printf(out, ".%.*s", SLICE_ARGS(custom_param_at(customs, param)->code));
}

static void instant_append(struct buf *out, int64_t instant)
{
    char text[INSTANT_TEXT_BYTES];
    struct date_range all;
    if (!date_parse(SLICE("0001-01-01"), &all) || instant < all.low)
        buf_append_cstr(out, "the beginning");
    else if (!date_parse(SLICE("9999-12-31"), &all) || instant >= all.high)
        buf_append_cstr(out, "the end");
    else
        buf_append(out, slice_of(text, instant_render(instant, 6, text)));
}

static void range_append(struct buf *out, const struct plan *p)
{
    buf_append_cstr(out, ": values from ");
    value_append(out, p->from);
    buf_append_cstr(out, " to ");
    if (p->to.length)
        value_append(out, p->to);
    else
        buf_append_cstr(out, "the end");
    if (p->tail_from.length || p->tail_to.length)
        buf_append_cstr(out, ", with a bound on their upper end");
}

static void leaf_append(struct buf *out, const struct custom_set *customs, const struct plan *p)
{
    field_append(out, customs, p->field);
    if (p->kind == PLAN_RANGE) {
        range_append(out, p);
        return;
    }
    if (!p->from.length && p->kind == PLAN_TERM)
        return;
    buf_append_cstr(out, p->kind == PLAN_PREFIX     ? ": values that begin with "
                         : p->kind == PLAN_CONTAINS ? ": values that hold "
                                                    : ": the value ");
    value_append(out, p->kind == PLAN_CONTAINS ? p->needle : p->from);
}

static void step_append(struct buf *out, const struct custom_set *customs, const struct plan *p)
{
    switch (p->kind) {
    case PLAN_ALL:
    case PLAN_KNOWN: /* never in a plan of ours */
        buf_append_cstr(out, "everything");
        return;
    case PLAN_NONE:
        buf_append_cstr(out, "nothing");
        return;
    case PLAN_TERM:
    case PLAN_PREFIX:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
        leaf_append(out, customs, p);
        return;
    case PLAN_ID:
        buf_printf(out, "%.*s/%.*s", SLICE_ARGS(p->from), SLICE_ARGS(p->to));
        return;
    case PLAN_SPAN:
        buf_append_cstr(out, "a span of documents");
        return;
    case PLAN_INSTANT:
    case PLAN_CREATED:
        buf_append_cstr(out, p->kind == PLAN_INSTANT ? "changed from " : "created from ");
        instant_append(out, p->instant_low);
        buf_append_cstr(out, " to ");
        instant_append(out, p->instant_high);
        return;
    case PLAN_AND:
        buf_append_cstr(out, "all of these, the rarest first");
        return;
    case PLAN_OR:
        buf_append_cstr(out, "any of these");
        return;
    case PLAN_NOT:
        buf_append_cstr(out, "all but these");
        return;
    case PLAN_TEST:
        buf_append_cstr(out, canonical_is_test(p)
                                 ? "of these those whose canonical url leads to a match"
                                 : "of these those in which a contained resource matches");
        return;
    case PLAN_REFERS:
        field_append(out, customs, p->field);
        buf_append_cstr(out, " refers to one of these");
        return;
    case PLAN_REFERRED:
        buf_printf(out, "%.*s that ", SLICE_ARGS(p->to));
        field_append(out, customs, p->field);
        buf_append_cstr(out, " of one of these refers to");
        return;
    }
}

struct slice search_step_text(const struct plan *plan, const struct custom_set *customs,
                              struct arena *arena)
{
    struct buf text;
    buf_init(&text, 4096);
    step_append(&text, customs, plan);
    const char *copy = buf_status(&text) ? NULL : arena_copy(arena, buf_slice(&text));
    struct slice result = slice_of(copy, copy ? text.length : 0);
    buf_release(&text);
    return result;
}
