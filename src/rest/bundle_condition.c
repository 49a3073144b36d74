/* Transactions with criteria: conditional writes and references "Type?criteria".
 *
 * One try: search all criteria at one instant, give each conditional entry its
 * target (what matched, or a new id), draft all, see which drafts meet criteria
 * themselves, and commit under one condition of the store. A commit that brought
 * a match meanwhile, or a match that changed, makes it another try.
 *
 * FHIR's order of processing decides who sees whom: a create sees neither what
 * the deletions before it take away nor what stands behind it; a second create of
 * the same criteria is the first one; a reference is resolved at the end, so it
 * sees all that the transaction writes.
 */
#include "rest/bundle.h"

#include "os/random.h"
#include "rest/access.h"
#include "rest/draft.h"
#include "rest/write.h"

/* Drafts tried against criteria that no equality picks out: the product of the
 * two must stay a request's work. */
enum { MEETINGS_MAX = 5 * 1000 * 1000 };

/* ---- parsing ---- */

static struct criteria *criteria_new(struct bundle *b, const struct fhir_type *type,
                                     struct issues *issues, struct slice text, enum err *ret_err)
{
    struct criteria *c = arena_alloc(b->r->arena, sizeof *c);
    *ret_err = ERR_NO_MEMORY;
    if (!c || !issues)
        return NULL;
    *c = (struct criteria){ .rest = b->r->rest, .issues = issues, .type = type };
    *ret_err = criteria_read(c, b->r->base_url, text, b->r->arena);
    return *ret_err ? NULL : c;
}

static void entry_criteria(struct bundle *b, struct entry *e)
{
    bool is_create = e->route.interaction == INTERACTION_CREATE;
    e->criteria = criteria_new(b, e->route.type, entry_issues(b, e),
                               is_create ? *e->if_none_exist : e->query, &e->err);
    if (e->err || is_create || e->route.interaction != INTERACTION_UPDATE)
        return;
    struct json id = json_member(e->resource, "id");
    e->body_id = json_is(id, JSON_STRING) ? json_string(id, b->r->arena) : SLICE_NONE;
    if (json_exists(id) && !fhir_id_is_valid(e->body_id))
        entry_fail(b, e, ERR_INVALID, "value", "The body's id is no FHIR id");
}

static bool is_name(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        char lower = (char)(text.bytes[i] | 0x20);
        if (lower < 'a' || lower > 'z')
            return false;
    }
    return text.length > 0;
}

/* What is wrong with the criteria is the finding of `e`, the first entry that has them. */
static enum err reference_add(struct bundle *b, struct slice text, struct entry *e)
{
    uint64_t *place;
    bool is_new;
    struct slice rest = text;
    if (slice_starts_with(text, b->r->base_url) && text.length > b->r->base_url.length)
        rest = slice_from(text, b->r->base_url.length + 1); /* on our own base */
    struct slice name = slice_cut(&rest, '?');
    const struct fhir_type *type = fhir_resource_find(name);
    if (!type && !is_name(name))
        return ERR_NONE; /* somebody else's URL */
    if (!type) {
        entry_fail(b, e, ERR_INVALID, "value",
                   "The reference %.*s searches for a type that R4 does not have",
                   SLICE_ARGS(slice_head(text, 200)));
        return ERR_NONE;
    }
    TRY(map_put(&b->reference_places, text, &place, &is_new));
    if (!is_new)
        return ERR_NONE;
    struct issues *issues = entry_issues(b, e);
    if (!issues)
        return ERR_NO_MEMORY;
    struct route search = { .interaction = INTERACTION_SEARCH, .type = type };
    enum err err = access_entry(b->r, &search, false, issues);
    struct criteria *criteria = err ? NULL : criteria_new(b, type, issues, rest, &err);
    if (!criteria) {
        e->err = err;
        return err == ERR_NO_MEMORY ? err : ERR_NONE;
    }
    criteria->issues = &b->r->issues; /* searches are the bundle's */
    b->references[b->reference_count++] =
        (struct bundle_reference){ .text = text, .criteria = criteria };
    *place = b->reference_count;
    return ERR_NONE;
}

