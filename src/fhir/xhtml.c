/* fhir/xhtml.c - one pass over a narrative: tags, attributes, entities, links. */
#include "fhir/xhtml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fhir/fhir.h"

enum { TAG_DEPTH_MAX = 256, ATTRIBUTES_MAX = 40, FOUND_MAX = 20 };

#define NAMESPACE "http://www.w3.org/1999/xhtml"

static const char elements[] =
    " p br div h1 h2 h3 h4 h5 h6 a span b em i strong small big tt dfn q var abbr acronym cite"
    " blockquote hr address bdo kbd sub sup ul ol li dl dt dd pre table caption colgroup col"
    " thead tr tfoot tbody th td code samp img map area ";
static const char blocks[] = " div blockquote table ol ul p ";
static const char attributes[] =
    " title style class id lang xml:lang dir accesskey tabindex span width align valign char"
    " charoff abbr axis headers scope rowspan colspan xml:space ";
/* Attributes of one element alone. */
static const char own_attributes[] =
    " a.href a.name a.charset a.type a.hreflang a.rel a.rev a.shape a.coords img.src img.border"
    " img.alt img.longdesc img.height img.usemap img.ismap blockquote.cite q.cite map.name"
    " area.shape area.coords area.href area.nohref area.alt table.summary table.border"
    " table.frame table.rules table.cellspacing table.cellpadding pre.space td.nowrap ";

struct scan {
    struct slice text;
    size_t at;
    xhtml_found *found;
    void *context;
    unsigned count; /* of what was found */
    struct slice open[TAG_DEPTH_MAX];
    int depth, paragraphs; /* open ones */
    bool has_content;
    bool is_done;       /* the div is closed */
    bool has_namespace; /* the outer div says it */
};

/* Told, and gone on. */
static void tell(struct scan *s, const char *key, const char *format, ...) PRINTF_LIKE(3, 4);
static void tell(struct scan *s, const char *key, const char *format, ...)
{
    char text[400];
    va_list args;
    if (s->count++ >= FOUND_MAX || !s->found)
        return;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    length = MIN(MAX(length, 0), (int)sizeof text - 1);
    s->found(s->context, slice_cstr(key), slice_of(text, (size_t)length));
}
#define SHORT(name) SLICE_ARGS(slice_head((name), 100))

/* What is no XML: the scan ends. */
static bool refuse(struct scan *s, const char *reason)
{
    tell(s, "", "The XHTML is not well-formed: %s", reason);
    return false;
}

/* ---- characters ---- */

static char peek(const struct scan *s)
{
    return s->at < s->text.length ? s->text.bytes[s->at] : '\0';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(struct scan *s)
{
    while (is_blank(peek(s)))
        s->at++;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':' ||
           c == '-' || c == '_' || c == '.';
}

static struct slice take_name(struct scan *s)
{
    size_t start = s->at;
    while (is_name_char(peek(s)))
        s->at++;
    return slice_of(s->text.bytes + start, s->at - start);
}

static bool is_listed(const char *list, struct slice name)
{
    char word[40];
    if (name.length == 0 || name.length > sizeof word - 3)
        return false;
    word[0] = ' ';
    memcpy(word + 1, name.bytes, name.length);
    word[name.length + 1] = ' ';
    word[name.length + 2] = '\0';
    return strstr(list, word) != NULL;
}

static bool skip_past(struct scan *s, const char *end)
{
    ptrdiff_t at = slice_find(slice_from(s->text, s->at), slice_cstr(end));
    if (at < 0)
        return false;
    s->at += (size_t)at + strlen(end);
    return true;
}

/* ---- entities ---- */

/* "#160", "#xA0": of a character that XML may have. */
static bool is_character(struct slice name)
{
    bool is_hex = name.length > 1 && name.bytes[1] == 'x';
    uint32_t value = 0, base = is_hex ? 16 : 10;
    for (size_t i = is_hex ? 2 : 1; i < name.length; i++) {
        char c = name.bytes[i], low = (char)(c | 0x20);
        uint32_t digit = c >= '0' && c <= '9'                 ? (uint32_t)(c - '0')
                         : is_hex && low >= 'a' && low <= 'f' ? (uint32_t)(low - 'a' + 10)
                                                              : base;
        if (digit >= base || value > 0x10ffff)
            return false;
        value = value * base + digit;
    }
    bool is_surrogate = value >= 0xd800 && value < 0xe000;
    return value <= 0x10ffff && !is_surrogate && value != 0xfffe && value != 0xffff &&
           (value >= ' ' || value == '\t' || value == '\n' || value == '\r');
}

/* &name; or &#number; */
static bool take_entity(struct scan *s)
{
    size_t start = ++s->at;
    while (peek(s) == '#' || is_name_char(peek(s)))
        s->at++;
    struct slice name = slice_of(s->text.bytes + start, s->at - start);
    if (peek(s) != ';' || name.length == 0)
        return refuse(s, "an ampersand that begins no entity");
    s->at++;
    if (name.bytes[0] == '#' ? !is_character(name) : !is_listed(" amp lt gt quot apos ", name))
        tell(s, "txt-1", "Invalid entity in the XHTML ('&%.*s;')", SHORT(name));
    return true;
}

/* ---- links ---- */

/* NULL, or what is wrong with data:type;base64,text. */
static const char *check_data(struct slice text)
{
    struct slice data = slice_from(text, strlen("data:")), head = slice_cut(&data, ',');
    struct slice type = slice_head(head, (size_t)MAX(slice_find_last_byte(head, ';'), 0));
    if (!data.bytes)
        return "a data: URL without data";
    if (!slice_ends_with(head, SLICE(";base64")) || !fhir_base64_is_valid(data))
        return "a data: URL whose data is no base64";
    return fhir_media_type_is_valid(type) ? NULL : "a data: URL without a media type";
}

static const char *check_link(struct slice text)
{
    struct slice rest = text, scheme = slice_cut(&rest, ':');
    if (text.length == 0)
        return "it is empty";
    if (slice_starts_with(text, SLICE("data:")))
        return check_data(text);
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.bytes[i] <= ' ' || strchr("\"<>\\^`{}", text.bytes[i]))
            return "it has characters that URLs have not";
    if (slice_equal_nocase(scheme, SLICE("javascript")) ||
        slice_equal_nocase(scheme, SLICE("vbscript")))
        return "it is a script";
    if (rest.bytes && (slice_is(scheme, "urn") || slice_is(scheme, "cid")))
        return "it names something and does not say where it is";
    return NULL;
}

