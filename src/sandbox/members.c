#include "sandbox/members.h"

#include "base/check.h"
#include "base/codec.h"
#include "os/thread.h"
#include "sandbox/generate_parts.h"

static const size_t RESOURCE_BYTES_MAX = (size_t)16 << 20;
enum { CONSENTS_MAX = 1000000 };

/* A recorded consent's token, from its id: opaque, and always the same. */
static struct slice token_of(struct slice id, struct arena *arena)
{
    char *name = arena_copy(arena, id);
    struct generate_consent c = { .key = draw(0, name ? name : "", 0) };
    char token[GENERATE_TOKEN_BYTES];
    generate_token(&c, token);
    char *copy = arena_copy(arena, slice_of(token, GENERATE_TOKEN_BYTES - 1));
    return slice_cstr(copy);
}

static enum err open_recorded(struct members *m, const char *folder, struct slice *error)
{
    struct recorded_consent *first, *r;
    TRY(recorded_find(folder, &m->arena, &first, error));
    for (r = first; r; r = r->next)
        m->count++;
    m->consents = arena_array(&m->arena, m->count, sizeof *m->consents);
    if (!m->consents)
        return ERR_NO_MEMORY;
    struct consent *c = m->consents;
    for (r = first; r; r = r->next, c++) {
        *c = (struct consent){ .user = r->user, .id = r->consent, .patient = r->patient };
        c->folder = r->folder;
        c->deliveries = MIN(r->deliveries, (uint32_t)DELIVERIES_KEPT);
        c->delivery = 1;
        c->token = token_of(c->id, &m->arena);
        c->loaded = arena_array(&m->arena, DELIVERIES_KEPT, sizeof *c->loaded);
        if (!c->token.length || !c->loaded)
            return ERR_NO_MEMORY;
        for (uint32_t d = 0; d < DELIVERIES_KEPT; d++)
            recorded_init(&c->loaded[d]);
    }
    return ERR_NONE;
}

static enum err open_generated(struct members *m, const struct sandbox_settings *settings,
                               struct slice *error)
{
    uint64_t count = (uint64_t)settings->members * settings->consents;
    if (count == 0 || count > CONSENTS_MAX || settings->years == 0 || settings->years > 100) {
        *error = SLICE("members, consents and years must be at least 1, years at most 100, "
                       "members times consents at most 1,000,000");
        return ERR_INVALID;
    }
    struct generate_settings wish = { settings->seed, settings->years, settings->size_bytes,
                                     settings->is_plain };
    m->consents = arena_array(&m->arena, count, sizeof *m->consents);
    if (!m->consents)
        return ERR_NO_MEMORY;
    m->count = (uint32_t)count;
    for (uint32_t i = 0; i < m->count; i++) {
        struct consent *c = &m->consents[i];
        uint32_t member = i / settings->consents;
        c->generated = generate_consent(&wish, member, i % settings->consents);
        c->is_generated = true;
        char token[GENERATE_TOKEN_BYTES];
        generate_token(&c->generated, token);
        c->user = arena_printf(&m->arena, "member-%u", member + 1);
        c->token = slice_cstr(arena_copy(&m->arena, slice_cstr(token)));
        c->id = slice_cstr(c->generated.consent.text);
        c->patient = slice_cstr(c->generated.patients[0].text);
        c->deliveries = GENERATE_DELIVERIES_MAX;
        c->delivery = 1;
        if (!c->user.bytes || !c->token.bytes)
            return ERR_NO_MEMORY;
    }
    return ERR_NONE;
}

/* ERR_INVALID when two consents have the same id. */
static enum err name_all(struct members *m, struct slice *error)
{
    for (uint32_t i = 0; i < m->count; i++) {
        struct slice names[] = { m->consents[i].id, m->consents[i].token };
        for (size_t k = 0; k < ARRAY_COUNT(names); k++) {
            uint64_t *place;
            bool is_new;
            TRY(map_put(&m->by_name, names[k], &place, &is_new));
            *place = i;
            if (!is_new) {
                *error = arena_printf(&m->arena, "consent %.*s is there twice",
                                      SLICE_ARGS(m->consents[i].id));
                return ERR_INVALID;
            }
        }
    }
    return ERR_NONE;
}

enum err members_open(struct members *m, const struct sandbox_settings *settings,
                      struct arena *arena, struct slice *error)
{
    *m = (struct members){ 0 };
    arena_init(&m->arena, (size_t)4 << 30);
    mutex_init(&m->lock);
    map_init(&m->by_name, (size_t)2 * CONSENTS_MAX, 0);
    struct slice why = SLICE("out of memory");
    enum err err = settings->replay ? open_recorded(m, settings->replay, &why)
                                    : open_generated(m, settings, &why);
    if (!err)
        err = name_all(m, &why);
    if (err) {
        *error = arena_printf(arena, "%.*s", SLICE_ARGS(why));
        members_close(m);
        return err;
    }
    for (uint32_t i = 0; i < m->count; i++)
        m->consents[i].faults.values[FAULT_TRANSIENT] = settings->syncing;
    return ERR_NONE;
}

