/* rest/customs.c - the search parameters that a data store defines: read, decided,
 * told to the store. */
#include "rest/customs.h"

#include <stdlib.h>
#include <string.h>

#include "index/index.h"
#include "rest/customs_parts.h"
#include "rest/request.h"

static const char TYPE[] = "SearchParameter";

/* ---- the set and the rules that the entries make ---- */

static size_t types_of(const struct custom_entry *e, uint16_t *types)
{
    size_t count = 0;
    for (uint16_t r = 0; r < fhir_resource_count(); r++)
        if (custom_entry_has(e, r))
            types[count++] = r;
    return count;
}

static struct custom_set *set_make(const struct custom_entries *entries, uint64_t number)
{
    struct arena arena;
    struct custom_set *set = NULL;
    arena_init(&arena, CUSTOMS_WORK_BYTES);
    struct custom_row *rows = arena_array(&arena, entries->count, sizeof *rows);
    size_t count = 0;
    for (size_t i = 0; rows && i < entries->count; i++) {
        const struct custom_entry *e = &entries->list[i];
        uint16_t *types = e->is_used ? arena_array(&arena, fhir_resource_count(), sizeof *types)
                                     : NULL;
        if (!types && e->is_used)
            rows = NULL;
        else if (e->is_used)
            rows[count++] = (struct custom_row){ .param = e->param,
                                                 .types = types,
                                                 .type_count = types_of(e, types) };
    }
    if (rows)
        set = custom_set_make(rows, count, number);
    arena_release(&arena);
    return set;
}

/* R4's rules and those of the entries; *ret is owned. */
static enum err rules_make(const struct customs *c, const struct custom_entries *entries,
                           struct store_rule **ret, size_t *ret_count)
{
    size_t count = c->builtin_count, types = fhir_resource_count();
    for (size_t i = 0; i < entries->count; i++)
        count += entries->list[i].is_used ? types : 0;
    struct store_rule *rules = malloc((count + 1) * sizeof *rules);
    if (!rules)
        return ERR_NO_MEMORY;
    if (c->builtin_count)
        memcpy(rules, c->rules, c->builtin_count * sizeof *rules);
    count = c->builtin_count;
    for (size_t i = 0; i < entries->count; i++) {
        const struct custom_entry *e = &entries->list[i];
        for (uint16_t r = 0; e->is_used && r < types; r++)
            if (custom_entry_has(e, r))
                rules[count++] = (struct store_rule){
                    .field = index_field(fhir_resource_at(r), e->number),
                    .hash = e->param->rule_hash
                };
    }
    *ret = rules;
    *ret_count = count;
    return ERR_NONE;
}

static enum err rules_tell(struct customs *c)
{
    const struct store_rules all = { c->rules, c->rule_count, c->set_number };
    enum err err = store_rules_set(c->store, &all);
    c->is_untold = err != ERR_NONE;
    return err;
}

/* The entries take the place of those before: first what extracts, then the store. */
static enum err entries_use(struct customs *c, struct custom_entries *entries, bool tells_store)
{
    struct store_rule *rules = NULL;
    size_t rule_count = 0;
    struct custom_set *set = set_make(entries, c->set_number + 1);
    if (!set)
        return ERR_NO_MEMORY;
    enum err err = rules_make(c, entries, &rules, &rule_count);
    if (err) {
        custom_set_free(set);
        return err;
    }
    err = customs_publish(c, set);
    if (err) {
        free(rules);
        return err;
    }
    c->set_number++;
    custom_entries_release(&c->entries);
    c->entries = *entries;
    *entries = (struct custom_entries){ NULL, 0 };
    free(c->rules);
    c->rules = rules;
    c->rule_count = rule_count;
    c->is_untold = tells_store;
    return tells_store ? rules_tell(c) : ERR_NONE;
}

enum err rest_customs_opened(void *extract_context, struct store *store,
                             struct store_rules *rules)
{
    const struct rest_extract *extract = extract_context;
    struct customs *c = extract->customs;
    struct custom_entries entries = { NULL, 0 };
    struct arena arena;
    if (!c)
        return ERR_NONE;
    c->store = store;
    c->set_number = rules->number;
    c->rules = malloc((rules->count + 1) * sizeof *c->rules);
    if (!c->rules)
        return ERR_NO_MEMORY;
    if (rules->count)
        memcpy(c->rules, rules->list, rules->count * sizeof *c->rules);
    c->rule_count = c->builtin_count = rules->count;
    arena_init(&arena, CUSTOMS_WORK_BYTES);
    enum err err = customs_record_load(c, &entries, &arena);
    if (!err) {
        custom_entries_decide(&entries, &c->next_number);
        err = entries_use(c, &entries, false);
    }
    if (!err)
        *rules = (struct store_rules){ c->rules, c->rule_count, c->set_number };
    custom_entries_release(&entries);
    arena_release(&arena);
    return err;
}

/* ---- settling ---- */

