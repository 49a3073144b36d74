/* http/chunk.h - the chunked coding of a request's body. Private to http/.
 *
 * A state machine over bytes that arrive in any pieces. As strict as head.h:
 * a size is 1 to 15 hex digits, lines end in CR LF. Extensions and trailers are
 * read and dropped; together they may take CHUNK_EXTRA_BYTES_MAX, so that
 * nobody keeps us busy with framing. Pure.
 */
#ifndef HTTP_CHUNK_H
#define HTTP_CHUNK_H

#include "base/slice.h"

enum { CHUNK_EXTRA_BYTES_MAX = 16 * 1024 };

enum chunk_state {
    CHUNK_SIZE_FIRST,
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER_START,
    CHUNK_TRAILER,
    CHUNK_TRAILER_LF,
    CHUNK_LAST_LF,
    CHUNK_END,
    CHUNK_BAD
};

/* All zero to start. */
struct chunk {
    enum chunk_state state;
    unsigned digits;      /* of the size being read */
    uint64_t left_bytes;  /* of the chunk's data */
    uint64_t extra_bytes; /* extensions and trailers so far */
};

enum chunk_result { CHUNK_GIVES_DATA, CHUNK_WANTS_MORE, CHUNK_IS_DONE, CHUNK_IS_BAD };

/* Take bytes off the front of *in. Call again while it gives data, a slice of
 * *in's bytes; when it is done, *in holds what follows the body. */
enum chunk_result chunk_next(struct chunk *chunk, struct slice *in, struct slice *ret_data);

#endif
