#include "store/segment/manifest.h"

#include <xxhash.h>

struct head {
    char magic[8];
    uint32_t format, segment_count;
    uint64_t covers, next, rules_hash;
    uint32_t rule_count, zero;
};
_Static_assert(sizeof(struct head) == 48, "a manifest's head has 48 bytes");
_Static_assert(sizeof(struct manifest_segment) == 56, "a manifest's segment has 56 bytes");
_Static_assert(sizeof(struct manifest_rule) == 16, "a manifest's rule has 16 bytes");

static const char MAGIC[8] = { 'T', 'A', 'R', 'N', 'I', 'D', 'X', 0 };

void manifest_render(const struct manifest *m, struct buf *out)
{
    struct head head = { .format = MANIFEST_FORMAT,
                         .segment_count = m->segment_count,
                         .covers = m->covers,
                         .next = m->next,
                         .rules_hash = m->rules_hash,
                         .rule_count = m->rule_count };
    memcpy(head.magic, MAGIC, sizeof MAGIC);
    size_t from = out->length;
    buf_append(out, slice_of((const char *)&head, sizeof head));
    buf_append(out, slice_of((const char *)m->rules, m->rule_count * sizeof *m->rules));
    buf_append(out, slice_of((const char *)m->segments, m->segment_count * sizeof *m->segments));
    if (buf_status(out))
        return;
    uint64_t sum = XXH3_64bits(out->bytes + from, out->length - from);
    buf_append(out, slice_of((const char *)&sum, sizeof sum));
}

/* What the readers rely on: segments that are not past ascend up to what is
 * covered, and every number is below the next. */
static enum err check_segments(const struct manifest *m)
{
    uint64_t last = 0;
    bool is_past = false;
    for (uint32_t i = 0; i < m->segment_count; i++) {
        const struct manifest_segment *s = &m->segments[i];
        if (s->number >= m->next || s->first > s->last || s->last > m->covers ||
            (is_past && !s->until) || (!s->until && s->first <= last))
            return ERR_CORRUPT;
        is_past = s->until != 0;
        last = is_past ? last : s->last;
        for (uint32_t k = 0; k < i; k++)
            if (m->segments[k].number == s->number)
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
    size_t segments = head.segment_count * sizeof(struct manifest_segment);
    if (head.segment_count > MANIFEST_SEGMENTS_MAX || head.rule_count > MANIFEST_RULES_MAX ||
        bytes.length != sizeof head + rules + segments + sizeof sum)
        return ERR_CORRUPT;
    memcpy(&sum, bytes.bytes + bytes.length - sizeof sum, sizeof sum);
    if (XXH3_64bits(bytes.bytes, bytes.length - sizeof sum) != sum)
        return ERR_CORRUPT;
    char *at = (char *)(uintptr_t)bytes.bytes + sizeof head;
    *ret = (struct manifest){ .covers = head.covers,
                              .next = head.next,
                              .rules_hash = head.rules_hash,
                              .rules = (struct manifest_rule *)(void *)at,
                              .rule_count = head.rule_count,
                              .segments = (struct manifest_segment *)(void *)(at + rules),
                              .segment_count = head.segment_count };
    return check_segments(ret);
}
