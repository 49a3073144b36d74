/* Is a recorded history of concurrent calls linearizable? Wing and Gong's search
 * with Lowe's memory of what was tried: is there an order of the calls, true to who
 * had ended before whom began, in which a model gives the same answers.
 *
 * Stamps come from one counter, taken before a call is made and after its answer is
 * there. A model's state is plain bytes without padding that matters. */
#ifndef TESTS_REST_LINEAR_H
#define TESTS_REST_LINEAR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

enum { LINEAR_CALLS_MAX = 64, LINEAR_STATE_BYTES_MAX = 256, LINEAR_SEEN = 1 << 18 };

struct linear_call {
    uint64_t begin, end;
    const void *what; /* question and answer, as `fits` reads them */
};

/* Does the answer fit the state? The state becomes the one after it. */
typedef bool linear_fits(void *state, const void *what);

struct linear {
    const struct linear_call *calls;
    size_t count, state_bytes;
    linear_fits *fits;
    uint64_t *seen; /* hashes of done calls and state; 0: free */
    size_t seen_count;
    bool gave_up; /* no room for more: neither yes nor no */
};

UNUSED static bool linear_is_new(struct linear *l, uint64_t done, const void *state)
{
    uint64_t hash = XXH3_64bits_withSeed(state, l->state_bytes, done);
    hash = hash ? hash : 1;
    if (l->seen_count > LINEAR_SEEN / 2) {
        l->gave_up = true;
        return false;
    }
    size_t at = hash % LINEAR_SEEN;
    while (l->seen[at] && l->seen[at] != hash)
        at = (at + 1) % LINEAR_SEEN;
    if (l->seen[at])
        return false;
    l->seen[at] = hash;
    l->seen_count++;
    return true;
}

UNUSED static bool linear_search(struct linear *l, uint64_t done, size_t done_count,
                                 const void *state)
{
    uint64_t first_end = UINT64_MAX;
    if (done_count == l->count)
        return true;
    if (!linear_is_new(l, done, state))
        return false;
    for (size_t i = 0; i < l->count; i++)
        if (!(done >> i & 1) && l->calls[i].end < first_end)
            first_end = l->calls[i].end;
    for (size_t i = 0; i < l->count; i++) {
        if (done >> i & 1 || l->calls[i].begin > first_end)
            continue; /* made, or one that is not had ended before it began */
        unsigned char next[LINEAR_STATE_BYTES_MAX];
        memcpy(next, state, l->state_bytes);
        if (l->fits(next, l->calls[i].what) &&
            linear_search(l, done | UINT64_C(1) << i, done_count + 1, next))
            return true;
    }
    return false;
}

/* At most LINEAR_CALLS_MAX calls. */
UNUSED static bool linear_check(const struct linear_call *calls, size_t count, const void *state,
                                size_t state_bytes, linear_fits *fits)
{
    struct linear l = { .calls = calls, .count = count, .state_bytes = state_bytes, .fits = fits };
    if (count > LINEAR_CALLS_MAX || state_bytes > LINEAR_STATE_BYTES_MAX)
        abort();
    l.seen = calloc(LINEAR_SEEN, sizeof *l.seen);
    if (!l.seen)
        abort();
    bool is_linear = linear_search(&l, 0, 0, state);
    free(l.seen);
    if (l.gave_up && !is_linear)
        abort(); /* the test asks too much at once */
    return is_linear;
}

#endif
