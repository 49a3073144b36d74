/* What an asynchronous transaction leaves in its commit, and the answer made from
 * it by whoever comes after a crash. A line an entry: "w" what is written, "=" what
 * was there (ifNoneExist), "-" neither; behind w and = the target "Type/id". */
#include "rest/bundle.h"

enum err bundle_mark_make(struct bundle *b, struct slice *ret_text)
{
    struct buf text;
    buf_init(&text, UINT32_MAX);
    for (size_t i = 0; i < b->count; i++) {
        const struct entry *e = &b->entries[i];
        bool is_there = e->is_settled && e->verb != VERB_DELETE;
        bool is_written = !e->is_settled && e->verb < VERB_GET;
        buf_append_byte(&text, is_there ? '=' : is_written ? 'w' : '-');
        if (is_there || is_written)
            buf_append(&text, e->target);
        buf_append_byte(&text, '\n');
    }
    enum err err = buf_status(&text);
    char *copy = err ? NULL : arena_copy(b->r->arena, buf_slice(&text));
    *ret_text = slice_of(copy, copy ? text.length : 0);
    buf_release(&text);
    return err || copy ? err : ERR_NO_MEMORY;
}

/* The head of that time says what the write came to: made by the commit or not. */
static enum err outcome_find(struct entry *e, struct store_reader *reader,
                             const struct store_version *head, int64_t commit,
                             struct arena *arena)
{
    struct store_version *older;
    size_t count = 0;
    e->result = (struct store_result){ .outcome = STORE_UPDATED,
                                       .version = head->version,
                                       .instant = head->instant };
    if (head->instant != commit) {
        e->result.outcome = e->verb == VERB_DELETE ? STORE_NOTHING : STORE_UNCHANGED;
        return ERR_NONE;
    }
    if (e->verb == VERB_DELETE) {
        e->result.outcome = STORE_DELETED;
        return ERR_NONE;
    }
    TRY(store_history(reader, head->type, head->id, head->doc, INT64_MIN, 1, arena, &older,
                      &count));
    if (head->is_first || (count && older->is_deleted))
        e->result.outcome = STORE_CREATED;
    return ERR_NONE;
}

static enum err entry_resume(struct bundle *b, struct entry *e, struct slice line,
                             struct store_reader *reader, int64_t commit)
{
    bool is_found = false;
    struct store_version head;
    if (slice_starts_with(line, SLICE("-"))) {
        e->result.outcome = STORE_NOTHING;
        return ERR_NONE;
    }
    e->target = slice_from(line, 1);
    struct slice id = e->target;
    slice_cut(&id, '/');
    e->route.id = id;
    TRY(store_head(reader, e->route.type->name, id, b->r->arena, &is_found, &head));
    if (!is_found) { /* a deletion of what never was */
        e->result.outcome = STORE_NOTHING;
        return ERR_NONE;
    }
    e->write = arena_alloc(b->r->arena, sizeof *e->write);
    if (!e->write)
        return ERR_NO_MEMORY;
    e->write->body = head.body;
    e->write->splice = head.splice;
    return outcome_find(e, reader, &head, commit, b->r->arena);
}

static enum err entries_resume(struct bundle *b, struct store_reader *reader)
{
    struct store_version last;
    struct slice rest = b->r->resume_text;
    TRY(store_doc(reader, b->time - 1, b->r->arena, &last));
    for (size_t i = 0; i < b->count; i++) {
        if (!rest.length)
            return ERR_CORRUPT;
        struct slice line = slice_cut(&rest, '\n');
        if (b->entries[i].verb < VERB_GET)
            TRY(entry_resume(b, &b->entries[i], line, reader, last.instant));
    }
    return ERR_NONE;
}

enum err bundle_resume(struct bundle *b)
{
    struct store_reader *reader;
    b->time = b->r->resume_time;
    TRY(store_read_begin(b->r->rest->settings.store, b->time, &reader));
    enum err err = entries_resume(b, reader);
    store_read_end(reader);
    return err;
}
