/* How many postings a range of keys has, without reading it. */
#include "store/segment/segment.h"

enum { EXACT_KEYS = 64 /* that are looked at one by one */ };

/* Where among all keys the walk stands, from 0 to 1: at each level a block's place
 * in bytes. An entry's own width is taken as that of the average one. */
static double place_of(const struct segment_walk *w)
{
    double place = 0, width = 1;
    for (uint32_t level = w->height; level-- > 1;) {
        double behind = (double)w->next[level] / (double)MAX(w->size[level], (uint64_t)1);
        double entries = KEYS_RESTART_EVERY * (w->restarts[level] - 0.5);
        place += width * MAX(behind - 1 / entries, 0.0);
        width /= entries;
    }
    double leaf = (double)w->leaf.at / (double)MAX(w->leaf.end, (size_t)1);
    return MIN(place + width * leaf, 1.0);
}

static int compare(const struct segment_walk *w, struct slice key)
{
    return key_compare_bytes(w->leaf.key, w->leaf.key_size, (const uint8_t *)key.bytes,
                             key.length);
}

enum err segment_estimate(const struct segment *s, struct slice low, struct slice high,
                          uint64_t enough, uint64_t *ret_keys, uint64_t *ret_postings)
{
    struct segment_walk w;
    bool any = false;
    uint64_t count = 0;
    *ret_keys = *ret_postings = 0;
    TRY(segment_walk_seek(&w, s, (const uint8_t *)low.bytes, low.length, &any));
    double from = any ? place_of(&w) : 1;
    for (int i = 0; any && i < EXACT_KEYS && compare(&w, high) < 0 && count < enough; i++) {
        count += w.leaf.value.count;
        ++*ret_keys;
        TRY(segment_walk_next(&w, &any));
    }
    *ret_postings = count;
    if (!any || count >= enough || compare(&w, high) >= 0)
        return ERR_NONE;
    TRY(segment_walk_seek(&w, s, (const uint8_t *)high.bytes, high.length, &any));
    double to = any ? place_of(&w) : 1;
    double keys = to > from ? (to - from) * (double)s->footer.key_count : 0;
    double postings = keys * (double)count / EXACT_KEYS; /* as many each as the first ones */
    *ret_keys = MAX(*ret_keys, (uint64_t)keys);
    *ret_postings = MAX(count, (uint64_t)MIN(postings, (double)s->footer.posting_count));
    return ERR_NONE;
}
