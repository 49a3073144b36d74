/* sync/scan.h - a Bundle in a file, one entry at a time.
 *
 * A member's record may have hundreds of megabytes, its entries a few kilobytes
 * each. The scanner walks the file through a window and hands out the text of
 * one element of the top-level "entry" array after another; of the other
 * top-level members it keeps the short ones (link, resourceType, ...). Memory:
 * the window, the longest entry, and what was kept.
 *
 * The skeleton (braces, commas, keys, strings) is checked here; what is handed
 * out is only cut, never checked inside: json_parse() does that. Too long
 * members are checked for their brackets and strings only.
 * Nothing is believed: a file that ends early, has two "entry" members or an
 * escaped top-level key is refused.
 */
#ifndef SYNC_SCAN_H
#define SYNC_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
    SCAN_WINDOW_BYTES = 64 * 1024,
    SCAN_KEPT_BYTES = 64 * 1024, /* of one top-level member, and of all together */
    SCAN_DEPTH = 256,
};
#define SCAN_ENTRY_BYTES ((size_t)64 * 1024 * 1024)

struct scan {
    int fd;            /* borrowed; read with pread, its position stays */
    uint64_t end;      /* bytes of the file to read */
    uint64_t next;     /* file offset behind the window */
    struct buf window; /* owned */
    size_t at;         /* in the window */
    int state;         /* enum scan_state */
    bool saw_entry;    /* the member "entry" was met */
    bool is_cut;       /* the refusal's cause is that the file ends early */
    struct buf entry;  /* owned; text of the current element */
    struct buf kept;   /* owned; "key\0raw value\0" runs */
    const char *error; /* why the file was refused; static */
};

/* Start at the beginning; takes no memory and cannot fail. */
void scan_init(struct scan *s, int fd, uint64_t bytes);
void scan_release(struct scan *s);

/* The next element of "entry", borrowed until the next call; .bytes == NULL at
 * the end of the whole text. ERR_SYNTAX (s->error says why, s->is_cut whether
 * more bytes would have helped), ERR_LIMIT, ERR_NO_MEMORY, ERR_IO. */
MUST_USE enum err scan_next(struct scan *s, struct slice *ret_entry);

/* Raw JSON text of another top-level member, complete once scan_next() came to
 * the end; .bytes == NULL when absent, empty when it was too long to keep.
 * Borrowed until release. */
struct slice scan_member(const struct scan *s, struct slice name);

/* Offset of the byte looked at last, for error texts. */
uint64_t scan_offset(const struct scan *s);

#endif