void members_close(struct members *m)
{
    for (uint32_t i = 0; m->consents && i < m->count; i++)
        for (uint32_t d = 0; m->consents[i].loaded && d < DELIVERIES_KEPT; d++)
            recorded_release(&m->consents[i].loaded[d]);
    mutex_destroy(&m->lock);
    map_release(&m->by_name);
    arena_release(&m->arena);
    m->consents = NULL;
    m->count = 0;
}

struct consent *members_by_token(struct members *m, struct slice token)
{
    uint64_t *place = map_find(&m->by_name, token);
    struct consent *c = place ? &m->consents[*place] : NULL;
    return c && slice_equal(c->token, token) ? c : NULL;
}

struct consent *members_find(struct members *m, struct slice name)
{
    uint64_t number;
    if (slice_parse_u64(name, &number))
        return number >= 1 && number <= m->count ? &m->consents[number - 1] : NULL;
    uint64_t *place = map_find(&m->by_name, name);
    return place ? &m->consents[*place] : NULL;
}

bool members_advance(struct members *m, struct consent *c)
{
    mutex_lock(&m->lock);
    bool moved = c->delivery < c->deliveries;
    c->delivery += moved;
    mutex_unlock(&m->lock);
    return moved;
}

struct faults members_enter(struct members *m, struct consent *c, uint32_t *ret_delivery,
                            enum fault_kind *ret_struck)
{
    /* What Flexpa would say first. */
    static const enum fault_kind order[] = { FAULT_REVOKED, FAULT_ERROR, FAULT_THROTTLED,
                                             FAULT_TRANSIENT, FAULT_UNPROCESSABLE };
    *ret_struck = FAULT_KINDS;
    mutex_lock(&m->lock);
    struct faults faults = c->faults;
    *ret_delivery = c->delivery;
    for (size_t i = 0; i < ARRAY_COUNT(order); i++) {
        if (faults.values[order[i]] == 0)
            continue;
        *ret_struck = order[i];
        if (faults.values[order[i]] != UINT64_MAX)
            c->faults.values[order[i]]--;
        break;
    }
    if (faults.truncations == 0)
        faults.values[FAULT_TRUNCATED] = 0;
    else if (*ret_struck == FAULT_KINDS && faults.truncations != UINT64_MAX)
        c->faults.truncations--;
    mutex_unlock(&m->lock);
    return faults;
}

/* ---- the resources of a delivery ---- */

/* The first to need a file reads it, under the lock; it then stays in memory. */
static enum err load(struct members *m, struct consent *c, uint32_t delivery,
                     const struct recorded **ret_recorded)
{
    struct arena scratch;
    arena_init(&scratch, 1 << 16);
    enum err err = ERR_NONE;
    mutex_lock(&m->lock);
    struct recorded *place = &c->loaded[delivery - 1];
    if (!place->is_loaded) {
        const char *path = recorded_path(c->folder, delivery, &scratch);
        err = path ? recorded_load(place, path) : ERR_NOT_FOUND;
    }
    *ret_recorded = place;
    mutex_unlock(&m->lock);
    arena_release(&scratch);
    return err;
}

enum err records_begin(struct records *r, struct members *m, struct consent *c, uint32_t delivery)
{
    CHECK(delivery >= 1 && delivery <= c->deliveries);
    *r = (struct records){ .consent = c };
    buf_init(&r->buffer, RESOURCE_BYTES_MAX);
    if (!c->is_generated)
        return load(m, c, delivery, &r->recorded);
    generate_begin(&r->cursor, &c->generated, delivery);
    return ERR_NONE;
}

void records_end(struct records *r)
{
    buf_release(&r->buffer);
}

bool records_next(struct records *r, struct record *ret_record)
{
    if (r->recorded) {
        if (r->at == r->recorded->count)
            return false;
        *ret_record = r->recorded->records[r->at++];
        return true;
    }
    buf_clear(&r->buffer);
    if (!generate_next(&r->cursor, &r->buffer) || buf_status(&r->buffer))
        return false;
    *ret_record = (struct record){ .type = slice_cstr(r->cursor.type),
                                   .id = slice_cstr(r->cursor.id.text),
                                   .text = buf_slice(&r->buffer),
                                   .is_included = r->cursor.is_included };
    return true;
}