/* ---- tags ---- */

struct tag {
    struct slice name;
    struct slice attributes[ATTRIBUTES_MAX];
    int count;
};

/* "a.href" for the list of own ones. */
static bool is_own(struct slice element, struct slice attribute)
{
    char word[36];
    size_t length = element.length + 1 + attribute.length;
    if (length > sizeof word)
        return false;
    memcpy(word, element.bytes, element.length);
    word[element.length] = '.';
    memcpy(word + element.length + 1, attribute.bytes, attribute.length);
    return is_listed(own_attributes, slice_of(word, length));
}

static void check_attribute(struct scan *s, const struct tag *tag, struct slice name,
                            struct slice value)
{
    bool is_namespace = slice_starts_with(name, SLICE("xmlns"));
    bool is_known = is_namespace || is_listed(attributes, name) || is_own(tag->name, name);
    bool is_link = (slice_is(tag->name, "a") && slice_is(name, "href")) ||
                   (slice_is(tag->name, "img") && slice_is(name, "src"));
    const char *reason = is_link ? check_link(slice_trim(value)) : NULL;
    if (!is_known)
        tell(s, "txt-1", "Invalid attribute name in the XHTML ('%.*s' on '%.*s')", SHORT(name),
             SHORT(tag->name));
    if (reason)
        tell(s, "txt-1", "The URL '%.*s' in the XHTML is not valid: %s", SHORT(value), reason);
    if (slice_is(name, "xmlns") && !slice_is(value, NAMESPACE))
        tell(s, "txt-1", "Wrong namespace on the XHTML ('%.*s', should be '" NAMESPACE "')",
             SHORT(value));
    s->has_namespace |= s->depth == 0 && slice_is(name, "xmlns");
}

static bool take_value(struct scan *s, struct slice *ret)
{
    char quote = peek(s);
    if (quote != '"' && quote != '\'')
        return refuse(s, "an attribute's value without quotes");
    const char *bytes = s->text.bytes;
    size_t start = ++s->at, length = s->text.length;
    for (;;) {
        while (s->at < length && bytes[s->at] != quote && bytes[s->at] != '<' &&
               bytes[s->at] != '&')
            s->at++;
        if (s->at == length || bytes[s->at] == quote)
            break;
        if (bytes[s->at] == '<')
            return refuse(s, "'<' in an attribute's value");
        if (!take_entity(s))
            return false;
    }
    *ret = slice_of(s->text.bytes + start, s->at - start);
    if (s->at++ >= s->text.length)
        return refuse(s, "an attribute's value that does not end");
    return true;
}

