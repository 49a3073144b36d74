/* Strings in which case and accents count. They are found as folded ones; the text as
 * written, which lies behind the folded one in the index, decides. */
#include "search/compile.h"

#include "index/index.h"

enum { HASH_BYTES = 32 }; /* in hex, at the end of what was too long to keep */

struct cased {
    struct slice text;
    bool is_anywhere; /* else at the start */
};

static bool is_hex(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!((text.bytes[i] >= '0' && text.bytes[i] <= '9') ||
              (text.bytes[i] >= 'a' && text.bytes[i] <= 'f')))
            return false;
    return true;
}

/* 't' folded 0 exact */
static bool accepts(const struct plan *plan, struct slice value)
{
    const struct cased *cased = plan->accepts_context;
    struct slice exact = value, text = cased->text;
    (void)slice_cut(&exact, '\0');
    size_t head = INDEX_STARTS_WITH_BYTES_MAX - HASH_BYTES;
    if (exact.length == INDEX_STARTS_WITH_BYTES_MAX && is_hex(slice_from(exact, head))) {
        exact = slice_head(exact, head);
        text = slice_head(text, head);
    }
    return cased->is_anywhere ? slice_find(exact, text) >= 0 : slice_starts_with(exact, text);
}

enum err plan_cased(struct compiler *c, struct slice text, bool is_anywhere, struct plan *plan)
{
    struct cased *cased = arena_alloc(c->arena, sizeof *cased);
    if (!cased)
        return ERR_NO_MEMORY;
    *cased = (struct cased){ text, is_anywhere };
    plan->accepts = accepts;
    plan->accepts_context = cased;
    return ERR_NONE;
}
