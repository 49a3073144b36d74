/* Segments against a naive index: random terms, random deaths, merges of
 * merges; and files with every byte changed. */
#include "fixture.h"

#include <unistd.h>
#include <xxhash.h>

#include "os/random.h"
#include "store/segment/manifest.h"
#include "store/segment/merge.h"
#include "store/segment/tiers.h"

enum { FIELDS = 4, VALUES = 60, SHAPES = 5 };

/* doc -> the values it has, as bits; and when it died. */
struct naive {
    uint64_t first, count; /* documents */
    uint64_t (*has)[FIELDS];
    uint64_t *died; /* 0: alive */
};

struct world {
    char folder[64];
    struct arena arena;
    uint64_t random;
    struct naive all;
    uint64_t next;
};

static uint64_t roll(struct world *w, uint64_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random % below;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    snprintf(w->folder, sizeof w->folder, "/tmp/tarn-segment-XXXXXX");
    if (!mkdtemp(w->folder))
        return -1;
    arena_init(&w->arena, (size_t)1 << 30);
    w->random = os_random_u64() | 1;
    w->next = 1;
    print_message("seed %llu\n", (unsigned long long)w->random);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    enum err err = os_folder_remove(w->folder);
    free(w->all.has);
    free(w->all.died);
    arena_release(&w->arena);
    free(w);
    return err ? -1 : 0;
}

/* Long common beginnings and ends, NULs, and the empty value. */
static struct slice value_of(struct arena *a, uint32_t field, unsigned v)
{
    if (!v)
        return SLICE("");
    if (v % 7 == 0)
        return slice_of(arena_printf(a, "%c%c", v, 0).bytes, 2);
    if (field == 2)
        return arena_printf(a, "c%u%chttp://example.org/system", v * 7919, 0);
    return arena_printf(a, "%0*u", 1 + (int)(v * 17 % 900), v);
}

/* How often a document has value v: every one, runs of them, one in many. */
static bool wants(struct world *w, uint64_t doc, unsigned v)
{
    switch (v % SHAPES) {
    case 0:
        return v < 10 ? roll(w, 10) != 0 : false;
    case 1:
        return doc / 500 % 7 == v % 7;
    case 2:
        return roll(w, 40) == 0;
    case 3:
        return roll(w, 3000) == 0;
    default:
        return doc % 9973 == v * 31;
    }
}

static struct run *make_run(struct world *w, uint64_t count)
{
    struct naive *n = &w->all;
    uint64_t from = n->count;
    n->count += count;
    n->has = realloc(n->has, n->count * sizeof *n->has);
    n->died = realloc(n->died, n->count * sizeof *n->died);
    struct arena_mark mark = arena_mark(&w->arena);
    struct run_source *sources = arena_array(&w->arena, count, sizeof *sources);
    struct slice values[FIELDS][VALUES];
    for (uint32_t f = 0; f < FIELDS; f++)
        for (unsigned v = 0; v < VALUES; v++)
            values[f][v] = value_of(&w->arena, f, v);
    for (uint64_t i = 0; i < count; i++) {
        struct term *terms = arena_array(&w->arena, FIELDS * VALUES, sizeof *terms);
        size_t made = 0;
        n->died[from + i] = 0;
        for (uint32_t f = 0; f < FIELDS; f++) {
            n->has[from + i][f] = 0;
            for (unsigned v = 0; v < VALUES; v++) {
                if (!wants(w, n->first + from + i, v + f))
                    continue;
                n->has[from + i][f] |= (uint64_t)1 << v;
                terms[made++] = (struct term){ f, values[f][v] };
            }
        }
        arena_trim(&w->arena, terms, FIELDS * VALUES * sizeof *terms, made * sizeof *terms);
        sources[i] = (struct run_source){ terms, made };
    }
    struct run *run = NULL;
    assert_int_equal(run_build(sources, count, 7, NULL, NULL, &w->arena, &run), ERR_NONE);
    run->base = n->first + from;
    arena_rewind(&w->arena, mark);
    return run;
}

static enum err deaths(void *context, struct merge_dead *dead)
{
    const struct naive *n = context;
    for (uint64_t doc = dead->first; doc <= dead->last; doc++) {
        uint64_t died = n->died[doc - n->first], at = doc - dead->first;
        if (!died || died > dead->until)
            continue;
        dead->dead_bits[at / 64] |= (uint64_t)1 << (at % 64);
        dead->dead_count++;
    }
    return ERR_NONE;
}

