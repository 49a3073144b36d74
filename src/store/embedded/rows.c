#include "store/embedded/rows.h"

#include "store/store.h"

#include "base/check.h"

void entity_row_encode(const struct entity_row *row, struct entity_row_bytes *out)
{
    put_be64(out->entity, row->entity);
    put_be64(out->head, row->head);
    put_be64(out->version, row->version);
    put_instant(out->instant, row->instant);
    put_be64(out->home, row->home);
    memcpy(out->hash, row->hash, HASH_BYTES);
    out->flags[0] = row->is_deleted ? ROW_DELETED : 0;
}

enum err entity_row_decode(struct slice bytes, struct entity_row *ret)
{
    if (bytes.length != sizeof(struct entity_row_bytes))
        return ERR_CORRUPT;
    const struct entity_row_bytes *at = (const struct entity_row_bytes *)bytes.bytes;
    ret->entity = get_be64(at->entity);
    ret->head = get_be64(at->head);
    ret->version = get_be64(at->version);
    ret->instant = get_instant(at->instant);
    ret->home = get_be64(at->home);
    memcpy(ret->hash, at->hash, HASH_BYTES);
    ret->is_deleted = at->flags[0] & ROW_DELETED;
    return ret->entity ? ERR_NONE : ERR_CORRUPT;
}

void version_row_encode(const struct version_row *row, struct version_row_bytes *out)
{
    put_be64(out->version, row->version);
    put_instant(out->instant, row->instant);
    put_be64(out->previous, row->previous);
    put_be64(out->home, row->home);
    put_be16(out->type, row->type);
    out->flags[0] = row->is_deleted ? ROW_DELETED : 0;
}

enum err version_row_decode(struct slice key, struct slice bytes, struct version_row *ret)
{
    if (key.length != sizeof(struct version_key_bytes) ||
        bytes.length != sizeof(struct version_row_bytes))
        return ERR_CORRUPT;
    const struct version_key_bytes *k = (const struct version_key_bytes *)key.bytes;
    const struct version_row_bytes *at = (const struct version_row_bytes *)bytes.bytes;
    ret->doc = get_be64(k->doc);
    ret->version = get_be64(at->version);
    ret->instant = get_instant(at->instant);
    ret->previous = get_be64(at->previous);
    ret->home = get_be64(at->home);
    ret->type = get_be16(at->type);
    ret->is_deleted = at->flags[0] & ROW_DELETED;
    return ERR_NONE;
}

void place_row_encode(const struct place_row *row, struct place_row_bytes *out)
{
    put_be64(out->home, row->home);
    put_be16(out->type, row->type);
    put_be64(out->entity, row->entity);
    put_be64(out->version, row->version);
    out->flags[0] = row->is_deleted ? ROW_DELETED : 0;
}

enum err place_row_decode(struct slice bytes, struct place_row *ret)
{
    if (bytes.length != sizeof(struct place_row_bytes))
        return ERR_CORRUPT;
    const struct place_row_bytes *at = (const struct place_row_bytes *)bytes.bytes;
    ret->home = get_be64(at->home);
    ret->type = get_be16(at->type);
    ret->entity = get_be64(at->entity);
    ret->version = get_be64(at->version);
    ret->is_deleted = at->flags[0] & ROW_DELETED;
    return ERR_NONE;
}

void body_key_encode(uint64_t home, uint16_t type, uint64_t doc, struct body_key_bytes *out)
{
    put_be64(out->home, home);
    put_be16(out->type, type);
    put_be64(out->doc, doc);
}

void body_head_encode(const struct body_row *row, struct body_head_bytes *out)
{
    CHECK(row->id.length <= ID_BYTES_MAX);
    CHECK(row->origin < STORE_ORIGINS);
    put_be64(out->entity, row->entity);
    put_be64(out->version, row->version);
    put_instant(out->instant, row->instant);
    memcpy(out->hash, row->hash, HASH_BYTES);
    put_be32(out->splice, row->splice);
    put_be32(out->body_size, row->body_size);
    put_be32(out->appendix_size, row->appendix_size);
    put_be16(out->id_size, (uint16_t)row->id.length);
    out->flags[0] =
        (uint8_t)((row->is_deleted ? ROW_DELETED : 0) | (row->is_raw ? ROW_RAW : 0) |
                  row->origin << ROW_ORIGIN_SHIFT);
}

enum err body_row_decode(struct slice bytes, struct body_row *ret)
{
    if (bytes.length < sizeof(struct body_head_bytes))
        return ERR_CORRUPT;
    const struct body_head_bytes *at = (const struct body_head_bytes *)bytes.bytes;
    struct slice rest = slice_from(bytes, sizeof *at);
    ret->entity = get_be64(at->entity);
    ret->version = get_be64(at->version);
    ret->instant = get_instant(at->instant);
    memcpy(ret->hash, at->hash, HASH_BYTES);
    ret->splice = get_be32(at->splice);
    ret->body_size = get_be32(at->body_size);
    ret->appendix_size = get_be32(at->appendix_size);
    ret->is_deleted = at->flags[0] & ROW_DELETED;
    ret->is_raw = at->flags[0] & ROW_RAW;
    ret->origin = (uint8_t)(at->flags[0] >> ROW_ORIGIN_SHIFT);
    size_t id_size = get_be16(at->id_size);
    if (id_size > rest.length)
        return ERR_CORRUPT;
    ret->id = slice_head(rest, id_size);
    ret->frame = slice_from(rest, id_size);
    return ERR_NONE;
}
