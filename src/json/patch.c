/* JSON Patch (RFC 6902) on a tree over the target's tape. */
#include "json/tree.h"

/* Members looked at in one patch, over all its operations. */
static const uint64_t PATCH_STEPS_MAX = 20 * 1000 * 1000;

struct patching {
    struct tree tree;
    struct part *root;
    size_t bytes_left; /* that copies may still add */
    const char *why;   /* of the first failure; static */
};

/* A JSON Pointer (RFC 6901), its escapes still in it but for the name's. */
struct pointer {
    struct slice text;    /* decoded from JSON */
    struct slice parents; /* without the last token */
    struct slice name;    /* the last token, decoded */
    uint32_t depth;       /* tokens */
};

/* Where a pointer leads: a place in a container that is open; the document
 * itself has none. */
struct place {
    struct part *container; /* NULL: the whole document */
    uint32_t at;            /* of an object: its count when there is no such member */
    bool exists;
};

static enum err refuse(struct patching *p, enum err err, const char *why)
{
    if (!p->why)
        p->why = why;
    return err;
}

/* ---- pointers ---- */

static enum err token_decode(struct patching *p, struct slice token, struct slice *ret)
{
    *ret = token;
    if (slice_find_byte(token, '~') < 0)
        return ERR_NONE;
    char *room = arena_raw(p->tree.arena, token.length);
    if (!room)
        return ERR_NO_MEMORY;
    size_t length = 0;
    for (size_t i = 0; i < token.length; i++) {
        char c = token.bytes[i];
        if (c == '~')
            c = token.bytes[++i] == '0' ? '~' : '/'; /* pointer_parse() checked it */
        room[length++] = c;
    }
    *ret = slice_of(room, length);
    return ERR_NONE;
}

static enum err pointer_parse(struct patching *p, struct json value, struct pointer *ret)
{
    struct slice text = json_string(value, p->tree.arena);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    *ret = (struct pointer){ .text = text };
    if (text.length && text.bytes[0] != '/')
        return refuse(p, ERR_INVALID, "a path must be empty or begin with '/'");
    size_t last = 0;
    for (size_t i = 0; i < text.length; i++) {
        bool is_escape = text.bytes[i] == '~';
        if (is_escape && (i + 1 == text.length || (text.bytes[i + 1] & 0xfe) != '0'))
            return refuse(p, ERR_INVALID, "in a path '~' must be followed by 0 or 1");
        if (text.bytes[i] != '/')
            continue;
        ret->depth++;
        last = i;
    }
    if (ret->depth > TREE_DEPTH_MAX)
        return refuse(p, ERR_LIMIT, "a path has too many steps");
    ret->parents = slice_head(text, last);
    return ret->depth ? token_decode(p, slice_from(text, last + 1), &ret->name) : ERR_NONE;
}

/* "0", "1", ... without leading zeros; false on anything else. */
static bool index_parse(struct slice token, uint64_t *ret)
{
    return slice_parse_u64(token, ret) && (token.length == 1 || token.bytes[0] != '0');
}

/* The place of a token in a container, which is opened. */
static enum err place_find(struct patching *p, struct part *container, struct slice token,
                           struct place *ret)
{
    enum json_type type = part_type(container);
    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return refuse(p, ERR_UNPROCESSABLE, "the path leads into what is no object or array");
    TRY(part_open(&p->tree, container));
    *ret = (struct place){ .container = container, .at = container->count };
    if (type == JSON_OBJECT) {
        TRY(part_find(&p->tree, container, token, &ret->at));
    } else if (!slice_is(token, "-")) {
        uint64_t index;
        if (!index_parse(token, &index))
            return refuse(p, ERR_UNPROCESSABLE, "the path has no array index where one must be");
        if (index > container->count)
            return refuse(p, ERR_UNPROCESSABLE, "the array has no such index");
        ret->at = (uint32_t)index;
    }
    ret->exists = ret->at < container->count;
    return ERR_NONE;
}