/* Kill every `one_in`th of those alive, at the time `at`. */
static void kill_some(struct world *w, uint64_t one_in, uint64_t at)
{
    for (uint64_t i = 0; i < w->all.count; i++)
        if (!w->all.died[i] && roll(w, one_in) == 0)
            w->all.died[i] = at;
}

static struct merged merge(struct world *w, struct run *const *runs,
                           struct segment *const *segments, uint32_t count, uint64_t until)
{
    struct merged made = { NULL, NULL };
    struct merge m = { .folder = w->folder, .until = until, .runs = runs, .segments = segments };
    m.count = count;
    m.deaths = deaths;
    m.context = &w->all;
    m.number = w->next++;
    m.past_number = w->next++;
    m.first = runs ? runs[0]->base : segments[0]->footer.first;
    m.last = runs ? run_last(runs[count - 1]) : segments[count - 1]->footer.last;
    assert_int_equal(merge_write(&m, &made), ERR_NONE);
    return made;
}

static bool find(const struct segment *s, uint32_t field, struct slice value, struct posting *ret)
{
    struct segment_key key;
    bool is_there = true;
    segment_key_make(&key, field, value);
    assert_int_equal(segment_find(s, &key, &is_there, ret), ERR_NONE);
    return is_there;
}

/* The documents of the value in these segments, each once, ascending. */
static void check_value(struct world *w, struct segment *const *segments, uint32_t count,
                        uint32_t f, unsigned v, uint64_t alive_at, uint64_t dead_at)
{
    struct arena_mark mark = arena_mark(&w->arena);
    struct posting *lists = arena_array(&w->arena, count, sizeof *lists);
    struct posting_union u;
    uint32_t found = 0;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        found += find(segments[i], f, value_of(&w->arena, f, v), &lists[found]);
    assert_int_equal(posting_union_open(&u, lists, found, &w->arena), ERR_NONE);
    uint64_t docs = u.docs, doc = segments[0]->footer.first;
    uint64_t last = segments[count - 1]->footer.last;
    const struct naive *n = &w->all;
    for (uint64_t number = 0;;) {
        struct block block;
        struct block_place place = { 0 };
        bool any = false;
        assert_int_equal(posting_union_next(&u, number, &any, &block), ERR_NONE);
        if (!any)
            break;
        for (uint32_t low = 0; (low = block_seek(&block, &place, low)) != BLOCK_NONE; low++) {
            uint64_t at = block.number << BLOCK_SHIFT | low;
            for (; doc < at; doc++) {
                uint64_t died = n->died[doc - n->first];
                bool wanted = n->has[doc - n->first][f] >> v & 1 && (!died || died > alive_at) &&
                              (!dead_at || (died && died <= dead_at));
                assert_false(wanted);
            }
            uint64_t died = n->died[doc - n->first];
            assert_true(n->has[doc - n->first][f] >> v & 1);
            assert_true(!died || died > alive_at);
            assert_true(!dead_at || (died && died <= dead_at));
            doc++;
            sum++;
        }
        number = block.number + 1;
    }
    for (; doc <= last; doc++) {
        uint64_t died = n->died[doc - n->first];
        assert_false(n->has[doc - n->first][f] >> v & 1 && (!died || died > alive_at) &&
                     (!dead_at || (died && died <= dead_at)));
    }
    assert_int_equal(sum, docs); /* no two of the segments have the same document */
    arena_rewind(&w->arena, mark);
}

static void check_values(struct world *w, struct segment *const *segments, uint32_t count,
                         uint64_t alive_at, uint64_t dead_at)
{
    for (uint32_t f = 0; f < FIELDS; f++)
        for (unsigned v = 0; v < VALUES; v++)
            check_value(w, segments, count, f, v, alive_at, dead_at);
    struct posting list;
    assert_false(find(segments[0], 9, SLICE("none"), &list));
    assert_false(find(segments[0], 2, SLICE("c79190"), &list));
}