/* A reference by criteria has a '?'; the tape tells without walking resources. */
static bool is_candidate(const struct json_doc *doc, uint32_t at)
{
    const struct json_node *key = &doc->nodes[at];
    if (key->type != JSON_KEY || at + 1 >= doc->count || doc->nodes[at + 1].type != JSON_STRING)
        return false;
    struct slice name = slice_of(doc->text.bytes + key->offset, key->length);
    const struct json_node *value = &doc->nodes[at + 1];
    return slice_is(name, "reference") &&
           slice_find_byte(slice_of(doc->text.bytes + value->offset, value->length), '?') > 0;
}

static enum err entry_references(struct bundle *b, struct entry *e)
{
    uint32_t at = e->resource.at, end = b->doc.nodes[at].next;
    for (uint32_t i = at; i < end && !e->err; i++) {
        if (!is_candidate(&b->doc, i))
            continue;
        struct slice text = json_string((struct json){ &b->doc, i + 1 }, b->r->arena);
        if (!text.bytes)
            return ERR_NO_MEMORY;
        TRY(reference_add(b, text, e));
    }
    return ERR_NONE;
}

static enum err references_parse(struct bundle *b)
{
    size_t count = 0;
    for (uint32_t i = 0; i < b->doc.count; i++)
        count += is_candidate(&b->doc, i);
    if (!count)
        return ERR_NONE;
    b->references = arena_array(b->r->arena, count, sizeof *b->references);
    if (!b->references)
        return ERR_NO_MEMORY;
    for (size_t k = 0; k < b->count; k++)
        if (!b->entries[k].err && json_exists(b->entries[k].resource))
            TRY(entry_references(b, &b->entries[k]));
    return ERR_NONE;
}

enum err bundle_conditions_parse(struct bundle *b)
{
    for (size_t i = 0; i < b->count; i++) {
        struct entry *e = &b->entries[i];
        if (e->err || !e->is_inner)
            continue;
        e->is_inner = false;
        entry_criteria(b, e);
        if (e->err == ERR_NO_MEMORY)
            return e->err;
        b->condition_count++;
    }
    TRY(references_parse(b));
    b->condition_count += b->reference_count;
    return ERR_NONE;
}

/* ---- what matches in the store ---- */

enum { TARGET_BYTES_MAX = 256 };

struct gone {
    struct bundle *b;
    bool is_written_too; /* not only deletions: what is written is judged by its draft */
};

static bool is_gone(void *context, struct slice type, struct slice id)
{
    struct gone *g = context;
    char name[TARGET_BYTES_MAX];
    size_t length = type.length + 1 + id.length;
    if (length > sizeof name)
        return false;
    memcpy(name, type.bytes, type.length);
    name[type.length] = '/';
    memcpy(name + type.length + 1, id.bytes, id.length);
    const uint64_t *at = map_find(&g->b->targets, slice_of(name, length));
    if (!at)
        return false;
    const struct entry *e = &g->b->entries[*at];
    return e->verb == VERB_DELETE || (g->is_written_too && !e->patch);
}

static enum err search(struct bundle *b, struct criteria *c, struct store_reader *reader,
                       bool is_written_too)
{
    struct gone gone = { .b = b, .is_written_too = is_written_too };
    return criteria_search_at(c, reader, is_gone, &gone, b->targets.count, b->r->arena);
}

static enum err match_take(struct bundle *b, struct entry *e)
{
    char *id = arena_copy(b->r->arena, e->criteria->match.id);
    e->route.id = slice_of(id, e->criteria->match.id.length);
    return id ? ERR_NONE : ERR_NO_MEMORY;
}

/* ifNoneExist met one: the entry answers with it. */
static enum err create_settle(struct bundle *b, struct entry *e)
{
    const struct store_version *match = &e->criteria->match;
    e->route.id = e->new_id;
    if (e->criteria->count == 0)
        return ERR_NONE;
    TRY(match_take(b, e));
    e->write = arena_alloc(b->r->arena, sizeof *e->write);
    if (!e->write)
        return ERR_NO_MEMORY;
    *e->write = (struct store_write){
        .type = match->type, .id = e->route.id, .body = match->body, .splice = match->splice
    };
    e->result = (struct store_result){ .outcome = STORE_UNCHANGED,
                                       .version = match->version,
                                       .instant = match->instant };
    e->is_settled = true;
    return ERR_NONE;
}

