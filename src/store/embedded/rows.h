/* store/embedded/rows.h - every key and value of the truth, byte by byte.
 *
 * src/store/README.md draws the same. Keys are big-endian so that byte order is
 * value order. The structs hold byte arrays only: no padding, any alignment,
 * and offsetof() gives the place where the ordered section patches the
 * document number or the instant into a prepared batch. Decoders refuse what
 * has not exactly the right size.
 */
#ifndef STORE_EMBEDDED_ROWS_H
#define STORE_EMBEDDED_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/codec.h"
#include "base/err.h"
#include "base/slice.h"

/* 2: versions may be missing, those beyond a horizon and those erased. Written
 * when the first one goes, so that a program that knows nothing of it refuses. */
enum { STORE_FORMAT_VERSION = 1, STORE_FORMAT_GAPS = 2 };

/* RocksDB's column families, in the order they are opened. */
enum family {
    FAMILY_DEFAULT, /* unused; RocksDB insists on it */
    FAMILY_ENTITY,
    FAMILY_VERSION,
    FAMILY_BODY,
    FAMILY_PLACE,
    FAMILY_DEATH,
    FAMILY_LOG,
    FAMILY_META,
    FAMILY_COUNT
};

enum {
    ID_BYTES_MAX = 1024,
    TYPE_BYTES_MAX = 255,
    HASH_BYTES = 16,
};

/* Flags of a version, wherever they stand. */
enum {
    ROW_DELETED = 1, /* a tombstone */
    ROW_RAW = 2,     /* body rows: the frame is not compressed */
    ROW_ORIGIN_SHIFT = 4, /* body rows: how the version came about, 4 bits */
};

/* entity: type(2) id -> this. head 0: only referenced as a home so far. */
struct entity_row_bytes {
    uint8_t entity[8], head[8], version[8], instant[8], home[8], hash[HASH_BYTES], flags[1];
};
_Static_assert(sizeof(struct entity_row_bytes) == 57, "entity rows have 57 bytes");

/* version: this -> version_row_bytes */
struct version_key_bytes {
    uint8_t entity[8], doc[8];
};
_Static_assert(sizeof(struct version_key_bytes) == 16, "version keys have 16 bytes");
struct version_row_bytes {
    uint8_t version[8], instant[8], previous[8], home[8], type[2], flags[1];
};
_Static_assert(sizeof(struct version_row_bytes) == 35, "version rows have 35 bytes");

/* place: doc(8) -> this */
struct place_row_bytes {
    uint8_t home[8], type[2], entity[8], version[8], flags[1];
};
_Static_assert(sizeof(struct place_row_bytes) == 27, "place rows have 27 bytes");

/* body: this -> body_head_bytes, id, frame. The frame holds the body followed
 * by the appendix. */
struct body_key_bytes {
    uint8_t home[8], type[2], doc[8];
};
_Static_assert(sizeof(struct body_key_bytes) == 18, "body keys have 18 bytes");
struct body_head_bytes {
    uint8_t entity[8], version[8], instant[8], hash[HASH_BYTES];
    uint8_t splice[4], body_size[4], appendix_size[4], id_size[2], flags[1];
};
_Static_assert(sizeof(struct body_head_bytes) == 55, "body headers have 55 bytes");

/* log: instant(8, sign flipped) -> this */
struct log_row_bytes {
    uint8_t first[8], last[8];
};
_Static_assert(sizeof(struct log_row_bytes) == 16, "log rows have 16 bytes");

/* meta: a kind byte, then the name. */
enum meta_kind {
    META_FORMAT = 'f',     /* -> format version(4) */
    META_ENTITIES = 'e',   /* -> entity numbers below this may be in use(8) */
    META_CHECK = 'c',      /* -> check_row_bytes; number(4) -> finding_row_bytes: checker.c */
    META_ERASURE = 'g',    /* number(8) -> erasure_row_bytes; pieces, see erase.h */
    META_FILLER = 'q',     /* never there for long, see erase_files.c */
    META_HORIZON = 'h',    /* -> horizon_row_bytes */
    META_PURGED = 'p',     /* -> versions superseded up to this document are deleted(8) */
    META_TYPE = 't',       /* type name -> type number(2) */
    META_DICTIONARY = 'd', /* dictionary id(4) -> its bytes */
    META_USER = 'u',       /* key -> value of store_meta_set() */
};

struct horizon_row_bytes {
    uint8_t doc[8], instant[8];
};
_Static_assert(sizeof(struct horizon_row_bytes) == 16, "horizon rows have 16 bytes");

static inline void put_instant(uint8_t at[8], int64_t instant)
{
    put_be64(at, (uint64_t)instant ^ (uint64_t)1 << 63);
}
static inline int64_t get_instant(const uint8_t at[8])
{
    return (int64_t)(get_be64(at) ^ (uint64_t)1 << 63);
}

struct entity_row {
    uint64_t entity;
    uint64_t head;    /* newest document, 0: none yet */
    uint64_t version; /* of the head; counts deletions too */
    int64_t instant;
    uint64_t home;
    uint8_t hash[HASH_BYTES]; /* of the head's body, appendix and splice */
    bool is_deleted;
};

struct version_row {
    uint64_t doc; /* from the key */
    uint64_t version;
    int64_t instant;
    uint64_t previous; /* document before it, 0: none */
    uint64_t home;
    uint16_t type;
    bool is_deleted;
};

struct place_row {
    uint64_t home, entity, version;
    uint16_t type;
    bool is_deleted;
};

struct body_row {
    uint64_t entity, version;
    int64_t instant;
    uint8_t hash[HASH_BYTES];
    uint32_t splice, body_size, appendix_size;
    bool is_deleted, is_raw;
    uint8_t origin;
    struct slice id, frame; /* into the row */
};

void entity_row_encode(const struct entity_row *row, struct entity_row_bytes *out);
MUST_USE enum err entity_row_decode(struct slice bytes, struct entity_row *ret);
void version_row_encode(const struct version_row *row, struct version_row_bytes *out);
MUST_USE enum err version_row_decode(struct slice key, struct slice bytes,
                                     struct version_row *ret);
void place_row_encode(const struct place_row *row, struct place_row_bytes *out);
MUST_USE enum err place_row_decode(struct slice bytes, struct place_row *ret);
void body_key_encode(uint64_t home, uint16_t type, uint64_t doc, struct body_key_bytes *out);
void body_head_encode(const struct body_row *row, struct body_head_bytes *out);
MUST_USE enum err body_row_decode(struct slice bytes, struct body_row *ret);

#endif