static void check_walk(const struct segment *s)
{
    struct segment_walk w;
    bool any = false;
    uint64_t keys = 0, postings = 0;
    uint8_t before[KEY_BYTES_MAX];
    size_t before_size = 0;
    assert_int_equal(segment_walk_seek(&w, s, NULL, 0, &any), ERR_NONE);
    while (any) {
        struct posting list;
        int order = key_compare_bytes(before, before_size, w.leaf.key, w.leaf.key_size);
        assert_true(!keys || order < 0);
        before_size = w.leaf.key_size;
        memcpy(before, w.leaf.key, before_size);
        assert_int_equal(segment_walk_list(&w, &list), ERR_NONE);
        postings += list.count;
        keys++;
        struct segment_walk again;
        bool any_again = false;
        assert_int_equal(segment_walk_seek(&again, s, before, before_size, &any_again), ERR_NONE);
        assert_true(any_again && again.leaf.key_size == before_size &&
                    memcmp(again.leaf.key, before, before_size) == 0);
        assert_int_equal(segment_walk_next(&w, &any), ERR_NONE);
    }
    assert_int_equal(keys, s->footer.key_count);
    assert_int_equal(postings, s->footer.posting_count);
}

static void a_segment_holds_what_its_runs_held(void **state)
{
    struct world *w = *state;
    w->all.first = 65536 - 3000; /* blocks begin within the segment */
    struct run *runs[3];
    for (uint32_t i = 0; i < ARRAY_COUNT(runs); i++)
        runs[i] = make_run(w, 1000 + roll(w, 9000));
    struct merged made = merge(w, runs, NULL, ARRAY_COUNT(runs), 1);
    assert_null(made.past);
    assert_int_equal(made.segment->footer.docs, w->all.count);
    check_values(w, &made.segment, 1, 1, 0);
    check_walk(made.segment);
    segment_unref(made.segment);
    for (uint32_t i = 0; i < ARRAY_COUNT(runs); i++)
        run_unref(runs[i]);
}

static void merging_moves_the_dead_to_a_past_segment(void **state)
{
    struct world *w = *state;
    w->all.first = 1 + roll(w, 200000);
    struct segment *segments[4], *pasts[8];
    uint32_t past_count = 0;
    for (uint32_t i = 0; i < ARRAY_COUNT(segments); i++) {
        struct run *run = make_run(w, 2000 + roll(w, 8000));
        struct merged made = merge(w, &run, NULL, 1, 10);
        segments[i] = made.segment;
        assert_null(made.past);
        run_unref(run);
    }
    check_values(w, segments, ARRAY_COUNT(segments), 10, 0);
    for (uint64_t at = 20; at < 50; at += 10) {
        kill_some(w, 4, at);
        struct merged one = merge(w, NULL, segments + 1, 1, at);
        segment_unref(segments[1]);
        segments[1] = one.segment;
        pasts[past_count++] = one.past;
        assert_non_null(one.past);
        check_values(w, &segments[1], 1, at, 0);
        check_walk(one.past);
    }
    kill_some(w, 3, 60);
    struct merged all = merge(w, NULL, segments, ARRAY_COUNT(segments), 60);
    pasts[past_count++] = all.past;
    check_values(w, &all.segment, 1, 60, 0);
    check_walk(all.segment);
    struct merged past = { NULL, NULL };
    struct merge m = { .folder = w->folder, .until = 60, .is_past = true, .segments = pasts };
    m.count = past_count;
    m.first = all.segment->footer.first;
    m.last = all.segment->footer.last;
    m.past_number = w->next++;
    assert_int_equal(merge_write(&m, &past), ERR_NONE);
    assert_null(past.segment);
    check_values(w, &past.past, 1, 0, 60);
    segment_unref(past.past);
    segment_unref(all.segment);
    for (uint32_t i = 0; i < past_count; i++)
        segment_unref(pasts[i]);
    for (uint32_t i = 0; i < ARRAY_COUNT(segments); i++)
        segment_unref(segments[i]);
}

/* ---- damage ---- */

