/* fhir/xhtml.c - is a narrative XHTML of the kind that FHIR allows?
 *
 * One pass over the text: well-formed tags of a small vocabulary, attributes of
 * another, a div around all, something to read inside. Nothing is built.
 */
#include "fhir/fhirpath_functions.h"

enum { TAG_DEPTH_MAX = 256 };

static const char elements[] =
    " a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 "
    "h3"
    " h4 h5 h6 hr i img li map area ol p pre q samp small span strong sub sup table tbody td tfoot "
    "th"
    " thead tr tt ul var u s ins del kbd strike center basefont font bdo ";
static const char attributes[] =
    " title style class id lang xml:lang dir accesskey tabindex span width align valign char "
    "charoff"
    " abbr axis headers scope rowspan colspan border cellpadding cellspacing frame rules summary"
    " src alt longdesc height usemap ismap href hreflang rel rev charset type name shape coords"
    " compact start value cite datetime bgcolor color size face hspace vspace nowrap noshade"
    " xmlns xml:space xml:base clear data ";

struct scan {
    struct slice text;
    size_t at;
    const char *reason;
    struct slice open[TAG_DEPTH_MAX];
    int depth;
    bool has_content;
    bool is_done; /* the div is closed */
    bool has_namespace; /* the outer div says it */
};

static bool refuse(struct scan *s, const char *reason)
{
    if (!s->reason)
        s->reason = reason;
    return false;
}

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
    char word[32];
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

/* &name; or &#number; */
static bool take_entity(struct scan *s)
{
    size_t start = ++s->at;
    while (peek(s) == '#' || is_name_char(peek(s)))
        s->at++;
    if (peek(s) != ';' || s->at == start)
        return refuse(s, "an ampersand that begins no entity");
    s->at++;
    return true;
}

static bool take_attribute(struct scan *s, struct slice element)
{
    struct slice name = take_name(s);
    bool is_namespace = slice_starts_with(name, SLICE("xmlns"));
    if (!is_namespace && !is_listed(attributes, name))
        return refuse(s, "an attribute that narratives may not have");
    skip_blanks(s);
    if (peek(s) != '=')
        return refuse(s, "an attribute without a value");
    s->at++;
    skip_blanks(s);
    char quote = peek(s);
    if (quote != '"' && quote != '\'')
        return refuse(s, "an attribute's value without quotes");
    size_t start = ++s->at;
    while (s->at < s->text.length && peek(s) != quote) {
        if (peek(s) == '<')
            return refuse(s, "'<' in an attribute's value");
        if (peek(s) != '&')
            s->at++;
        else if (!take_entity(s))
            return false;
    }
    struct slice value = slice_of(s->text.bytes + start, s->at - start);
    if (s->at++ >= s->text.length)
        return refuse(s, "an attribute's value that does not end");
    bool is_link = slice_is(name, "href") || slice_is(name, "src");
    if (is_link && slice_starts_with(slice_trim(value), SLICE("javascript:")))
        return refuse(s, "a script in a link");
    if (slice_is(name, "xmlns") && slice_is(element, "div") &&
        !slice_is(value, "http://www.w3.org/1999/xhtml"))
        return refuse(s, "a wrong namespace");
    s->has_namespace |= s->depth == 0 && slice_is(name, "xmlns");
    return true;
}

static bool take_close(struct scan *s)
{
    struct slice name = take_name(s);
    skip_blanks(s);
    if (peek(s) != '>' || s->depth == 0 || !slice_equal(s->open[s->depth - 1], name))
        return refuse(s, "a closing tag that closes nothing");
    s->at++;
    s->is_done = --s->depth == 0;
    return true;
}

static bool take_open(struct scan *s)
{
    struct slice name = take_name(s);
    if (!is_listed(elements, name))
        return refuse(s, "an element that narratives may not have");
    if (s->depth == 0 && (s->is_done || !slice_is(name, "div")))
        return refuse(s, "a narrative is one div");
    for (;;) {
        bool has_blank = is_blank(peek(s));
        skip_blanks(s);
        if (peek(s) == '>' || peek(s) == '/')
            break;
        if (!has_blank || !take_attribute(s, name))
            return refuse(s, "a broken tag");
    }
    s->has_content |= slice_is(name, "img");
    if (peek(s) == '/') {
        s->at += 2;
        s->is_done = s->depth == 0;
        return s->text.bytes[s->at - 1] == '>' || refuse(s, "a broken tag");
    }
    s->at++;
    if (s->depth == TAG_DEPTH_MAX)
        return refuse(s, "tags that are nested too deeply");
    s->open[s->depth++] = name;
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

bool xhtml_is_narrative(struct slice text, const char **ret_reason)
{
    struct scan s = { .text = text };
    bool is_good = true;
    while (is_good && s.at < text.length) {
        char c = peek(&s);
        if (c == '<') {
            is_good = take_markup(&s);
        } else if (!is_blank(c) && s.depth == 0) {
            is_good = refuse(&s, "text outside of the div");
        } else {
            s.has_content |= !is_blank(c);
            is_good = c != '&' || take_entity(&s);
            s.at += c != '&';
        }
    }
    if (is_good && (s.depth > 0 || !s.is_done))
        is_good = refuse(&s, "a tag that is not closed");
    if (is_good && !s.has_content)
        is_good = refuse(&s, "nothing to read");
    *ret_reason = s.reason;
    if (is_good && !s.has_namespace)
        *ret_reason = "Wrong namespace on the XHTML ('null', should be "
                      "'http://www.w3.org/1999/xhtml')";
    return is_good;
}
