#include "store/embedded/fields.h"

#include <stdlib.h>
#include <string.h>

static struct fields *table_new(uint32_t room)
{
    size_t each = sizeof(struct field_row) + sizeof(struct field_place) + sizeof(uint32_t);
    struct fields *f = malloc(sizeof *f + room * each); /* outlives whoever made it, counted */
    if (!f)
        return NULL;
    *f = (struct fields){ .references = 1, .next_place = FIELD_PLACES_FIRST };
    f->rows = (struct field_row *)(void *)(f + 1);
    f->moved = (struct field_place *)(void *)(f->rows + room);
    f->places = (uint32_t *)(void *)(f->moved + room);
    return f;
}

static int place_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* What is looked up by, from the rows. */
static void table_finish(struct fields *f)
{
    f->moved_count = f->place_count = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        const struct field_row *row = &f->rows[i];
        if (row->place == row->field)
            continue;
        f->moved[f->moved_count++] = (struct field_place){ row->field, row->place };
        if (row->place != FIELD_NOWHERE)
            f->places[f->place_count++] = row->place;
    }
    if (f->place_count > 1)
        qsort(f->places, f->place_count, sizeof *f->places, place_compare);
}

struct fields *fields_new(const struct manifest *m)
{
    struct fields *f = table_new(m ? m->rule_count : 0);
    if (!f || !m)
        return f;
    uint32_t moved = 0;
    f->next_place = MAX(m->next_place, FIELD_PLACES_FIRST);
    for (uint32_t i = 0; i < m->rule_count; i++) {
        struct field_row *row = &f->rows[f->count++];
        *row = (struct field_row){ .field = m->rules[i].field,
                                   .place = m->rules[i].place,
                                   .hash = m->rules[i].hash };
        while (moved < m->moved_count && m->moved[moved].field < row->field)
            moved++;
        if (moved < m->moved_count && m->moved[moved].field == row->field) {
            row->until = m->moved[moved].until;
            row->done = m->moved[moved].done;
        }
    }
    table_finish(f);
    return f;
}

struct fields *fields_ref(struct fields *f)
{
    atomic_fetch_add_explicit(&f->references, 1, memory_order_relaxed);
    return f;
}

void fields_unref(struct fields *f)
{
    if (f && atomic_fetch_sub_explicit(&f->references, 1, memory_order_acq_rel) == 1)
        free(f);
}

/* ---- changes ---- */

static struct fields *copy(const struct fields *from, size_t more)
{
    struct fields *f = table_new(from->count + (uint32_t)more);
    if (!f)
        return NULL;
    f->number = from->number;
    f->mapping = from->mapping;
    f->next_place = from->next_place;
    return f;
}

static enum err move(struct fields *f, struct field_row *row, uint64_t last)
{
    row->until = row->done = 0;
    if (!last) { /* no document has an old posting */
        row->place = row->field;
        return ERR_NONE;
    }
    if (f->next_place >= FIELD_PLACES_END)
        return ERR_LIMIT;
    row->place = f->next_place++;
    row->until = last;
    return ERR_NONE;
}

static int rule_compare(const void *a, const void *b)
{
    const struct store_rule *x = a, *y = b;
    return (x->field > y->field) - (x->field < y->field);
}

/* One field of both lists, or of one of them. */
static enum err change_one(struct fields *made, const struct field_row *old,
                           const struct store_rule *rule, uint64_t last, bool *changed)
{
    struct field_row *row = &made->rows[made->count++];
    bool was_there = old && old->place != FIELD_NOWHERE;
    if (!rule) {
        *row = *old;
        row->place = FIELD_NOWHERE;
        row->hash = row->until = row->done = 0;
        *changed = *changed || was_there;
        return ERR_NONE;
    }
    if (was_there && old->hash == rule->hash) {
        *row = *old;
        return ERR_NONE;
    }
    *changed = true;
    *row = (struct field_row){ .field = rule->field, .hash = rule->hash };
    return move(made, row, last);
}

static enum err change_all(struct fields *made, const struct fields *f,
                           const struct store_rule *rules, size_t count, uint64_t last,
                           bool *changed)
{
    uint32_t i = 0;
    size_t k = 0;
    while (i < f->count || k < count) {
        const struct field_row *old = i < f->count ? &f->rows[i] : NULL;
        const struct store_rule *rule = k < count ? &rules[k] : NULL;
        if (old && rule && old->field != rule->field) {
            if (old->field < rule->field)
                rule = NULL;
            else
                old = NULL;
        }
        TRY(change_one(made, old, rule, last, changed));
        i += old != NULL;
        k += rule != NULL;
        while (rule && k < count && rules[k].field == rule->field)
            k++; /* said twice: the first counts */
    }
    return ERR_NONE;
}