/* Read all there is; the sum of what was read, 0 when refused. */
static uint64_t read_all(struct world *w, uint64_t number)
{
    struct segment *s = NULL;
    struct segment_walk walk;
    union block_room room;
    bool any = false;
    uint64_t sum = 1;
    if (segment_open(w->folder, number, &s) != ERR_NONE)
        return 0;
    enum err err = segment_walk_seek(&walk, s, NULL, 0, &any);
    while (!err && any) {
        struct posting list;
        err = segment_walk_list(&walk, &list);
        for (size_t i = 0; i < walk.leaf.key_size; i++)
            sum = sum * 31 + walk.leaf.key[i];
        while (!err && list.number != POSTING_END) {
            struct block block;
            struct block_place place = { 0 };
            err = posting_next(&list, &room, &block);
            for (uint32_t low = 0; !err && (low = block_seek(&block, &place, low)) != BLOCK_NONE;
                 low++)
                sum = sum * 31 + (block.number << BLOCK_SHIFT | low);
        }
        if (!err)
            err = segment_walk_next(&walk, &any);
    }
    segment_unref(s);
    return err ? 0 : sum | 1;
}

static void a_changed_byte_is_refused_or_changes_nothing(void **state)
{
    struct world *w = *state;
    w->all.first = 60000;
    struct run *run = make_run(w, 20000);
    struct merged made = merge(w, &run, NULL, 1, 1);
    run_unref(run);
    char path[SEGMENT_PATH_MAX];
    segment_path(path, w->folder, made.segment->footer.number);
    size_t size = made.segment->size;
    uint64_t number = made.segment->footer.number, right = read_all(w, number), refused = 0;
    segment_unref(made.segment);
    assert_true(right != 0);
    FILE *file = fopen(path, "r+b");
    enum { TRIES = 400 };
    for (int i = 0; i < TRIES; i++) {
        long at = i < 96 ? (long)size - 1 - i : (long)roll(w, size);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        int old = fgetc(file);
        fseek(file, at, SEEK_SET);
        fputc(old ^ (1 << roll(w, 8)), file);
        fflush(file);
        uint64_t sum = read_all(w, number);
        assert_true(sum == 0 || sum == right);
        refused += sum == 0;
        fseek(file, at, SEEK_SET);
        fputc(old, file);
        fflush(file);
    }
    assert_true(refused > TRIES * 9 / 10); /* the rest are bytes that only pad */
    assert_int_equal(read_all(w, number), right);
    for (int i = 0; i < 40; i++) {
        size_t less = 1 + roll(w, i < 20 ? 100 : size - 1);
        assert_int_equal(ftruncate(fileno(file), (off_t)(size - less)), 0);
        assert_int_equal(read_all(w, number), 0);
    }
    fclose(file);
}

/* As those wrote it that knew of no filter. */
static void make_format_1(const char *path, const struct segment *s)
{
    char header[SEGMENT_HEADER_BYTES] = { 'T', 'A', 'R', 'N', 'S', 'E', 'G', 0, 1 };
    enum { KEPT = offsetof(struct segment_footer, filter_at) };
    char bytes[SEGMENT_HEADER_BYTES + KEPT];
    memcpy(bytes, header, sizeof header);
    memcpy(bytes + sizeof header, &s->footer, KEPT);
    uint64_t sum = XXH3_64bits(bytes, sizeof bytes);
    size_t end = s->footer.root_at + s->footer.root_size; /* where it was */
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fwrite(header, sizeof header, 1, file), 1);
    assert_int_equal(fseek(file, (long)end, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes + sizeof header, KEPT, 1, file), 1);
    assert_int_equal(fwrite(&sum, sizeof sum, 1, file), 1);
    assert_int_equal(fflush(file), 0);
    assert_int_equal(ftruncate(fileno(file), (off_t)(end + KEPT + sizeof sum)), 0);
    fclose(file);
}

static void a_segment_without_a_filter_of_format_1_is_read_and_merged(void **state)
{
    struct world *w = *state;
    w->all.first = 60000;
    struct run *run = make_run(w, 20000);
    struct merged made = merge(w, &run, NULL, 1, 1);
    run_unref(run);
    char path[SEGMENT_PATH_MAX];
    uint64_t number = made.segment->footer.number, right = read_all(w, number);
    segment_path(path, w->folder, number);
    assert_true(made.segment->footer.filter_lines > 0);
    make_format_1(path, made.segment);
    segment_unref(made.segment);
    assert_int_equal(read_all(w, number), right);
    struct segment *old = NULL;
    assert_int_equal(segment_open(w->folder, number, &old), ERR_NONE);
    assert_int_equal(old->footer.filter_lines, 0);
    assert_int_equal(segment_verify(old, NULL, NULL), ERR_NONE);
    check_values(w, &old, 1, 1, 0);
    struct merged all = merge(w, NULL, &old, 1, 1);
    assert_true(all.segment->footer.filter_lines > 0);
    check_values(w, &all.segment, 1, 1, 0);
    segment_unref(all.segment);
    size_t size = old->size;
    segment_unref(old);
    FILE *file = fopen(path, "r+b");
    for (long at = (long)size - 80; at < (long)size; at++) { /* its footer's sum is looked at */
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        int byte = fgetc(file);
        fseek(file, at, SEEK_SET);
        fputc(byte ^ 4, file);
        fflush(file);
        assert_int_equal(read_all(w, number), 0);
        fseek(file, at, SEEK_SET);
        fputc(byte, file);
        fflush(file);
    }
    fclose(file);
    assert_int_equal(read_all(w, number), right);
}

