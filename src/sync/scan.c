#include "sync/scan.h"

#include <errno.h>
#include <unistd.h>

enum scan_state { SCAN_START, SCAN_MEMBERS, SCAN_ENTRIES, SCAN_END, SCAN_REFUSED };

enum { END_OF_FILE = -1, READ_FAILED = -2, KEY_BYTES_MAX = 256 };

void scan_init(struct scan *s, int fd, uint64_t bytes)
{
    *s = (struct scan){ .fd = fd, .end = bytes, .state = SCAN_START };
    buf_init(&s->window, SCAN_WINDOW_BYTES);
    buf_init(&s->entry, SCAN_ENTRY_BYTES);
    buf_init(&s->kept, 4 * SCAN_KEPT_BYTES);
}

void scan_release(struct scan *s)
{
    buf_release(&s->window);
    buf_release(&s->entry);
    buf_release(&s->kept);
}

uint64_t scan_offset(const struct scan *s)
{
    return s->next - s->window.length + s->at;
}

static enum err refuse(struct scan *s, const char *why)
{
    s->state = SCAN_REFUSED;
    s->error = why;
    return ERR_SYNTAX;
}

/* Read the next window. False at the end of the file and on a failure, which
 * window.failure then names. */
static bool refill(struct scan *s)
{
    buf_clear(&s->window);
    s->at = 0;
    size_t want = (size_t)MIN(s->end - s->next, (uint64_t)SCAN_WINDOW_BYTES);
    if (want == 0 || !buf_reserve(&s->window, want))
        return false;
    ssize_t n;
    do
        n = pread(s->fd, s->window.bytes, want, (off_t)s->next);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        s->window.failure = ERR_IO;
    if (n <= 0)
        return false;
    s->window.length = (size_t)n;
    s->next += (uint64_t)n;
    return true;
}

/* The byte at hand, not consumed. */
static int peek(struct scan *s)
{
    if (s->at < s->window.length || refill(s))
        return (unsigned char)s->window.bytes[s->at];
    return s->window.failure ? READ_FAILED : END_OF_FILE;
}

/* The end of the file or a failed read where a byte was needed. */
static enum err ended(struct scan *s, int got)
{
    if (got == READ_FAILED)
        return buf_status(&s->window);
    s->is_cut = true;
    return refuse(s, "the text ends before its last bracket");
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The first byte behind blanks, not consumed. */
static int peek_token(struct scan *s)
{
    int c = peek(s);
    while (is_blank(c)) {
        s->at++;
        c = peek(s);
    }
    return c;
}

/* Consume the window's bytes [s->at, to), appending them to `out`. */
static void take(struct scan *s, size_t to, struct buf *out)
{
    buf_append(out, slice_of(s->window.bytes + s->at, to - s->at));
    s->at = to;
}

/* A string from its opening quote through its closing one. */
static enum err take_string(struct scan *s, struct buf *out)
{
    take(s, s->at + 1, out);
    bool escaped = false;
    for (;;) {
        int c = peek(s);
        if (c < 0)
            return ended(s, c);
        size_t at = s->at;
        const char *bytes = s->window.bytes;
        while (at < s->window.length) {
            char b = bytes[at];
            if (escaped)
                escaped = false;
            else if (b == '\\')
                escaped = true;
            else if (b == '"')
                break;
            else if ((unsigned char)b < ' ')
                return refuse(s, "a control character inside a string");
            at++;
        }
        bool closed = at < s->window.length;
        take(s, closed ? at + 1 : at, out);
        if (closed)
            return ERR_NONE;
    }
}

static bool is_literal(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           c == '-' || c == '+' || c == '.';
}

/* A number, true, false or null: as long as its letters go. */
static enum err take_literal(struct scan *s, struct buf *out)
{
    if (!is_literal(peek(s)))
        return refuse(s, "expected a value");
    for (;;) {
        size_t at = s->at;
        while (at < s->window.length && is_literal((unsigned char)s->window.bytes[at]))
            at++;
        bool stopped = at < s->window.length;
        take(s, at, out);
        if (stopped || !is_literal(peek(s)))
            return ERR_NONE;
    }
}

/* The brackets that are open, innermost last: true for '['. */
struct nesting {
    uint32_t depth;
    bool is_array[SCAN_DEPTH];
};

/* One bracket. Opening and closing kinds must agree. */
static enum err take_bracket(struct scan *s, int c, struct nesting *open, struct buf *out)
{
    bool is_array = c == '[' || c == ']';
    if (c == '{' || c == '[') {
        if (open->depth == SCAN_DEPTH)
            return refuse(s, "nested too deeply");
        open->is_array[open->depth++] = is_array;
    } else {
        if (open->depth == 0 || open->is_array[open->depth - 1] != is_array)
            return refuse(s, "a closing bracket that does not fit");
        open->depth--;
    }
    take(s, s->at + 1, out);
    return ERR_NONE;
}

/* One whole value, whatever it is, appended to `out`, which tells whether it had
 * room. Invariant: `open` holds the brackets consumed and not yet closed. */
static enum err take_value(struct scan *s, struct buf *out)
{
    struct nesting open = { .depth = 0 };
    do {
        int c = peek_token(s);
        if (c < 0)
            return ended(s, c);
        if (c == '"')
            TRY(take_string(s, out));
        else if (c == '{' || c == '[' || c == '}' || c == ']')
            TRY(take_bracket(s, c, &open, out));
        else if (open.depth && (c == ',' || c == ':'))
            take(s, s->at + 1, out);
        else
            TRY(take_literal(s, out));
    } while (open.depth);
    return ERR_NONE;
}

static enum err take_byte(struct scan *s, char wanted, const char *why)
{
    int c = peek_token(s);
    if (c < 0)
        return ended(s, c);
    if (c != wanted)
        return refuse(s, why);
    s->at++;
    return ERR_NONE;
}

/* A top-level member's name, with its quotes, and the colon. */
static enum err take_key(struct scan *s, struct buf *key)
{
    int c = peek_token(s);
    if (c < 0)
        return ended(s, c);
    if (c != '"')
        return refuse(s, "expected a member's name");
    enum err err = take_string(s, key);
    if (err || key->failure)
        return err ? err : refuse(s, "a top-level name that is too long");
    /* "entr\u0079" would be "entry" to others: not worth decoding. */
    if (slice_find_byte(buf_slice(key), '\\') >= 0)
        return refuse(s, "an escape in a top-level name");
    return take_byte(s, ':', "expected a colon");
}

/* A member other than "entry": kept under its name; when too long, only its
 * name is, so that nobody takes it for absent. */
static enum err take_member(struct scan *s, struct slice quoted_name)
{
    struct buf value;
    buf_init(&value, SCAN_KEPT_BYTES);
    enum err err = take_value(s, &value);
    if (!err && value.failure == ERR_NO_MEMORY)
        err = ERR_NO_MEMORY;
    if (!err) {
        buf_append(&s->kept, quoted_name);
        buf_append_byte(&s->kept, '\0');
        if (!value.failure)
            buf_append(&s->kept, buf_slice(&value));
        buf_append_byte(&s->kept, '\0');
        err = buf_status(&s->kept);
    }
    buf_release(&value);
    return err;
}

/* One top-level member, or the brace that closes the text. */
static enum err step_members(struct scan *s, bool is_first)
{
    int c = peek_token(s);
    if (c < 0)
        return ended(s, c);
    if (c == '}') {
        s->at++;
        c = peek_token(s);
        if (c == READ_FAILED)
            return buf_status(&s->window);
        if (c != END_OF_FILE)
            return refuse(s, "something follows the last bracket");
        s->state = SCAN_END;
        return ERR_NONE;
    }
    if (!is_first)
        TRY(take_byte(s, ',', "expected a comma or '}'"));