/* All but the last token must exist. */
static enum err pointer_follow(struct patching *p, const struct pointer *to, struct place *ret)
{
    *ret = (struct place){ .exists = true };
    if (to->depth == 0)
        return ERR_NONE;
    struct part *at = p->root;
    struct slice rest = slice_from(to->parents, 1);
    for (uint32_t i = 1; i < to->depth; i++) {
        struct slice token;
        struct place place;
        TRY(token_decode(p, slice_cut(&rest, '/'), &token));
        TRY(place_find(p, at, token, &place));
        if (!place.exists)
            return refuse(p, ERR_UNPROCESSABLE, "the path does not exist");
        at = place.container->parts[place.at];
    }
    return place_find(p, at, to->name, ret);
}

static enum err pointer_existing(struct patching *p, const struct pointer *to, struct place *ret)
{
    TRY(pointer_follow(p, to, ret));
    return ret->exists ? ERR_NONE : refuse(p, ERR_UNPROCESSABLE, "the path does not exist");
}

static struct part *place_part(const struct patching *p, const struct place *place)
{
    return place->container ? place->container->parts[place->at] : p->root;
}

/* ---- operations ---- */

/* A value takes the place of the one that is there, under its name. */
static void place_set(struct patching *p, const struct place *place, struct part *value)
{
    if (!place->container) {
        p->root = value;
        return;
    }
    const struct part *old = place->container->parts[place->at];
    value->key = old->key;
    value->name = old->name;
    place->container->parts[place->at] = value;
}

static enum err add_at(struct patching *p, const struct pointer *to, struct part *value)
{
    uint32_t depth;
    size_t bytes;
    struct place place;
    TRY(part_measure(&p->tree, value, &depth, &bytes));
    if (depth + to->depth > TREE_DEPTH_MAX)
        return refuse(p, ERR_LIMIT, "the result would be nested too deep");
    TRY(pointer_follow(p, to, &place));
    if (!place.container || (place.exists && place.container->type == JSON_OBJECT)) {
        place_set(p, &place, value);
        return ERR_NONE;
    }
    value->key = JSON_ABSENT;
    value->name = place.container->type == JSON_OBJECT ? to->name : SLICE_NONE;
    return part_insert(&p->tree, place.container, place.at, value);
}

static enum err remove_at(struct patching *p, const struct pointer *from, struct part **ret_value)
{
    struct place place;
    TRY(pointer_existing(p, from, &place));
    if (!place.container)
        return refuse(p, ERR_UNPROCESSABLE, "the whole document cannot be removed");
    *ret_value = place_part(p, &place);
    return part_remove(&p->tree, place.container, place.at);
}

static enum err run_copy(struct patching *p, const struct pointer *from, const struct pointer *to)
{
    struct place place;
    struct part *copy;
    uint32_t depth;
    size_t bytes;
    TRY(pointer_existing(p, from, &place));
    struct part *value = place_part(p, &place);
    TRY(part_measure(&p->tree, value, &depth, &bytes));
    if (bytes > p->bytes_left)
        return refuse(p, ERR_LIMIT, "the copies of this patch are too long together");
    p->bytes_left -= bytes;
    TRY(part_copy(&p->tree, value, &copy));
    return add_at(p, to, copy);
}

static enum err run_move(struct patching *p, const struct pointer *from, const struct pointer *to)
{
    struct place place;
    struct part *value;
    TRY(pointer_existing(p, from, &place));
    if (slice_equal(from->text, to->text))
        return ERR_NONE;
    if (slice_starts_with(to->text, from->text) && to->text.bytes[from->text.length] == '/')
        return refuse(p, ERR_UNPROCESSABLE, "a value cannot be moved into itself");
    TRY(remove_at(p, from, &value));
    return add_at(p, to, value);
}

static enum err run_replace(struct patching *p, const struct pointer *to, struct part *value)
{
    struct place place;
    TRY(pointer_existing(p, to, &place));
    place_set(p, &place, value);
    return ERR_NONE;
}

