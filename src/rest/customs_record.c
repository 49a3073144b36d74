/* rest/customs_record.c - which definitions counted, over restarts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "rest/customs_parts.h"

static const struct slice RECORD = SLICE_INIT("search-parameters");
enum { RECORD_VERSION = 1, RECORD_HEAD_BYTES = 3, RECORD_ROW_BYTES = 11 };

static void record_write(const struct custom_entries *entries, uint16_t next_number,
                         struct buf *out)
{
    uint8_t head[RECORD_HEAD_BYTES] = { RECORD_VERSION };
    put_be16(head + 1, next_number);
    buf_append(out, slice_of((char *)head, sizeof head));
    for (size_t i = 0; i < entries->count; i++) {
        const struct custom_entry *e = &entries->list[i];
        uint8_t row[RECORD_ROW_BYTES];
        struct slice id = slice_cstr(e->id);
        if (!e->is_used)
            continue;
        put_be16(row, e->number);
        put_be64(row + 2, e->doc);
        row[10] = (uint8_t)id.length;
        buf_append(out, slice_of((char *)row, sizeof row));
        buf_append(out, id);
    }
}

enum err customs_record_keep(struct customs *c, const struct custom_entries *entries,
                             uint16_t next_number)
{
    struct buf next;
    buf_init(&next, (size_t)4 << 20);
    record_write(entries, next_number, &next);
    if (!c->record.length && next.length == RECORD_HEAD_BYTES) { /* never any */
        buf_release(&next);
        return ERR_NONE;
    }
    enum err err = buf_status(&next);
    if (!err && !slice_equal(buf_slice(&next), buf_slice(&c->record)))
        err = store_meta_set(c->store, RECORD, buf_slice(&c->record), buf_slice(&next));
    if (!err) {
        buf_release(&c->record);
        c->record = next;
        return ERR_NONE;
    }
    buf_release(&next);
    return err;
}

static enum err record_row(struct slice *rest, struct custom_entry *e)
{
    const uint8_t *row = (const uint8_t *)rest->bytes;
    if (rest->length < RECORD_ROW_BYTES || row[10] > ENTRY_ID_BYTES ||
        rest->length < (size_t)RECORD_ROW_BYTES + row[10])
        return ERR_CORRUPT;
    e->number = get_be16(row);
    e->doc = get_be64(row + 2);
    memcpy(e->id, row + RECORD_ROW_BYTES, row[10]);
    *rest = slice_from(*rest, (size_t)RECORD_ROW_BYTES + row[10]);
    return ERR_NONE;
}

enum err customs_entry_load(struct store_reader *reader, struct custom_entry *e,
                            struct arena *arena)
{
    struct store_version v;
    struct arena_mark mark = arena_mark(arena);
    enum err err = store_doc(reader, e->doc, arena, &v);
    if (!err && !v.id.length)
        err = ERR_CORRUPT;
    if (!err) {
        memset(e->id, 0, sizeof e->id);
        memcpy(e->id, v.id.bytes, MIN(v.id.length, (size_t)ENTRY_ID_BYTES));
        err = custom_entry_read(e, v.body);
    }
    arena_rewind(arena, mark);
    /* One that is gone or damaged does not take the others with it. */
    bool is_lost = err == ERR_NOT_FOUND || err == ERR_CORRUPT;
    if (is_lost)
        snprintf(e->why, sizeof e->why, "it cannot be read");
    return is_lost ? ERR_NONE : err;
}

/* The definitions of the last run; what is stored now is read at the first request. */
enum err customs_record_load(struct customs *c, struct custom_entries *entries,
                             struct arena *arena)
{
    struct store_reader *reader;
    bool is_found;
    struct slice rest;
    TRY(store_meta_get(c->store, RECORD, arena, &is_found, &rest));
    if (!is_found)
        return ERR_NONE;
    buf_append(&c->record, rest);
    TRY(buf_status(&c->record));
    /* Without it the numbers begin anew, and what they mean is derived again. */
    if (rest.length < RECORD_HEAD_BYTES || rest.bytes[0] != RECORD_VERSION)
        return ERR_NONE;
    c->next_number = get_be16((const uint8_t *)rest.bytes + 1);
    rest = slice_from(rest, RECORD_HEAD_BYTES);
    entries->list = calloc(ENTRIES_MAX, sizeof *entries->list);
    if (!entries->list)
        return ERR_NO_MEMORY;
    TRY(store_read_begin(c->store, 0, &reader));
    enum err err = ERR_NONE;
    while (!err && rest.length && entries->count < ENTRIES_MAX) {
        struct custom_entry *e = &entries->list[entries->count];
        err = record_row(&rest, e);
        if (!err)
            err = customs_entry_load(reader, e, arena);
        entries->count += err == ERR_NONE;
    }
    store_read_end(reader);
    return err == ERR_CORRUPT ? ERR_NONE : err;
}