static enum err update_settle(struct bundle *b, struct entry *e)
{
    if (e->criteria->count) {
        if (e->body_id.length && !slice_equal(e->body_id, e->criteria->match.id))
            return issues_fail(e->issues, ERR_INVALID, "conflict",
                               "The criteria match %.*s/%.*s, the body's id is \"%.*s\"",
                               SLICE_ARGS(e->criteria->match.type),
                               SLICE_ARGS(e->criteria->match.id), SLICE_ARGS(e->body_id));
        return match_take(b, e);
    }
    if (e->if_match)
        return issues_fail(e->issues, ERR_PRECONDITION, "exception",
                           "ifMatch, but nothing matches the criteria");
    e->route.id = e->body_id.length ? e->body_id : e->new_id;
    return e->body_id.length ? criteria_id_free(e->criteria, e->body_id) : ERR_NONE;
}

static enum err delete_settle(struct bundle *b, struct entry *e)
{
    if (e->criteria->count)
        return match_take(b, e);
    TRY(criteria_delete_none(e->criteria));
    e->route.id = criteria_value(e->criteria, "_id");
    e->result = (struct store_result){ .outcome = STORE_NOTHING };
    e->is_settled = true;
    return ERR_NONE;
}

static enum err entry_settle(struct bundle *b, struct entry *e, struct store_reader *reader)
{
    e->is_settled = e->is_open = false;
    e->same_as = NULL;
    e->write = NULL;
    TRY(search(b, e->criteria, reader, false));
    if (e->criteria->count > 1)
        return criteria_many(e->criteria);
    switch (e->verb) {
    case VERB_POST:
        return create_settle(b, e);
    case VERB_DELETE:
        return delete_settle(b, e);
    case VERB_PUT:
        if (!e->patch)
            return update_settle(b, e);
        return e->criteria->count ? match_take(b, e) : criteria_none(e->criteria);
    case VERB_GET:
    case VERB_NONE:
        break;
    }
    return ERR_INVALID;
}

/* Deletions are settled first: what follows does not see what they take away. */
static enum err entries_settle(struct bundle *b, struct store_reader *reader, bool are_deletions)
{
    for (size_t i = 0; i < b->count; i++) {
        struct entry *e = &b->entries[i];
        if (!e->criteria || e->err || (e->verb == VERB_DELETE) != are_deletions)
            continue;
        e->err = entry_settle(b, e, reader);
        if (e->err == ERR_NO_MEMORY)
            return e->err;
    }
    TRY(bundle_targets(b));
    return bundle_failure(b);
}

static enum err reference_target(struct bundle *b, struct bundle_reference *r, struct slice type,
                                 struct slice id)
{
    r->target = arena_printf(b->r->arena, "%.*s/%.*s", SLICE_ARGS(type), SLICE_ARGS(id));
    return r->target.bytes ? ERR_NONE : ERR_NO_MEMORY;
}

static enum err references_search(struct bundle *b, struct store_reader *reader)
{
    for (size_t i = 0; i < b->reference_count; i++) {
        struct bundle_reference *r = &b->references[i];
        TRY(search(b, r->criteria, reader, true));
        r->matches = r->criteria->count;
        r->is_decided = r->matches == 1;
        r->target = SLICE_NONE;
        if (r->matches)
            TRY(reference_target(b, r, r->criteria->match.type, r->criteria->match.id));
    }
    return ERR_NONE;
}

static enum err store_ask(struct bundle *b)
{
    struct store_reader *reader;
    for (size_t i = 0; i < b->count; i++)
        if (b->entries[i].criteria)
            b->entries[i].route.id = SLICE_NONE; /* of the try before */
    TRY(store_read_begin(b->r->rest->settings.store, 0, &reader));
    enum err err = entries_settle(b, reader, true);
    if (!err)
        err = entries_settle(b, reader, false);
    if (!err)
        err = references_search(b, reader);
    store_read_end(reader);
    return err;
}

/* ---- what matches in the bundle ---- */

