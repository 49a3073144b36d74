/* Blocks of every kind against plain bitmaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "os/random.h"
#include "store/segment/block.h"
#include "store/segment/posting.h"

static uint64_t seed;

static uint64_t roll(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

/* A block with a plain copy of what is in it. */
struct sample {
    uint64_t bits[BLOCK_WORDS];
    uint16_t list[BLOCK_DOCS];
    uint16_t runs[2 * BLOCK_DOCS];
    struct block block;
};

static void draw(struct sample *s)
{
    static const uint64_t rarities[] = { 1, 2, 20, 300, 9000 };
    memset(s->bits, 0, sizeof s->bits);
    uint64_t rarity = rarities[roll(5)], shape = roll(3);
    if (shape == 0) {
        for (uint32_t i = 0, n = 1 + (uint32_t)roll(40); i < n; i++) {
            uint32_t first = (uint32_t)roll(BLOCK_DOCS);
            uint32_t last = MIN(first + (uint32_t)roll(4000), (uint32_t)BLOCK_DOCS - 1);
            bits_set_range(s->bits, first, last);
        }
    } else {
        for (uint32_t low = 0; low < BLOCK_DOCS; low++)
            if (roll(rarity) == 0)
                bits_set(s->bits, low);
    }
    bits_set(s->bits, (uint32_t)roll(BLOCK_DOCS));
    uint32_t count = 0, runs = 0;
    for (uint32_t low = 0; low < BLOCK_DOCS; low++) {
        if (!bits_has(s->bits, low))
            continue;
        s->list[count++] = (uint16_t)low;
        if (low && bits_has(s->bits, low - 1)) {
            s->runs[2 * runs - 1]++;
        } else {
            s->runs[2 * runs] = (uint16_t)low;
            s->runs[2 * runs++ + 1] = 0;
        }
    }
    if (count <= BLOCK_LIST_MAX && roll(2))
        block_of_list(&s->block, 3, s->list, count);
    else if (roll(2))
        block_of_bits(&s->block, 3, s->bits);
    else
        s->block = (struct block){
            .number = 3, .count = count, .kind = BLOCK_RUNS, .run_count = runs, .list = s->runs
        };
}

static void check_is(const struct block *b, const uint64_t *expected)
{
    static uint16_t lows[BLOCK_DOCS];
    static uint64_t bits[BLOCK_WORDS];
    assert_int_equal(b->number, 3);
    assert_int_equal(b->count, bits_count(expected));
    memset(bits, 0, sizeof bits);
    block_or_into(b, bits);
    assert_memory_equal(bits, expected, sizeof bits);
    uint32_t count = block_lows(b, lows), at = 0;
    assert_int_equal(count, b->count);
    for (uint32_t low = 0; low < BLOCK_DOCS; low++)
        if (bits_has(expected, low))
            assert_int_equal(lows[at++], low);
    struct block_place place = { 0 };
    for (uint32_t low = 0, i = 0; low < BLOCK_DOCS; low += 1 + (uint32_t)roll(2000)) {
        while (i < count && lows[i] < low)
            i++;
        assert_int_equal(block_seek(b, &place, low), i < count ? lows[i] : (uint32_t)BLOCK_NONE);
    }
}

