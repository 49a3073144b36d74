/* Rules of single fields: what holds, what is not ready, what is asked again. */
#include "os/thread.h"
#include "store/embedded/engine.h"

/* What the current table becomes, for documents up to `last`. */
typedef enum err change_fields(void *context, const struct fields *f, uint64_t last,
                               struct fields **ret, bool *ret_changed);

static enum err swap_ordered(struct store *store, change_fields *change, void *context,
                             bool *ret_changed)
{
    struct fields *old = postings_fields(&store->postings), *made = NULL;
    mutex_lock(&store->ordered);
    enum err err = change(context, old, store->next_doc - 1, &made, ret_changed);
    if (!err && (err = postings_fields_set(&store->postings, made)))
        fields_unref(made);
    mutex_unlock(&store->ordered);
    fields_unref(old);
    return err;
}

/* Between two commits, so that a document's terms are in the old places or in the new
 * ones by its number. Then the manifest, so that the work is not begun again after a
 * kill; until it is written no segment holds a new place. */
static enum err swap(struct store *store, change_fields *change, void *context)
{
    struct postings *p = &store->postings;
    bool changed = false;
    mutex_lock(&store->rules_lock);
    mutex_lock(&p->change_lock);
    enum err err = swap_ordered(store, change, context, &changed);
    if (!err && changed) {
        struct postings_view *view = postings_view_take(p);
        const struct segments_change none = { .covers = view->covers };
        postings_view_give(view);
        err = postings_change(p, &none, NULL, NULL, 0);
        if (err && !store_is_short(err)) /* else the next manifest says so */
            store_latch(store);
    }
    mutex_unlock(&p->change_lock);
    mutex_unlock(&store->rules_lock);
    store_rebuild_wake(store);
    return err;
}

static enum err change_rules(void *context, const struct fields *f, uint64_t last,
                             struct fields **ret, bool *ret_changed)
{
    const struct store_rules *rules = context;
    return fields_change(f, rules->list, rules->count, rules->number, last, ret, ret_changed);
}

enum err store_rules_set(struct store *store, const struct store_rules *rules)
{
    struct store_rules held = *rules;
    if (atomic_load(&store->is_read_only))
        return ERR_READ_ONLY;
    TRY(store_wait_index(store));
    return swap(store, change_rules, &held);
}

struct renewal {
    const uint32_t *fields;
    size_t count;
};

static enum err change_renew(void *context, const struct fields *f, uint64_t last,
                             struct fields **ret, bool *ret_changed)
{
    const struct renewal *r = context;
    *ret_changed = true;
    return fields_renew(f, r->fields, r->count, last, ret);
}

enum err store_rebuild(struct store *store, const uint32_t *fields, size_t count)
{
    struct renewal r = { fields, count };
    if (atomic_load(&store->is_read_only))
        return ERR_READ_ONLY;
    TRY(store_wait_index(store));
    if (fields)
        return swap(store, change_renew, &r);
    struct postings_view *view = postings_view_take(&store->postings);
    for (uint32_t i = 0; i < segment_set_seen(view->segments); i++)
        segments_report_damage(&store->segments, view->segments->list[i]);
    postings_view_give(view);
    return ERR_NONE;
}

void store_rule_state(struct store *store, uint32_t field, struct store_rule_state *ret)
{
    struct fields *fields = postings_fields(&store->postings);
    const struct field_row *row = fields_find(fields, field);
    *ret = (struct store_rule_state){ .is_ready = true };
    if (row && row->place != FIELD_NOWHERE)
        *ret = (struct store_rule_state){ .is_known = true,
                                          .is_ready = row->done >= row->until,
                                          .done = row->done,
                                          .whole = row->until };
    fields_unref(fields);
}