    struct buf key;
    buf_init(&key, KEY_BYTES_MAX);
    enum err err = take_key(s, &key);
    if (!err && slice_is(buf_slice(&key), "\"entry\"")) {
        if (s->saw_entry)
            err = refuse(s, "two \"entry\" members");
        else
            err = take_byte(s, '[', "\"entry\" is no array");
        if (!err)
            s->state = SCAN_ENTRIES;
    } else if (!err) {
        err = take_member(s, buf_slice(&key));
    }
    buf_release(&key);
    return err;
}

/* One element of "entry", or the bracket that closes it. */
static enum err step_entries(struct scan *s, struct slice *ret_entry)
{
    bool is_first = !s->saw_entry;
    s->saw_entry = true;
    int c = peek_token(s);
    if (c < 0)
        return ended(s, c);
    if (c == ']') {
        s->at++;
        s->state = SCAN_MEMBERS;
        return ERR_NONE;
    }
    if (!is_first)
        TRY(take_byte(s, ',', "expected a comma or ']'"));
    buf_clear(&s->entry);
    TRY(take_value(s, &s->entry));
    TRY(buf_status(&s->entry));
    *ret_entry = buf_slice(&s->entry);
    return ERR_NONE;
}

enum err scan_next(struct scan *s, struct slice *ret_entry)
{
    *ret_entry = SLICE_NONE;
    if (s->state == SCAN_REFUSED)
        return ERR_SYNTAX;
    if (s->state == SCAN_START) {
        TRY(take_byte(s, '{', "expected a JSON object"));
        s->state = SCAN_MEMBERS;
        TRY(step_members(s, true));
    }
    while (s->state != SCAN_END && !ret_entry->bytes) {
        if (s->state == SCAN_ENTRIES)
            TRY(step_entries(s, ret_entry));
        else
            TRY(step_members(s, false));
    }
    return ERR_NONE;
}

struct slice scan_member(const struct scan *s, struct slice name)
{
    struct slice rest = buf_slice(&s->kept);
    while (rest.length) {
        struct slice key = slice_cut(&rest, '\0');
        struct slice value = slice_cut(&rest, '\0');
        if (key.length == name.length + 2 &&
            slice_equal(slice_of(key.bytes + 1, name.length), name))
            return value;
    }
    return SLICE_NONE;
}