/* Criteria by the term that every match must have. */
struct watchers {
    struct map heads; /* field and watched value to the first's place + 1 */
    struct watcher {
        struct entry *entry;
        struct bundle_reference *reference;
        size_t next; /* place + 1 */
    } *list;
    size_t count;
    uint64_t meetings;
    char key[4 + TERM_VALUE_BYTES_MAX];
};

static struct slice watch_key(struct watchers *w, const struct term *term)
{
    ptrdiff_t nul = slice_find_byte(term->value, '\0');
    size_t length = nul < 0 ? term->value.length : (size_t)nul + 1;
    memcpy(w->key, &term->field, 4);
    if (length)
        memcpy(w->key + 4, term->value.bytes, MIN(length, TERM_VALUE_BYTES_MAX));
    return slice_of(w->key, 4 + MIN(length, TERM_VALUE_BYTES_MAX));
}

static enum err watcher_add(struct bundle *b, struct watchers *w, const struct criteria *c,
                            struct watcher watcher)
{
    uint64_t *head;
    char *key = arena_copy(b->r->arena, watch_key(w, &c->watch));
    if (!key)
        return ERR_NO_MEMORY;
    TRY(map_put(&w->heads, slice_of(key, watch_key(w, &c->watch).length), &head, NULL));
    watcher.next = *head;
    w->list[w->count++] = watcher;
    *head = w->count;
    return ERR_NONE;
}

/* An entry's draft meets the criteria of another entry. */
static void entry_meet(struct bundle *b, struct entry *asks, struct entry *writes)
{
    if (asks == writes || asks->is_settled || asks->err)
        return;
    if (asks->verb == VERB_POST && writes->verb == VERB_POST && writes < asks) {
        if (!asks->same_as && !writes->same_as)
            asks->same_as = writes;
        else if (asks->same_as != writes && !writes->same_as)
            asks->err = criteria_many(asks->criteria);
    } else if (asks->verb == VERB_PUT && (writes->verb == VERB_POST ||
                                          (writes->verb == VERB_PUT && writes < asks))) {
        entry_fail(b, asks, ERR_PRECONDITION, "multiple-matches",
                   "Bundle.entry[%zu] of the same transaction meets these criteria too",
                   (size_t)(writes - b->entries));
    }
}

static enum err meet(struct bundle *b, const struct watcher *watcher, struct entry *writes)
{
    struct bundle_reference *r = watcher->reference;
    if (watcher->entry) {
        if (criteria_meets(watcher->entry->criteria, writes->write))
            entry_meet(b, watcher->entry, writes);
        return ERR_NONE;
    }
    if (!criteria_meets(r->criteria, writes->write) || slice_equal(r->target, writes->target))
        return ERR_NONE;
    r->matches++;
    r->target = writes->target;
    r->is_decided = false;
    return ERR_NONE;
}

static enum err draft_meets(struct bundle *b, struct watchers *w, struct entry *writes)
{
    const struct store_write *write = writes->write;
    for (size_t i = 0; i < write->term_count; i++) {
        const uint64_t *head = map_find(&w->heads, watch_key(w, &write->terms[i]));
        for (size_t at = head ? *head : 0; at; at = w->list[at - 1].next) {
            if (++w->meetings > MEETINGS_MAX)
                return issues_fail(&b->r->issues, ERR_UNPROCESSABLE, "too-costly",
                                   "Too many criteria of this transaction name no identifier or "
                                   "other exact value; send it in parts");
            TRY(meet(b, &w->list[at - 1], writes));
        }
    }
    return ERR_NONE;
}

static enum err watchers_fill(struct bundle *b, struct watchers *w)
{
    w->list = arena_array(b->r->arena, b->condition_count, sizeof *w->list);
    if (!w->list)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < b->count; i++)
        if (b->entries[i].criteria && b->entries[i].verb != VERB_DELETE)
            TRY(watcher_add(b, w, b->entries[i].criteria,
                            (struct watcher){ .entry = &b->entries[i] }));
    for (size_t i = 0; i < b->reference_count; i++)
        TRY(watcher_add(b, w, b->references[i].criteria,
                        (struct watcher){ .reference = &b->references[i] }));
    return ERR_NONE;
}