static void a_manifest_is_whole_or_refused(void **state)
{
    struct world *w = *state;
    struct manifest_segment rows[4] = { { 4, 100, 1, 10, 0, 3, 77, SEGMENT_MAIN, 0, 0 },
                                        { 7, 200, 11, 30, 0, 0, 78, SEGMENT_MAIN, 1, 0 },
                                        { 2, 300, 1, 20, 25, 0, 79, SEGMENT_PAST, 0, 0 },
                                        { 3, 40, 2, 12, 0, 0, 80, SEGMENT_PENDING, 0, 7 } };
    struct manifest_rule rules[2] = { { 65536, 1u << 31, 99 }, { 65537, 65537, 98 } };
    struct manifest_moved moved = { 65536, 0, 20, 10 };
    struct manifest m = { .covers = 30, .next = 9, .rules_hash = 5, .segments = rows }, got;
    m.segment_count = 4;
    m.rules = rules;
    m.rule_count = 2;
    m.moved = &moved;
    m.moved_count = 1;
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    manifest_render(&m, &bytes);
    assert_int_equal(manifest_parse(buf_slice(&bytes), &got), ERR_NONE);
    assert_true(got.covers == 30 && got.next == 9 && got.rules_hash == 5);
    assert_memory_equal(got.segments, rows, sizeof rows);
    assert_memory_equal(got.rules, rules, sizeof rules);
    assert_memory_equal(got.moved, &moved, sizeof moved);
    for (size_t cut = 0; cut < bytes.length; cut++)
        assert_int_not_equal(manifest_parse(slice_of(bytes.bytes, cut), &got), ERR_NONE);
    for (size_t at = 0; at < bytes.length; at++) {
        bytes.bytes[at] = (char)(bytes.bytes[at] ^ (1 << roll(w, 8)));
        assert_int_not_equal(manifest_parse(buf_slice(&bytes), &got), ERR_NONE);
        buf_clear(&bytes);
        manifest_render(&m, &bytes);
    }
    /* Whole, but saying what cannot be. */
    const struct manifest_segment wrong[] = {
        { 9, 100, 1, 10, 0, 0, 0, SEGMENT_MAIN, 0, 0 },  /* a number not handed out */
        { 4, 100, 10, 1, 0, 0, 0, SEGMENT_MAIN, 0, 0 },  /* ends before it begins */
        { 4, 100, 1, 31, 0, 0, 0, SEGMENT_MAIN, 0, 0 },  /* beyond what is covered */
        { 4, 100, 1, 11, 0, 0, 0, SEGMENT_MAIN, 0, 0 },  /* over its neighbour */
        { 7, 100, 1, 10, 0, 0, 0, SEGMENT_MAIN, 0, 0 },  /* twice the same file */
        { 4, 100, 1, 10, 20, 0, 0, SEGMENT_MAIN, 0, 0 }, /* a past one that says it is not */
        { 4, 100, 1, 10, 20, 0, 0, SEGMENT_PAST, 0, 0 }, /* kinds out of order */
        { 4, 100, 1, 10, 0, 0, 0, SEGMENT_KINDS, 0, 0 }, /* no kind */
    };
    const struct manifest_segment right = rows[0];
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        rows[0] = wrong[i];
        buf_clear(&bytes);
        manifest_render(&m, &bytes);
        assert_int_equal(manifest_parse(buf_slice(&bytes), &got), ERR_CORRUPT);
    }
    rows[0] = right;
    const struct manifest_moved wrong_moved[] = {
        { 65536, 0, 20, 21 }, /* more than whole */
        { 65538, 0, 20, 10 }, /* a field without a rule */
    };
    for (size_t i = 0; i < ARRAY_COUNT(wrong_moved); i++) {
        moved = wrong_moved[i];
        buf_clear(&bytes);
        manifest_render(&m, &bytes);
        assert_int_equal(manifest_parse(buf_slice(&bytes), &got), ERR_CORRUPT);
    }
    buf_release(&bytes);
}

