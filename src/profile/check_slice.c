/* profile/check_slice.c - which slice an element belongs to, and slices' counts. */
#include "profile/criterion.h"

struct sorting {
    struct place sliced;
    struct json holder; /* the object that has, or lacks, the items */
    const struct item *items;
    uint32_t *slices;  /* by item: its slice + 1, 0: none */
    uint32_t *counts;  /* by slice, as are ... */
    uint32_t *guesses; /* ... elements that may belong to it */
    uint64_t *starts;  /* by slice: where it begins, by position */
    bool is_guessed;
    uint32_t count, slice_count;
};

static struct place slice_at(const struct sorting *s, uint32_t i)
{
    struct place p = s->sliced;
    p.node = image_node_at(p.image, p.node->slices.first + i);
    return p;
}

/* By position: each slice has as many places as it may have elements. */
static bool is_at_position(const struct sorting *s, uint32_t slice, uint32_t item)
{
    uint64_t start = s->starts[slice];
    return item >= start && item < start + slice_at(s, slice).node->max;
}

/* Without a discriminator only the slice's own rules can tell. One that says nothing
 * where the discriminators look has no elements. */
static bool is_in(struct profile_check *c, const struct fhir_spot *spot, const struct sorting *s,
                  uint32_t slice, uint32_t item)
{
    struct image_range all = s->sliced.node->discriminators;
    const struct image *im = s->sliced.image;
    uint32_t told = 0, known = 0;
    for (uint32_t i = 0; i < all.count; i++) {
        const struct image_discriminator *d = image_discriminator_at(im, all.first + i);
        if (d->is_unknown)
            continue;
        known++;
        if (d->type == DISCRIMINATE_POSITION) {
            if (!is_at_position(s, slice, item))
                return false;
            told++;
            continue;
        }
        struct criterion k = criterion_of(c, slice_at(s, slice), im, d);
        if (!criterion_tells(&k))
            continue;
        if (!criterion_is_met(c, &k, im, &s->items[item]))
            return false;
        told++;
    }
    return told > 0 || (known == 0 && tree_fits(c, spot, slice_at(s, slice), &s->items[item]));
}

static void report_two(struct profile_check *c, const struct fhir_spot *spot,
                       const struct sorting *s, const struct item *item, uint32_t a, uint32_t b)
{
    tree_error(c, spot, s->sliced, item_where(item), "invalid",
               "Profile %.*s, Element matches more than one slice - %.*s, %.*s",
               SLICE_ARGS(place_profile(c, s->sliced)),
               SLICE_ARGS(image_slice(s->sliced.image, slice_at(s, a).node->slice_name)),
               SLICE_ARGS(image_slice(s->sliced.image, slice_at(s, b).node->slice_name)));
}

/* A slice that is only guessed at, its value set being unknown, gives way to one
 * that is known to fit, and is not held against the element. */
static void sort_item(struct profile_check *c, const struct fhir_spot *spot, struct sorting *s,
                      uint32_t at)
{
    uint32_t found = 0;
    bool was_guess = c->is_guess;
    for (uint32_t i = 0; i < s->slice_count && tree_spend(c, spot, 1); i++) {
        c->is_guess = false;
        if (!is_in(c, spot, s, i, at))
            continue;
        if (c->is_guess) {
            s->guesses[i]++;
        } else if (found) {
            report_two(c, spot, s, &s->items[at], found - 1, i);
            break;
        } else {
            found = i + 1;
        }
    }
    if (found)
        s->counts[found - 1]++;
    s->slices[at] = found;
    c->is_guess = was_guess;
}

static bool has_guesses(const struct sorting *s)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < s->slice_count; i++)
        total += s->guesses[i];
    return total > 0;
}

/* Rules of the slicing itself: closed, at the end, ordered. */
static void check_sorting(struct profile_check *c, struct fhir_spot *spot, const struct sorting *s)
{
    const struct image_node *n = s->sliced.node;
    uint32_t last = 0;
    bool is_behind = false, is_closed = n->slicing == SLICING_CLOSED && !has_guesses(s);
    for (uint32_t i = 0; i < s->count && !tree_is_over(c); i++) {
        spot->index = s->items[i].index;
        uint32_t slice = s->slices[i];
        struct json where = item_where(&s->items[i]);
        if (slice == 0 && is_closed)
            tree_error(c, spot, s->sliced, where, "structure",
                       "This element does not match any known slice defined in the profile "
                       "%.*s and slicing is CLOSED: %.*s",
                       SLICE_ARGS(place_profile(c, s->sliced)), SLICE_ARGS(place_id(s->sliced)));
        if (slice > 0 && is_behind && n->slicing == SLICING_OPEN_AT_END)
            tree_error(c, spot, s->sliced, where, "structure",
                       "This element belongs to a slice, but stands behind elements that do not "
                       "(from %.*s)",
                       SLICE_ARGS(place_profile(c, s->sliced)));
        if (slice > 0 && slice < last && n->is_ordered)
            tree_error(c, spot, s->sliced, where, "invalid",
                       "As specified by profile %.*s, element '%.*s' is out of order",
                       SLICE_ARGS(place_profile(c, s->sliced)), SLICE_ARGS(place_id(s->sliced)));
        is_behind = is_behind || slice == 0;
        last = MAX(last, slice);
    }
}