static bool is_writing(const struct entry *e)
{
    return e->write && e->is_open && !e->is_settled && e->verb != VERB_DELETE;
}

/* Creates in their order, so that of three equal ones the first is all three. */
static enum err drafts_meet(struct bundle *b)
{
    struct watchers w = { .count = 0 };
    map_init(&w.heads, UINT32_MAX, os_random_u64());
    enum err err = watchers_fill(b, &w);
    for (int verb = VERB_POST; !err && verb <= VERB_PUT; verb++)
        for (size_t i = 0; !err && i < b->count; i++)
            if ((int)b->entries[i].verb == verb && is_writing(&b->entries[i]))
                err = draft_meets(b, &w, &b->entries[i]);
    map_release(&w.heads);
    return err;
}

/* ---- one try ---- */

static bool joins_settle(struct bundle *b)
{
    bool is_any = false;
    for (size_t i = 0; i < b->count; i++) {
        struct entry *e = &b->entries[i];
        if (!e->same_as)
            continue;
        e->is_settled = is_any = true;
        e->is_open = false;
        e->route.id = e->same_as->route.id;
        e->target = e->same_as->target;
        e->write = e->same_as->write;
    }
    return is_any;
}

/* What a joined create answers with is known when the first one is written. */
static void joins_answer(struct bundle *b)
{
    for (size_t i = 0; i < b->count; i++) {
        struct entry *e = &b->entries[i];
        if (!e->same_as)
            continue;
        e->write = e->same_as->write;
        e->result = e->same_as->result;
        e->result.outcome = STORE_UNCHANGED;
    }
}

static enum err draft_all(struct bundle *b)
{
    TRY(bundle_draft(b));
    return bundle_failure(b);
}

/* The first draft stands unless a create joined another, or a reference came to
 * something else than the store alone knew. */
static bool is_draft_outdated(struct bundle *b)
{
    bool is_outdated = joins_settle(b);
    for (size_t i = 0; i < b->reference_count; i++)
        is_outdated = is_outdated || !b->references[i].is_decided;
    return is_outdated;
}

static enum err try_once(struct bundle *b, bool *ret_again)
{
    TRY(store_ask(b));
    b->is_final = false;
    TRY(draft_all(b));
    TRY(drafts_meet(b));
    TRY(bundle_failure(b));
    b->is_final = true;
    if (is_draft_outdated(b))
        TRY(draft_all(b));
    TRY(bundle_round_try(b, 0, ret_again));
    TRY(bundle_failure(b));
    if (!*ret_again)
        joins_answer(b);
    return ERR_NONE;
}

static enum err tries_run(struct bundle *b, struct store_condition *condition)
{
    for (int i = 0; i < CRITERIA_TRIES; i++) {
        bool again = false;
        TRY(try_once(b, &again));
        if (!again)
            return ERR_NONE;
        TRY(store_condition_again(condition));
    }
    return issues_fail(&b->r->issues, ERR_CONFLICT, "conflict",
                       "Other writes met the criteria of this transaction %d times meanwhile; "
                       "try again",
                       CRITERIA_TRIES);
}

static enum err ids_make(struct bundle *b)
{
    for (size_t i = 0; i < b->count; i++) {
        struct entry *e = &b->entries[i];
        if (e->criteria && !e->err)
            TRY(write_id_new(b->r->arena, &e->new_id));
    }
    return ERR_NONE;
}

enum err bundle_run_conditions(struct bundle *b)
{
    struct store_condition condition;
    size_t count = 0;
    struct term *watches = arena_array(b->r->arena, b->condition_count, sizeof *watches);
    if (!watches)
        return ERR_NO_MEMORY;
    TRY(ids_make(b));
    for (size_t i = 0; i < b->count; i++)
        if (b->entries[i].criteria)
            watches[count++] = b->entries[i].criteria->watch;
    for (size_t i = 0; i < b->reference_count; i++)
        watches[count++] = b->references[i].criteria->watch;
    TRY(store_condition_begin(b->r->rest->settings.store, watches, count, &condition));
    b->condition = &condition;
    enum err err = tries_run(b, &condition);
    b->condition = NULL;
    store_condition_end(&condition);
    return err;
}
