#include "json/json.h"

/* A run of the source that is copied as it stands. Text without insignificant
 * white space, the usual case, is one run. */
struct run {
    const char *text;
    uint32_t start, end; /* offsets */
};

/* The next token is text[from, to), to be written behind `separator` (NUL:
 * none). The source has only blanks besides the separator before it. */
static void run_add(struct run *run, struct buf *out, char separator, uint32_t from, uint32_t to)
{
    uint32_t gap = separator ? 1 : 0;
    if (LIKELY(from - run->end == gap)) {
        run->end = to;
        return;
    }
    buf_append(out, slice_of(run->text + run->start, run->end - run->start));
    if (separator)
        buf_append_byte(out, separator);
    run->start = from;
    run->end = to;
}

void json_minify(struct json v, struct buf *out)
{
    if (!v.doc)
        return;
    const struct json_node *nodes = v.doc->nodes;
    uint32_t open[JSON_DEPTH_MAX];
    uint32_t depth = 0, at = v.at, end = nodes[v.at].next;
    bool quoted = nodes[at].type == JSON_STRING || nodes[at].type == JSON_KEY;
    uint32_t start = nodes[at].offset - quoted;
    struct run run = { v.doc->text.bytes, start, start };
    char separator = '\0';
    while (at < end || depth > 0) {
        if (depth > 0 && at == nodes[open[depth - 1]].next) {
            const struct json_node *closed = &nodes[open[--depth]];
            uint32_t bracket = closed->offset + closed->length - 1;
            run_add(&run, out, '\0', bracket, bracket + 1);
            separator = ',';
            continue;
        }
        const struct json_node *node = &nodes[at];
        uint32_t from = node->offset, to = from + node->length;
        bool container = node->type == JSON_OBJECT || node->type == JSON_ARRAY;
        if (container) {
            CHECK(depth < JSON_DEPTH_MAX); /* the parser allows no more */
            open[depth++] = at;
            to = from + 1;
        } else if (node->type == JSON_STRING || node->type == JSON_KEY) {
            from--;
            to++;
        }
        run_add(&run, out, separator, from, to);
        separator = ',';
        if (container)
            separator = '\0';
        else if (node->type == JSON_KEY)
            separator = ':';
        at++;
    }
    buf_append(out, slice_of(run.text + run.start, run.end - run.start));
}

static const char short_escapes[32] = {
    ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
};

static void write_escape(struct buf *out, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    char text[6] = { '\\', (char)byte, '0', '0', digits[byte >> 4], digits[byte & 15] };
    size_t length = 2;
    if (byte < 0x20) {
        text[1] = short_escapes[byte] ? short_escapes[byte] : 'u';
        length = short_escapes[byte] ? 2 : 6;
    }
    buf_append(out, slice_of(text, length));
}

void json_write_string(struct buf *out, struct slice text)
{
    buf_append_byte(out, '"');
    size_t plain = 0;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = (uint8_t)text.bytes[i];
        if (LIKELY(byte >= 0x20 && byte != '"' && byte != '\\'))
            continue;
        buf_append(out, slice_of(text.bytes + plain, i - plain));
        write_escape(out, byte);
        plain = i + 1;
    }
    if (plain < text.length)
        buf_append(out, slice_of(text.bytes + plain, text.length - plain));
    buf_append_byte(out, '"');
}