enum err fields_change(const struct fields *f, const struct store_rule *rules, size_t count,
                       uint64_t number, uint64_t last, struct fields **ret, bool *ret_changed)
{
    if (count > MANIFEST_RULES_MAX - f->count)
        return ERR_LIMIT;
    struct fields *made = copy(f, count);
    struct store_rule *sorted = malloc((count + 1) * sizeof *sorted);
    enum err err = made && sorted ? ERR_NONE : ERR_NO_MEMORY;
    *ret_changed = false;
    if (!err) {
        if (count)
            memcpy(sorted, rules, count * sizeof *sorted);
        qsort(sorted, count, sizeof *sorted, rule_compare);
        err = change_all(made, f, sorted, count, last, ret_changed);
    }
    free(sorted);
    if (err) {
        fields_unref(made);
        return err;
    }
    made->mapping += *ret_changed || number != f->number;
    made->number = number;
    table_finish(made);
    *ret = made;
    return ERR_NONE;
}

enum err fields_renew(const struct fields *f, const uint32_t *fields, size_t count,
                      uint64_t last, struct fields **ret)
{
    struct fields *made = copy(f, 0);
    enum err err = made ? ERR_NONE : ERR_NO_MEMORY;
    for (uint32_t i = 0; !err && i < f->count; i++) {
        struct field_row *row = &made->rows[made->count++];
        bool is_wanted = false;
        *row = f->rows[i];
        for (size_t k = 0; !is_wanted && k < count; k++)
            is_wanted = fields[k] == row->field;
        if (is_wanted && row->place != FIELD_NOWHERE)
            err = move(made, row, last);
    }
    if (err) {
        fields_unref(made);
        return err;
    }
    made->mapping++;
    table_finish(made);
    *ret = made;
    return ERR_NONE;
}

enum err fields_advance(const struct fields *f, uint64_t until, uint64_t done, uint64_t to,
                        struct fields **ret)
{
    struct fields *made = copy(f, 0);
    if (!made)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < f->count; i++) {
        struct field_row *row = &made->rows[made->count++];
        *row = f->rows[i];
        if (row->until == until && row->done == done)
            row->done = MIN(to, until);
    }
    table_finish(made);
    *ret = made;
    return ERR_NONE;
}

enum err fields_reset(const struct fields *f, struct fields **ret)
{
    struct fields *made = copy(f, 0);
    if (!made)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < f->count; i++) {
        struct field_row *row = &made->rows[made->count++];
        *row = f->rows[i];
        row->done = 0;
    }
    table_finish(made);
    *ret = made;
    return ERR_NONE;
}

enum err fields_cut(const struct fields *f, uint64_t covers, struct fields **ret)
{
    struct fields *made = copy(f, 0);
    if (!made)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < f->count; i++) {
        struct field_row *row = &made->rows[made->count++];
        *row = f->rows[i];
        row->until = MIN(row->until, covers);
        row->done = MIN(row->done, row->until);
    }
    table_finish(made);
    *ret = made;
    return ERR_NONE;
}

/* ---- asking ---- */

const struct field_row *fields_find(const struct fields *f, uint32_t field)
{
    uint32_t low = 0, high = f->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (f->rows[middle].field < field)
            low = middle + 1;
        else
            high = middle;
    }
    return low < f->count && f->rows[low].field == field ? &f->rows[low] : NULL;
}

uint32_t fields_name(const void *fields, uint32_t field, uint32_t place)
{
    (void)place;
    return fields_place(fields, field);
}

bool fields_has_place(const struct fields *f, uint32_t place)
{
    if (place < FIELD_PLACES_FIRST || place >= FIELD_PLACES_END)
        return fields_place(f, place) == place; /* the field's own: has it moved away? */
    return f->place_count &&
           bsearch(&place, f->places, f->place_count, sizeof *f->places, place_compare);
}

enum err fields_ask(const struct fields *f, uint32_t field, uint32_t *ret_place)
{
    *ret_place = fields_place(f, field);
    if (*ret_place == field || *ret_place == FIELD_NOWHERE)
        return ERR_NONE;
    const struct field_row *row = fields_find(f, field);
    return row->done < row->until ? ERR_NOT_READY : ERR_NONE;
}

const struct field_row *fields_unready(const struct fields *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (f->rows[i].done < f->rows[i].until)
            return &f->rows[i];
    return NULL;
}
