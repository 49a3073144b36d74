#include "sync/bundle.h"

#include <stdio.h>

#define HEAD_OF(type) "{\"resourceType\":\"Bundle\",\"type\":\"" type "\",\"entry\":["
#define ENTRY_HEAD "{\"resource\":"
#define ENTRY_REQUEST ",\"request\":{\"method\":\"PUT\",\"url\":\""
#define ENTRY_TAIL "\"}}"
#define TAIL "]}"

enum bundle_step { STEP_HEAD, STEP_ENTRY, STEP_REQUEST, STEP_TAIL, STEP_END };

uint64_t bundle_frame_bytes(void)
{
    return sizeof HEAD_OF("transaction") - 1 + sizeof TAIL - 1;
}

/* Without the comma between entries. */
static uint64_t entry_bytes(const struct member *m, const struct member_row *row)
{
    return sizeof ENTRY_HEAD - 1 + row->length + sizeof ENTRY_REQUEST - 1 +
           member_type(m, row).length + 1 + row->id_length + sizeof ENTRY_TAIL - 1;
}

uint64_t bundle_entry_bytes(const struct member *m, const struct member_row *row)
{
    return entry_bytes(m, row) + 1;
}

void bundle_writer_init(struct bundle_writer *w, const struct member *m, const uint32_t *rows,
                        uint32_t count, bool is_batch)
{
    *w = (struct bundle_writer){ .member = m, .rows = rows, .count = count,
                                 .is_batch = is_batch, .step = STEP_HEAD };
}

uint64_t bundle_writer_bytes(const struct bundle_writer *w)
{
    uint64_t bytes = sizeof TAIL - 1 + (w->count ? w->count - 1 : 0);
    bytes += w->is_batch ? sizeof HEAD_OF("batch") - 1 : sizeof HEAD_OF("transaction") - 1;
    for (uint32_t i = 0; i < w->count; i++)
        bytes += entry_bytes(w->member, member_row(w->member, w->rows[i]));
    return bytes;
}

static void set_pending(struct bundle_writer *w, const char *text)
{
    w->pending_at = 0;
    w->pending_length = strlen(text);
    CHECK(w->pending_length <= sizeof w->pending);
    memcpy(w->pending, text, w->pending_length);
}

static void pend_request(struct bundle_writer *w, const struct member_row *row)
{
    struct slice type = member_type(w->member, row);
    struct slice id = member_id(w->member, row);
    int length = snprintf(w->pending, sizeof w->pending, "%s%.*s/%.*s%s", ENTRY_REQUEST,
                          SLICE_ARGS(type), SLICE_ARGS(id), ENTRY_TAIL);
    CHECK(length > 0 && (size_t)length < sizeof w->pending); /* type and id <= 64 each */
    w->pending_at = 0;
    w->pending_length = (size_t)length;
}

/* Nothing is pending: prepare what comes next. */
static void advance(struct bundle_writer *w)
{
    switch ((enum bundle_step)w->step) {
    case STEP_HEAD:
        set_pending(w, w->is_batch ? HEAD_OF("batch") : HEAD_OF("transaction"));
        w->step = w->count ? STEP_ENTRY : STEP_TAIL;
        break;
    case STEP_ENTRY: {
        const struct member_row *row = member_row(w->member, w->rows[w->next]);
        set_pending(w, w->next ? "," ENTRY_HEAD : ENTRY_HEAD);
        w->file_at = row->offset;
        w->file_left = row->length;
        w->step = STEP_REQUEST;
        break;
    }
    case STEP_REQUEST:
        pend_request(w, member_row(w->member, w->rows[w->next]));
        w->next++;
        w->step = w->next < w->count ? STEP_ENTRY : STEP_TAIL;
        break;
    case STEP_TAIL:
        set_pending(w, TAIL);
        w->step = STEP_END;
        break;
    case STEP_END:
        break;
    }
}

/* Invariant: what is pending comes before what is left of the file. */
enum err bundle_writer_next(void *state, char *out, size_t room, size_t *ret_length)
{
    struct bundle_writer *w = state;
    size_t length = 0;
    while (length < room) {
        size_t n;
        if (w->pending_at < w->pending_length) {
            n = MIN(room - length, w->pending_length - w->pending_at);
            memcpy(out + length, w->pending + w->pending_at, n);
            w->pending_at += n;
        } else if (w->file_left) {
            n = (size_t)MIN((uint64_t)(room - length), w->file_left);
            TRY(spool_read(&w->member->spool, w->file_at, out + length, n));
            w->file_at += n;
            w->file_left -= n;
        } else if (w->step == STEP_END) {
            break;
        } else {
            advance(w);
            continue;
        }
        length += n;
    }
    *ret_length = length;
    return ERR_NONE;
}