static const struct custom_entry *old_by_doc(const struct custom_entries *old, uint64_t doc)
{
    for (size_t low = 0, high = old->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (old->list[middle].doc == doc)
            return &old->list[middle];
        if (old->list[middle].doc < doc)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static uint16_t number_of(const struct custom_entries *old, const char *id)
{
    for (size_t i = 0; i < old->count; i++)
        if (strcmp(old->list[i].id, id) == 0)
            return old->list[i].number;
    return 0;
}

static enum err entry_take(struct customs *c, struct store_reader *reader, uint64_t doc,
                           struct arena *arena, struct custom_entry *ret)
{
    const struct custom_entry *old = old_by_doc(&c->entries, doc);
    if (old) {
        *ret = *old;
        if (ret->param)
            custom_param_ref(ret->param);
        return ERR_NONE;
    }
    ret->doc = doc;
    TRY(customs_entry_load(reader, ret, arena));
    ret->number = number_of(&c->entries, ret->id);
    return ERR_NONE;
}

/* A composite whose parts are of other types than they were is another parameter. */
static enum err composite_again(struct store_reader *reader, const struct custom_entries *entries,
                                struct custom_entry *e, struct arena *arena)
{
    uint8_t types[CUSTOM_COMPONENTS_MAX] = { 0 };
    struct slice missing;
    if (!e->is_settled || !e->param || !e->param->param.component_count ||
        !custom_entry_parts(entries, e, types, &missing) ||
        memcmp(types, e->part_types, sizeof types) == 0)
        return ERR_NONE;
    custom_param_unref(e->param);
    e->param = NULL;
    e->is_settled = false;
    return customs_entry_load(reader, e, arena);
}

static enum err entries_read(struct customs *c, struct store_reader *reader, struct arena *arena,
                             struct custom_entries *ret)
{
    const struct fhir_type *type = fhir_resource_find(slice_cstr(TYPE));
    const struct plan plan = { .kind = PLAN_TERM,
                               .field = index_field(type, INDEX_PARAM_TYPE),
                               .from = SLICE("") };
    uint64_t *docs;
    size_t count;
    TRY(store_search(reader, &plan, 0, ENTRIES_MAX, arena, &docs, &count));
    ret->list = calloc(count + 1, sizeof *ret->list);
    if (!ret->list)
        return ERR_NO_MEMORY;
    enum err err = ERR_NONE;
    for (size_t i = 0; i < count && !err; i++) {
        ret->count++; /* whatever comes of it: it may hold a parameter */
        err = entry_take(c, reader, docs[i], arena, &ret->list[i]);
    }
    for (size_t i = 0; i < count && !err; i++)
        err = composite_again(reader, ret, &ret->list[i], arena);
    custom_entries_bound(ret);
    return err;
}

/* What extraction and searches would see is the same? */
static bool is_same(const struct custom_entries *a, const struct custom_entries *b)
{
    size_t k = 0;
    for (size_t i = 0; i < a->count; i++) {
        const struct custom_entry *e = &a->list[i];
        if (!e->is_used)
            continue;
        while (k < b->count && !b->list[k].is_used)
            k++;
        if (k == b->count || b->list[k].param != e->param ||
            memcmp(b->list[k].types, e->types, sizeof e->types) != 0)
            return false;
        k++;
    }
    while (k < b->count && !b->list[k].is_used)
        k++;
    return k == b->count;
}

static enum err settle_in(struct customs *c, struct store_reader *reader, struct arena *arena)
{
    struct custom_entries entries = { NULL, 0 };
    uint16_t next_number = c->next_number;
    enum err err = entries_read(c, reader, arena, &entries);
    if (!err) {
        custom_entries_decide(&entries, &next_number);
        err = customs_record_keep(c, &entries, next_number);
    }
    if (!err && is_same(&c->entries, &entries)) {
        custom_entries_release(&c->entries);
        c->entries = entries;
        return c->is_untold ? rules_tell(c) : ERR_NONE;
    }
    if (!err) {
        c->next_number = next_number;
        err = entries_use(c, &entries, true);
    }
    custom_entries_release(&entries);
    return err;
}

static enum err settle_locked(struct customs *c)
{
    struct store_reader *reader;
    struct arena arena;
    atomic_store(&c->is_stale, false); /* before it is read: no write is lost */
    enum err err = store_read_begin(c->store, 0, &reader);
    if (!err) {
        arena_init(&arena, CUSTOMS_WORK_BYTES);
        err = settle_in(c, reader, &arena);
        arena_release(&arena);
        store_read_end(reader);
    }
    if (err)
        atomic_store(&c->is_stale, true);
    return err;
}

bool customs_are_used(const struct rest *rest)
{
    return rest->customs && rest->settings.behaviour.custom_parameters;
}

enum err customs_settle(struct rest *rest)
{
    struct customs *c = rest->customs;
    if (!customs_are_used(rest) || !atomic_load_explicit(&c->is_stale, memory_order_acquire))
        return ERR_NONE;
    mutex_lock(&c->settle_lock);
    enum err err = atomic_load(&c->is_stale) ? settle_locked(c) : ERR_NONE;
    mutex_unlock(&c->settle_lock);
    /* A store that takes no writes answers with the definitions that it had. */
    return err == ERR_READ_ONLY ? ERR_NONE : err;
}

void customs_note(struct rest *rest, const struct store_write *writes, size_t count)
{
    bool is_any = false;
    for (size_t i = 0; customs_are_used(rest) && i < count && !is_any; i++)
        is_any = slice_is(writes[i].type, TYPE);
    if (!is_any)
        return;
    atomic_store(&rest->customs->is_stale, true);
    enum err ignored = customs_settle(rest);
    (void)ignored; /* it stays stale: the next request tries again */
}