static void check_slice_count(struct profile_check *c, const struct fhir_spot *parent,
                              const struct sorting *s, uint32_t slice)
{
    struct place p = slice_at(s, slice);
    uint32_t count = s->counts[slice];
    struct json where = s->count > 0 ? item_where(&s->items[0]) : s->holder;
    const char *open = s->sliced.node->slicing == SLICING_CLOSED
                           ? ""
                           : ". Note that other slices are allowed in addition to this required "
                             "slice";
    if (count + s->guesses[slice] < p.node->min)
        tree_error(c, parent, p, where, "structure",
                   "Slice '%.*s': a matching slice is required, but not found: minimum required "
                   "= %u, but only found %u (from %.*s)%s",
                   SLICE_ARGS(place_id(p)), p.node->min, count, SLICE_ARGS(place_profile(c, p)),
                   open);
    if (count > p.node->max)
        tree_error(c, parent, p, where, "structure",
                   "%.*s: max allowed = %u, but found %u (from %.*s)", SLICE_ARGS(place_id(p)),
                   p.node->max, count, SLICE_ARGS(place_profile(c, p)));
}

/* A slice's definition has what the sliced element says, too, unless it was left
 * without children: then those of the sliced element count. */
static void check_in_slice(struct profile_check *c, const struct fhir_spot *spot,
                           struct place slice, struct place sliced, const struct item *item)
{
    tree_place(c, spot, slice, item);
    const struct image_type *t = place_only_type(slice);
    bool is_bare =
        slice.node->children.count == 0 && !slice.node->content && !(t && t->profiles.count > 0);
    if (is_bare && !tree_is_over(c))
        tree_below(c, spot, sliced, item);
}

/* The elements of a slice that is sliced again. */
static void check_again(struct profile_check *c, struct fhir_spot *spot, const struct sorting *s,
                        uint32_t slice)
{
    uint32_t count = 0;
    struct item *items = arena_array(&c->scratch, s->counts[slice], sizeof *items);
    if (!items) {
        c->failure = ERR_NO_MEMORY;
        return;
    }
    for (uint32_t i = 0; i < s->count && count < s->counts[slice]; i++)
        if (s->slices[i] == slice + 1)
            items[count++] = s->items[i];
    tree_slices(c, spot, slice_at(s, slice), s->holder, items, count, true);
}

void tree_slices(struct profile_check *c, struct fhir_spot *spot, struct place sliced,
                 struct json holder, const struct item *items, uint32_t count, bool again)
{
    struct sorting s = {
        .sliced = sliced,
        .holder = holder,
        .items = items,
        .count = count,
        .slice_count = sliced.node->slices.count,
    };
    s.slices = arena_array(&c->scratch, count, sizeof *s.slices);
    s.counts = arena_array(&c->scratch, s.slice_count, sizeof *s.counts);
    s.guesses = arena_array(&c->scratch, s.slice_count, sizeof *s.guesses);
    s.starts = arena_array(&c->scratch, s.slice_count, sizeof *s.starts);
    if (!s.slices || !s.counts || !s.guesses || !s.starts) {
        c->failure = ERR_NO_MEMORY;
        return;
    }
    for (uint32_t i = 1; i < s.slice_count; i++)
        s.starts[i] = s.starts[i - 1] + slice_at(&s, i - 1).node->max;
    for (uint32_t i = 0; i < count && !tree_is_over(c); i++) {
        spot->index = items[i].index;
        sort_item(c, spot, &s, i);
    }
    check_sorting(c, spot, &s);
    for (uint32_t i = 0; i < count && !tree_is_over(c); i++) {
        spot->index = items[i].index;
        if (s.slices[i] == 0 && !again)
            tree_place(c, spot, sliced, &items[i]);
        else if (s.slices[i] > 0)
            check_in_slice(c, spot, slice_at(&s, s.slices[i] - 1), sliced, &items[i]);
    }
    for (uint32_t i = 0; i < s.slice_count && !tree_is_over(c); i++) {
        check_slice_count(c, spot->parent, &s, i);
        if (slice_at(&s, i).node->slices.count > 0)
            check_again(c, spot, &s, i);
    }
}