/* ---- tiers ---- */

static void merges_write_little_and_leave_few(void **state)
{
    (void)state;
    struct tier tiers[256];
    uint32_t count = 0, most = 0;
    uint64_t written = 0;
    enum { ARRIVE = 3000, WEIGHT = 1000 };
    for (int i = 0; i < ARRIVE; i++) {
        tiers[count++] = (struct tier){ .weight = WEIGHT, .docs = WEIGHT };
        most = MAX(most, count);
        written += WEIGHT;
        uint32_t first = 0, n = 0;
        while (tiers_pick(tiers, count, UINT64_MAX, &first, &n)) {
            assert_true(n >= 1 && first + n <= count);
            uint64_t sum = 0;
            for (uint32_t k = first; k < first + n; k++)
                sum += tiers[k].weight;
            written += sum;
            tiers[first] = (struct tier){ .weight = sum, .docs = sum };
            memmove(&tiers[first + 1], &tiers[first + n], (count - first - n) * sizeof *tiers);
            count -= n - 1;
        }
    }
    print_message("%u segments at most, %.1f times written\n", most,
                  (double)written / ((double)ARRIVE * WEIGHT));
    assert_true(most <= TIER_SEGMENTS_MAX);
    assert_true(written < 6ull * ARRIVE * WEIGHT);
}

/* N resources, each stored 50 times in turn: of what the segments hold a search
 * of now must not pay more than a fifth for the dead. */
static void what_dies_is_written_out(void **state)
{
    (void)state;
    struct tier tiers[256];
    uint32_t count = 0;
    uint64_t written = 0, stored = 0;
    enum { ROUNDS = 50, PER_ROUND = 40, WEIGHT = 10000 };
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < PER_ROUND; i++) {
            tiers[count] = (struct tier){ .weight = WEIGHT, .docs = WEIGHT };
            count++;
            stored += WEIGHT;
            for (uint64_t left = round ? WEIGHT : 0, k = 0; k < count && left; k++) {
                uint64_t dies = MIN(left, tiers[k].docs - tiers[k].dead);
                tiers[k].dead += dies;
                left -= dies;
            }
            uint32_t first = 0, n = 0;
            while (tiers_pick(tiers, count, UINT64_MAX, &first, &n)) {
                uint64_t sum = 0;
                for (uint32_t k = first; k < first + n; k++)
                    sum += tiers[k].docs - tiers[k].dead;
                written += sum;
                tiers[first] = (struct tier){ .weight = sum, .docs = sum };
                uint32_t gone = sum ? n - 1 : n;
                uint32_t from = sum ? first + 1 : first;
                memmove(&tiers[from], &tiers[first + n], (count - first - n) * sizeof *tiers);
                count -= gone;
            }
        }
        uint64_t alive = 0, dead = 0;
        for (uint32_t k = 0; k < count; k++) {
            alive += tiers[k].docs - tiers[k].dead;
            dead += tiers[k].dead;
        }
        assert_int_equal(alive, (uint64_t)PER_ROUND * WEIGHT);
        assert_true(dead * 4 <= alive + 64 * TIER_DEAD_MIN);
        assert_true(count <= TIER_SEGMENTS_MAX);
    }
    print_message("%.1f times written\n", (double)written / (double)stored);
    assert_true(written < 12 * stored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define RANDOM(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        RANDOM(a_segment_holds_what_its_runs_held),
        RANDOM(merging_moves_the_dead_to_a_past_segment),
        RANDOM(a_changed_byte_is_refused_or_changes_nothing),
        RANDOM(a_segment_without_a_filter_of_format_1_is_read_and_merged),
        RANDOM(a_manifest_is_whole_or_refused),
        cmocka_unit_test(merges_write_little_and_leave_few),
        cmocka_unit_test(what_dies_is_written_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
