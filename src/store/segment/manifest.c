#include "store/segment/manifest.h"

#include <xxhash.h>

struct head {
    char magic[8];
    uint32_t format, segment_count;
    uint64_t covers, next, rules_hash;
    uint32_t rule_count, moved_count, next_place, zero;
};
_Static_assert(sizeof(struct head) == 56, "a manifest's head has 56 bytes");
_Static_assert(sizeof(struct manifest_segment) == 72, "a manifest's segment has 72 bytes");
_Static_assert(sizeof(struct manifest_rule) == 16, "a manifest's rule has 16 bytes");
_Static_assert(sizeof(struct manifest_moved) == 24, "a manifest's moved field has 24 bytes");

static const char MAGIC[8] = { 'T', 'A', 'R', 'N', 'I', 'D', 'X', 0 };

void manifest_render(const struct manifest *m, struct buf *out)
{
    struct head head = { .format = MANIFEST_FORMAT,
                         .segment_count = m->segment_count,
                         .covers = m->covers,
                         .next = m->next,
                         .rules_hash = m->rules_hash,
                         .rule_count = m->rule_count,
                         .moved_count = m->moved_count,
                         .next_place = m->next_place };
    memcpy(head.magic, MAGIC, sizeof MAGIC);
    size_t from = out->length;
    buf_append(out, slice_of((const char *)&head, sizeof head));
    buf_append(out, slice_of((const char *)m->rules, m->rule_count * sizeof *m->rules));
    buf_append(out, slice_of((const char *)m->moved, m->moved_count * sizeof *m->moved));
    buf_append(out, slice_of((const char *)m->segments, m->segment_count * sizeof *m->segments));
    if (buf_status(out))
        return;
    uint64_t sum = XXH3_64bits(out->bytes + from, out->length - from);
    buf_append(out, slice_of((const char *)&sum, sizeof sum));
}

static bool is_past_kind(uint32_t kind)
{
    return kind == SEGMENT_PAST || kind == SEGMENT_SIDE_PAST || kind == SEGMENT_PENDING_PAST;
}

/* What the readers rely on: kinds in order, main segments ascending up to what is
 * covered, and every number below the next. */
static enum err check_segments(const struct manifest *m)
{
    uint64_t last = 0;
    uint32_t kind = 0;
    for (uint32_t i = 0; i < m->segment_count; i++) {
        const struct manifest_segment *s = &m->segments[i];
        if (s->number >= m->next || s->first > s->last || s->last > m->covers ||
            s->kind < kind || s->kind >= SEGMENT_KINDS ||
            is_past_kind(s->kind) != (s->until != 0) ||
            (s->kind == SEGMENT_MAIN && s->first <= last))
            return ERR_CORRUPT;
        kind = s->kind;
        last = kind == SEGMENT_MAIN ? s->last : last;
        for (uint32_t k = 0; k < i; k++)
            if (m->segments[k].number == s->number)
                return ERR_CORRUPT;
    }
    return ERR_NONE;
}

/* Both ascend, and what is moved has a rule. */
static enum err check_rules(const struct manifest *m)
{
    uint32_t rule = 0;
    for (uint32_t i = 1; i < m->rule_count; i++)
        if (m->rules[i].field <= m->rules[i - 1].field)
            return ERR_CORRUPT;
    for (uint32_t i = 0; i < m->moved_count; i++) {
        const struct manifest_moved *v = &m->moved[i];
        if (i && v->field <= m->moved[i - 1].field)
            return ERR_CORRUPT;
        while (rule < m->rule_count && m->rules[rule].field < v->field)
            rule++;
        if (rule == m->rule_count || m->rules[rule].field != v->field || v->done > v->until)
            return ERR_CORRUPT;
    }
    return ERR_NONE;
}

enum err manifest_parse(struct slice bytes, struct manifest *ret)
{
    struct head head;
    uint64_t sum;
    if (bytes.length < sizeof head + sizeof sum || (uintptr_t)bytes.bytes % 8)
        return ERR_CORRUPT;
    memcpy(&head, bytes.bytes, sizeof head);
    if (memcmp(head.magic, MAGIC, sizeof MAGIC) != 0)
        return ERR_CORRUPT;
    if (head.format != MANIFEST_FORMAT)
        return ERR_UNSUPPORTED;
    size_t rules = head.rule_count * sizeof(struct manifest_rule);
    size_t moved = head.moved_count * sizeof(struct manifest_moved);
    size_t segments = head.segment_count * sizeof(struct manifest_segment);
    if (head.segment_count > MANIFEST_SEGMENTS_MAX || head.rule_count > MANIFEST_RULES_MAX ||
        head.moved_count > head.rule_count ||
        bytes.length != sizeof head + rules + moved + segments + sizeof sum)
        return ERR_CORRUPT;
    memcpy(&sum, bytes.bytes + bytes.length - sizeof sum, sizeof sum);
    if (XXH3_64bits(bytes.bytes, bytes.length - sizeof sum) != sum)
        return ERR_CORRUPT;
    char *at = (char *)(uintptr_t)bytes.bytes + sizeof head;
    *ret = (struct manifest){ .covers = head.covers,
                              .next = head.next,
                              .rules_hash = head.rules_hash,
                              .next_place = head.next_place,
                              .rules = (struct manifest_rule *)(void *)at,
                              .rule_count = head.rule_count,
                              .moved = (struct manifest_moved *)(void *)(at + rules),
                              .moved_count = head.moved_count,
                              .segments = (struct manifest_segment *)(void *)(at + rules + moved),
                              .segment_count = head.segment_count };
    TRY(check_rules(ret));
    return check_segments(ret);
}