static void and_or_and_not_are_what_bitmaps_say(void **state)
{
    (void)state;
    struct sample *a = malloc(sizeof *a), *b = malloc(sizeof *b);
    static union block_room room;
    for (int round = 0; round < 300; round++) {
        uint64_t both[BLOCK_WORDS], either[BLOCK_WORDS], first[BLOCK_WORDS];
        struct block got;
        draw(a);
        draw(b);
        check_is(&a->block, a->bits);
        for (uint32_t w = 0; w < BLOCK_WORDS; w++) {
            both[w] = a->bits[w] & b->bits[w];
            either[w] = a->bits[w] | b->bits[w];
            first[w] = a->bits[w] & ~b->bits[w];
        }
        if (block_and(&a->block, &b->block, &room, &got))
            check_is(&got, both);
        else
            assert_int_equal(bits_count(both), 0);
        block_or(&a->block, &b->block, &room, &got);
        check_is(&got, either);
        if (block_and_not(&a->block, &b->block, &room, &got))
            check_is(&got, first);
        else
            assert_int_equal(bits_count(first), 0);
        /* Once more with the first of them in the room. */
        struct block mine = got;
        if (bits_count(first) && got.kind != BLOCK_RUNS) {
            draw(b);
            for (uint32_t w = 0; w < BLOCK_WORDS; w++)
                first[w] &= ~b->bits[w];
            if (block_and_not(&mine, &b->block, &room, &got))
                check_is(&got, first);
            else
                assert_int_equal(bits_count(first), 0);
        }
    }
    free(a);
    free(b);
}

static void lists_put_together_have_each_document_once(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        static uint16_t list[2 * BLOCK_LIST_MAX], add[BLOCK_LIST_MAX];
        uint64_t bits[BLOCK_WORDS] = { 0 };
        uint32_t count = 0, more = 0, step = 1 + (uint32_t)roll(60);
        for (uint32_t low = (uint32_t)roll(BLOCK_DOCS); low < BLOCK_DOCS && count < 2000;
             low += 1 + (uint32_t)roll(step))
            bits_set(bits, list[count++] = (uint16_t)low);
        for (uint32_t low = (uint32_t)roll(BLOCK_DOCS); low < BLOCK_DOCS && more < 2000;
             low += 1 + (uint32_t)roll(step))
            bits_set(bits, add[more++] = (uint16_t)low);
        struct block sum;
        block_of_list(&sum, 3, list, block_list_add(list, count, add, more));
        if (sum.count)
            check_is(&sum, bits);
    }
}

/* A union of lists that share blocks and documents. */
static void a_union_reads_several_lists_as_one(void **state)
{
    (void)state;
    enum { DOCS = 200000, LISTS = 5 };
    static uint32_t places[LISTS][DOCS];
    for (int round = 0; round < 10; round++) {
        static bool has[DOCS + LISTS];
        struct posting lists[LISTS];
        memset(has, 0, sizeof has);
        for (uint32_t l = 0; l < LISTS; l++) {
            uint32_t count = 0, step = 1 + (uint32_t)roll(l % 2 ? 3 : 500);
            for (uint32_t place = (uint32_t)roll(DOCS / 2); place < DOCS;
                 place += 1 + (uint32_t)roll(step)) {
                places[l][count++] = place;
                has[place + l] = true;
            }
            posting_open_run(&lists[l], places[l], count, l);
        }
        struct arena arena;
        struct posting_union u;
        arena_init(&arena, 1 << 20);
        assert_int_equal(posting_union_open(&u, lists, LISTS, &arena), ERR_NONE);
        uint64_t doc = 0;
        for (uint64_t number = 0;; number++) {
            struct block b;
            bool any = false;
            struct block_place at = { 0 };
            uint32_t seen = 0;
            assert_int_equal(posting_union_next(&u, number, &any, &b), ERR_NONE);
            if (!any)
                break;
            for (uint32_t low = 0; (low = block_seek(&b, &at, low)) != BLOCK_NONE; low++, seen++) {
                for (; doc < (b.number << BLOCK_SHIFT | low); doc++)
                    assert_false(has[doc]);
                assert_true(has[doc++]);
            }
            assert_int_equal(seen, b.count);
            number = b.number;
        }
        for (; doc < DOCS + LISTS; doc++)
            assert_false(has[doc]);
        arena_release(&arena);
    }
}

int main(void)
{
    seed = os_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(and_or_and_not_are_what_bitmaps_say),
        cmocka_unit_test(lists_put_together_have_each_document_once),
        cmocka_unit_test(a_union_reads_several_lists_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
