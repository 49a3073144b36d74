/* fhir/narrative.c - the links of a narrative.
 *
 * The XHTML stands inside of a JSON string, so quotes, tabs and line ends may
 * be escaped: everything is looked at one decoded character at a time, and
 * what is not a link's value is copied as it stands. Not an XML parser: a link
 * is `href` or `src` behind white space inside of a tag, `=`, a quoted value.
 */
#include "fhir/rewrite.h"

struct reader {
    struct slice raw;
    size_t at;   /* of the current character; raw.length: the end */
    size_t next; /* behind it */
    char c;      /* decoded; '\x80' for all that is not ASCII; NUL at the end */
};

static void step(struct reader *r)
{
    r->at = r->next;
    r->c = '\0';
    if (r->at >= r->raw.length)
        return;
    char room[8];
    size_t length = 1;
    if (r->raw.bytes[r->at] == '\\')
        length = r->at + 1 < r->raw.length && r->raw.bytes[r->at + 1] == 'u' ? 6 : 2;
    r->next = MIN(r->at + length, r->raw.length);
    struct slice one = slice_of(r->raw.bytes + r->at, r->next - r->at);
    struct slice decoded = length > 1 ? text_unescape(one, room, sizeof room) : one;
    r->c = decoded.length == 1 && (uint8_t)decoded.bytes[0] < 0x80 && decoded.bytes[0]
               ? decoded.bytes[0]
               : '\x80';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(struct reader *r)
{
    while (is_blank(r->c))
        step(r);
}

/* The attribute's name under the reader; steps behind it. */
static bool take_link_name(struct reader *r)
{
    char name[5];
    size_t length = 0;
    for (; (r->c >= 'a' && r->c <= 'z') || r->c == '-' || r->c == ':' || r->c == '_'; step(r))
        if (length < sizeof name)
            name[length++] = r->c;
    struct slice s = slice_of(name, length);
    return slice_is(s, "href") || slice_is(s, "src");
}

/* Behind the quote: up to its like, or to the end. */
static struct slice take_value(struct reader *r, char quote)
{
    size_t start = r->at;
    while (r->c != quote && r->c != '\0')
        step(r);
    return slice_of(r->raw.bytes + start, r->at - start);
}

/* An attribute may begin here. Returns a link's value, else an empty slice; the
 * reader stands at its closing quote, or wherever the attribute turned out to
 * be something else. */
static struct slice take_link(struct reader *r)
{
    skip_blanks(r);
    if (!take_link_name(r))
        return SLICE_NONE;
    skip_blanks(r);
    if (r->c != '=')
        return SLICE_NONE;
    step(r);
    skip_blanks(r);
    char quote = r->c;
    if (quote != '"' && quote != '\'')
        return SLICE_NONE;
    step(r);
    struct slice value = take_value(r, quote);
    if (r->c == quote)
        step(r);
    return value;
}

void narrative_rewrite(const struct fhir_prepare *options, struct slice raw,
                       struct rewrite_room *room, struct buf *out)
{
    struct reader r = { .raw = raw };
    size_t copied = 0; /* everything before it is in `out` */
    bool in_tag = false;
    step(&r);
    while (r.c != '\0') {
        if (!in_tag || !is_blank(r.c)) {
            char c = r.c;
            in_tag = c == '<' || (in_tag && c != '>');
            step(&r);
            if (in_tag && (c == '"' || c == '\'')) {
                take_value(&r, c); /* some other attribute's */
                step(&r);
            }
            continue;
        }
        struct slice value = take_link(&r);
        struct slice url = SLICE_NONE;
        if (value.length > 0 && value.length <= URL_LENGTH_MAX)
            url = rewrite_url(options, value, true, room);
        if (url.length == 0)
            continue;
        size_t start = (size_t)(value.bytes - raw.bytes);
        buf_append(out, slice_of(raw.bytes + copied, start - copied));
        append_escaped(out, url);
        copied = start + value.length;
    }
    buf_append(out, slice_from(raw, copied));
}