static bool take_attribute(struct scan *s, struct tag *tag)
{
    struct slice name = take_name(s), value;
    if (name.length == 0)
        return refuse(s, "a broken tag");
    for (int i = 0; i < tag->count; i++)
        if (slice_equal(tag->attributes[i], name))
            return refuse(s, "an attribute that stands twice in one tag");
    if (tag->count == ATTRIBUTES_MAX)
        return refuse(s, "a tag with too many attributes");
    tag->attributes[tag->count++] = name;
    skip_blanks(s);
    if (peek(s) != '=')
        return refuse(s, "an attribute without a value");
    s->at++;
    skip_blanks(s);
    if (!take_value(s, &value))
        return false;
    check_attribute(s, tag, name, value);
    return true;
}

static bool take_close(struct scan *s)
{
    struct slice name = take_name(s);
    skip_blanks(s);
    if (peek(s) != '>' || s->depth == 0 || !slice_equal(s->open[s->depth - 1], name))
        return refuse(s, "a closing tag that closes nothing");
    s->at++;
    s->paragraphs -= slice_is(name, "p");
    s->is_done = --s->depth == 0;
    return true;
}

static void check_element(struct scan *s, struct slice name)
{
    if (!is_listed(elements, name))
        tell(s, "txt-1", "Invalid element name in the XHTML ('%.*s')", SHORT(name));
    else if (s->depth == 0 && !slice_is(name, "div"))
        tell(s, "txt-1", "Wrong name on the XHTML ('%.*s') - must start with div", SHORT(name));
    else if (s->paragraphs > 0 && is_listed(blocks, name))
        tell(s, "txt-1", "Invalid element name inside in a paragraph in the XHTML ('%.*s')",
             SHORT(name));
    s->has_content |= slice_is(name, "img");
}

static bool take_open(struct scan *s)
{
    struct tag tag = { .name = take_name(s), .count = 0 };
    if (tag.name.length == 0)
        return refuse(s, "a '<' that begins no tag");
    if (s->depth == 0 && s->is_done)
        return refuse(s, "a narrative is one div");
    check_element(s, tag.name);
    for (;;) {
        bool has_blank = is_blank(peek(s));
        skip_blanks(s);
        if (peek(s) == '>' || peek(s) == '/')
            break;
        if (!has_blank)
            return refuse(s, "a broken tag");
        if (!take_attribute(s, &tag))
            return false;
    }
    if (peek(s) == '/') {
        s->at++;
        s->is_done = s->depth == 0;
        if (peek(s) != '>')
            return refuse(s, "a broken tag");
        s->at++;
        return true;
    }
    s->at++;
    if (s->depth == TAG_DEPTH_MAX)
        return refuse(s, "tags that are nested too deeply");
    s->paragraphs += slice_is(tag.name, "p");
    s->open[s->depth++] = tag.name;
    return true;
}

static bool take_markup(struct scan *s)
{
    struct slice rest = slice_from(s->text, s->at);
    if (slice_starts_with(rest, SLICE("<!--")))
        return skip_past(s, "-->") || refuse(s, "a comment that does not end");
    if (slice_starts_with(rest, SLICE("<?")) || slice_starts_with(rest, SLICE("<!")))
        return refuse(s, "an instruction or declaration");
    s->at++;
    if (peek(s) != '/')
        return take_open(s);
    s->at++;
    return take_close(s);
}

/* Most of a narrative: up to the next markup or entity in one loop. */
static bool take_text(struct scan *s)
{
    const char *bytes = s->text.bytes;
    size_t at = s->at;
    unsigned char most = 0;
    for (; at < s->text.length && bytes[at] != '<' && bytes[at] != '&'; at++) {
        unsigned char c = (unsigned char)bytes[at];
        if (c < ' ' && !is_blank((char)c))
            return refuse(s, "a character that XML has not");
        most = MAX(most, c);
    }
    bool is_entity = at < s->text.length && bytes[at] == '&';
    bool has_text = most > ' ' || is_entity;
    s->at = at;
    s->has_content |= has_text;
    if (has_text && s->depth == 0)
        return refuse(s, "text outside of the div");
    return !is_entity || take_entity(s);
}

bool xhtml_check(struct slice text, xhtml_found *found, void *context)
{
    struct scan s = { .text = text, .found = found, .context = context };
    bool is_good = true;
    while (is_good && s.at < text.length)
        is_good = peek(&s) == '<' ? take_markup(&s) : take_text(&s);
    if (is_good && (s.depth > 0 || !s.is_done))
        is_good = refuse(&s, "a tag that is not closed");
    if (is_good && !s.has_content)
        tell(&s, "txt-2",
             "Constraint failed: txt-2: 'The narrative SHALL have some "
             "non-whitespace content'");
    bool keeps_subset = s.count == 0;
    if (is_good && !s.has_namespace)
        tell(&s, "txt-1", "Wrong namespace on the XHTML ('null', should be '" NAMESPACE "')");
    return keeps_subset;
}
