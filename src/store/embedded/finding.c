/* What a check can find, in words, and of which document. */
#include "store/embedded/check.h"

struct wording {
    const char *what, *remedy;
    bool is_mended;
};

static const struct wording WORDINGS[] = {
#define WORDING(name, repair, what, remedy) { what, remedy, repair },
    STORE_FINDINGS(WORDING)
#undef WORDING
};

const char *store_finding_text(uint8_t kind)
{
    return kind < STORE_FINDING_KINDS ? WORDINGS[kind].what : "something is wrong";
}

const char *store_finding_remedy(uint8_t kind)
{
    return kind < STORE_FINDING_KINDS ? WORDINGS[kind].remedy : "restore the store from a backup";
}

bool store_finding_is_mended(uint8_t kind)
{
    return kind < STORE_FINDING_KINDS && WORDINGS[kind].is_mended;
}

const char *store_check_phase_name(uint8_t phase)
{
    static const char *const NAMES[] = { "segments", "documents", "resources", "repairs" };
    _Static_assert(ARRAY_COUNT(NAMES) == STORE_CHECK_PHASES, "each phase has a name");
    return phase < STORE_CHECK_PHASES ? NAMES[phase] : "";
}

static enum err copy(struct slice from, struct arena *arena, struct slice *ret)
{
    if (!from.length)
        return ERR_NONE;
    *ret = slice_of(arena_copy(arena, from), from.length);
    return ret->bytes ? ERR_NONE : ERR_NO_MEMORY;
}

/* No copy of an id is kept with a finding: an erasure would have to find it. */
enum err check_name(struct store *store, struct store_finding *f, struct arena *arena)
{
    struct place_row place;
    struct body_row row;
    rocksdb_pinnableslice_t *pin = NULL;
    bool found = false;
    if (!f->doc || f->kind == STORE_FINDING_SEGMENT)
        return ERR_NONE;
    enum err err = store_place_find(store, f->doc, &found, &place);
    if (err || !found)
        return err == ERR_CORRUPT ? ERR_NONE : err;
    f->version = place.version;
    TRY(copy(types_name(store->types, place.type), arena, &f->type));
    err = store_body_row(store, place.home, place.type, f->doc, &pin, &row);
    if (!err)
        err = copy(row.id, arena, &f->id);
    rocksdb_pinnableslice_destroy(pin);
    return err == ERR_CORRUPT ? ERR_NONE : err;
}