static enum err run_test(struct patching *p, const struct pointer *to, struct json value)
{
    struct place place;
    bool is_equal;
    TRY(pointer_existing(p, to, &place));
    TRY(part_equal(&p->tree, place_part(p, &place), value, &is_equal));
    return is_equal ? ERR_NONE : refuse(p, ERR_UNPROCESSABLE, "the test failed: another value");
}

/* ---- the patch ---- */

enum op { OP_ADD, OP_REMOVE, OP_REPLACE, OP_MOVE, OP_COPY, OP_TEST, OP_COUNT };

static enum err op_parse(struct patching *p, struct json operation, enum op *ret)
{
    static const char *const NAMES[OP_COUNT] = {
        [OP_ADD] = "add",   [OP_REMOVE] = "remove", [OP_REPLACE] = "replace",
        [OP_MOVE] = "move", [OP_COPY] = "copy",     [OP_TEST] = "test",
    };
    if (!json_is(operation, JSON_OBJECT))
        return refuse(p, ERR_INVALID, "an operation must be an object");
    struct json name = json_member(operation, "op");
    for (int i = 0; i < OP_COUNT; i++) {
        *ret = (enum op)i;
        if (json_is(name, JSON_STRING) && json_string_is(name, slice_cstr(NAMES[i])))
            return ERR_NONE;
    }
    return refuse(p, ERR_INVALID, "op must be add, remove, replace, move, copy or test");
}

static enum err run_with_value(struct patching *p, enum op op, const struct pointer *path,
                               struct json value)
{
    if (!json_exists(value))
        return refuse(p, ERR_INVALID, "value is missing");
    if (op == OP_TEST)
        return run_test(p, path, value);
    struct part *part = part_new(&p->tree, value);
    if (!part)
        return ERR_NO_MEMORY;
    return op == OP_ADD ? add_at(p, path, part) : run_replace(p, path, part);
}

static enum err operation_run(struct patching *p, struct json operation)
{
    enum op op;
    struct pointer path, from;
    struct part *removed;
    TRY(op_parse(p, operation, &op));
    if (!json_is(json_member(operation, "path"), JSON_STRING))
        return refuse(p, ERR_INVALID, "path is missing or no string");
    TRY(pointer_parse(p, json_member(operation, "path"), &path));
    if (op == OP_REMOVE)
        return remove_at(p, &path, &removed);
    if (op != OP_MOVE && op != OP_COPY)
        return run_with_value(p, op, &path, json_member(operation, "value"));
    if (!json_is(json_member(operation, "from"), JSON_STRING))
        return refuse(p, ERR_INVALID, "from is missing or no string");
    TRY(pointer_parse(p, json_member(operation, "from"), &from));
    return op == OP_MOVE ? run_move(p, &from, &path) : run_copy(p, &from, &path);
}

static enum err operations_run(struct patching *p, struct json patch, uint32_t *ret_failed)
{
    *ret_failed = 0;
    if (!json_is(patch, JSON_ARRAY))
        return refuse(p, ERR_INVALID, "a JSON Patch must be an array of operations");
    for (struct json v = json_first(patch); json_exists(v); v = json_next(patch, v)) {
        TRY(operation_run(p, v));
        ++*ret_failed;
    }
    return ERR_NONE;
}

enum err json_patch(struct json target, struct json patch, size_t bytes_max, struct arena *arena,
                    struct buf *out, struct json_patch_error *error)
{
    struct patching p = {
        .tree = { .arena = arena, .steps = PATCH_STEPS_MAX },
        .bytes_left = bytes_max ? bytes_max : JSON_PATCH_BYTES_DEFAULT,
    };
    uint32_t failed;
    p.root = part_new(&p.tree, target);
    if (!p.root)
        return ERR_NO_MEMORY;
    enum err err = operations_run(&p, patch, &failed);
    if (!err) {
        part_render(p.root, out);
        return buf_status(out);
    }
    if (!p.why)
        p.why = err == ERR_LIMIT ? "the patch needs too much work" : err_text(err);
    if (error)
        *error = (struct json_patch_error){ .operation = failed, .text = p.why };
    return err;
}
