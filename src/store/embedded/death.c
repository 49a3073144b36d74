#include "store/embedded/death.h"

#include <stdlib.h>
#include <string.h>

#include "os/thread.h"

static const uint32_t DISTANCE_FAR = UINT32_MAX;

/* Pages live as long as the store: hence the heap. */
enum err deaths_init(struct deaths *deaths, death_load *load, death_look *look, void *context)
{
    *deaths = (struct deaths){ .load = load, .look = look, .context = context };
    deaths->nodes = calloc(DEATH_NODES, sizeof *deaths->nodes);
    deaths->none = calloc(1, sizeof *deaths->none);
    mutex_init(&deaths->lock);
    return deaths->nodes && deaths->none ? ERR_NONE : ERR_NO_MEMORY;
}

void deaths_release(struct deaths *deaths)
{
    for (size_t n = 0; deaths->nodes && n < DEATH_NODES; n++) {
        struct death_node *node = atomic_load(&deaths->nodes[n]);
        for (size_t p = 0; node && p < DEATH_NODE_PAGES; p++) {
            struct death_page *page = atomic_load(&node->pages[p]);
            if (page != deaths->none)
                free(page);
        }
        free(node);
    }
    free(deaths->nodes);
    free(deaths->none);
    mutex_destroy(&deaths->lock);
}

static struct death_page *page_find(const struct deaths *deaths, uint64_t doc)
{
    uint64_t page = doc / DEATH_PAGE_DOCS;
    if (page / DEATH_NODE_PAGES >= DEATH_NODES)
        return NULL;
    struct death_node *node =
        atomic_load_explicit(&deaths->nodes[page / DEATH_NODE_PAGES], memory_order_acquire);
    return node ? atomic_load_explicit(&node->pages[page % DEATH_NODE_PAGES],
                                       memory_order_acquire)
                : NULL;
}

/* Under the lock: the place where the page's pointer stands. */
static _Atomic(struct death_page *) *page_place(struct deaths *deaths, uint64_t page)
{
    if (page / DEATH_NODE_PAGES >= DEATH_NODES)
        return NULL;
    _Atomic(struct death_node *) *at = &deaths->nodes[page / DEATH_NODE_PAGES];
    struct death_node *node = atomic_load_explicit(at, memory_order_relaxed);
    if (!node) {
        node = calloc(1, sizeof *node);
        if (!node)
            return NULL;
        atomic_store_explicit(at, node, memory_order_release);
    }
    return &node->pages[page % DEATH_NODE_PAGES];
}

/* Order: the killer is known to be there before the bit is seen. */
static void page_enter(struct death_page *page, uint64_t doc, uint64_t killer)
{
    uint64_t distance = killer - doc;
    uint32_t kept = distance < DISTANCE_FAR - 1 ? (uint32_t)distance + 1 : DISTANCE_FAR;
    uint32_t at = (uint32_t)(doc % DEATH_PAGE_DOCS);
    if (killer > atomic_load_explicit(&page->latest, memory_order_relaxed))
        atomic_store_explicit(&page->latest, killer, memory_order_relaxed);
    atomic_store_explicit(&page->distance[at], kept, memory_order_relaxed);
    uint64_t bit = (uint64_t)1 << (at % 64);
    uint64_t old = atomic_fetch_or_explicit(&page->bits[at / 64], bit, memory_order_release);
    if (!(old & bit))
        atomic_fetch_add_explicit(&page->count, 1, memory_order_release);
}

/* Pages of one block being read from the truth; NULL: nobody of it died. */
struct loading {
    uint64_t first;
    struct death_page *pages[DEATH_BLOCK_PAGES];
    const bool *is_wanted;
};

static enum err load_enter(void *context, uint64_t doc, uint64_t killer)
{
    struct loading *l = context;
    uint64_t i = (doc - l->first) / DEATH_PAGE_DOCS;
    if (i >= DEATH_BLOCK_PAGES || !l->is_wanted[i])
        return ERR_NONE;
    if (!l->pages[i])
        l->pages[i] = calloc(1, sizeof *l->pages[i]);
    if (!l->pages[i])
        return ERR_NO_MEMORY;
    page_enter(l->pages[i], doc, killer);
    return ERR_NONE;
}

/* Publishing happens under the lock, entering without it: so a page is read
 * from the truth only while no commit can hold it ready, and a death written
 * after the reading finds the page published or not yet begun. */
static enum err block_load(struct deaths *deaths, uint64_t doc)
{
    bool wanted[DEATH_BLOCK_PAGES];
    struct loading l = { .first = doc - doc % (DEATH_BLOCK_PAGES * DEATH_PAGE_DOCS),
                         .is_wanted = wanted };
    uint64_t page = l.first / DEATH_PAGE_DOCS;
    _Atomic(struct death_page *) *at = page_place(deaths, page);
    if (!at)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < DEATH_BLOCK_PAGES; i++)
        wanted[i] = !atomic_load_explicit(&at[i], memory_order_relaxed);
    enum err err = deaths->load(deaths->context, l.first, DEATH_BLOCK_PAGES * DEATH_PAGE_DOCS,
                                load_enter, &l);
    for (size_t i = 0; i < DEATH_BLOCK_PAGES; i++) {
        if (err)
            free(l.pages[i]);
        else if (wanted[i])
            atomic_store_explicit(&at[i], l.pages[i] ? l.pages[i] : deaths->none,
                                  memory_order_release);
    }
    return err;
}

static enum err page_load(struct deaths *deaths, uint64_t doc, bool writable)
{
    mutex_lock(&deaths->lock);
    enum err err = page_find(deaths, doc) ? ERR_NONE : block_load(deaths, doc);
    if (!err && writable && page_find(deaths, doc) == deaths->none) {
        struct death_page *page = calloc(1, sizeof *page);
        err = page ? ERR_NONE : ERR_NO_MEMORY;
        if (page)
            atomic_store_explicit(page_place(deaths, doc / DEATH_PAGE_DOCS), page,
                                  memory_order_release);
    }
    mutex_unlock(&deaths->lock);
    return err;
}

enum err death_ready(struct deaths *deaths, uint64_t doc)
{
    struct death_page *page = page_find(deaths, doc);
    return page && page != deaths->none ? ERR_NONE : page_load(deaths, doc, true);
}

void death_enter(struct deaths *deaths, uint64_t doc, uint64_t killer)
{
    struct death_page *page = page_find(deaths, doc);
    CHECK(page && page != deaths->none);
    page_enter(page, doc, killer);
}

enum err death_is_alive(struct deaths *deaths, uint64_t doc, uint64_t time, bool *ret_alive)
{
    struct death_page *page = page_find(deaths, doc);
    if (!page) {
        TRY(page_load(deaths, doc, false));
        page = page_find(deaths, doc);
        CHECK(page);
    }
    uint32_t distance =
        atomic_load_explicit(&page->distance[doc % DEATH_PAGE_DOCS], memory_order_relaxed);
    if (!distance) {
        *ret_alive = true;
        return ERR_NONE;
    }
    uint64_t killer = doc + distance - 1;
    if (distance == DISTANCE_FAR)
        TRY(deaths->look(deaths->context, doc, &killer));
    *ret_alive = killer > time;
    return ERR_NONE;
}

/* One page's bits. Those that a killer above `time` may have set are looked at
 * one by one. */
static enum err page_bits(struct deaths *deaths, const struct death_page *page, uint64_t first,
                          uint64_t time, uint64_t *out)
{
    for (size_t w = 0; w < DEATH_PAGE_DOCS / 64; w++)
        out[w] = atomic_load_explicit(&page->bits[w], memory_order_acquire);
    if (atomic_load_explicit(&page->latest, memory_order_relaxed) <= time)
        return ERR_NONE;
    for (size_t w = 0; w < DEATH_PAGE_DOCS / 64; w++) {
        for (uint64_t left = out[w]; left; left &= left - 1) {
            size_t at = w * 64 + (size_t)__builtin_ctzll(left);
            uint32_t distance =
                atomic_load_explicit(&page->distance[at], memory_order_relaxed);
            uint64_t killer = first + at + distance - 1;
            if (UNLIKELY(distance == DISTANCE_FAR))
                TRY(deaths->look(deaths->context, first + at, &killer));
            out[w] &= killer > time ? ~(left & -left) : ~(uint64_t)0;
        }
    }
    return ERR_NONE;
}

bool death_block_is_whole(const struct deaths *deaths, uint64_t number, uint64_t time)
{
    uint64_t first = number * DEATH_BLOCK_PAGES * DEATH_PAGE_DOCS;
    for (size_t i = 0; i < DEATH_BLOCK_PAGES; i++) {
        const struct death_page *page = page_find(deaths, first + i * DEATH_PAGE_DOCS);
        if (!page ||
            atomic_load_explicit(&page->count, memory_order_acquire) != DEATH_PAGE_DOCS ||
            atomic_load_explicit(&page->latest, memory_order_relaxed) > time)
            return false;
    }
    return true;
}

enum err death_block(struct deaths *deaths, uint64_t number, uint64_t time, uint64_t *bits,
                     bool *ret_any)
{
    enum { PAGE_WORDS = DEATH_PAGE_DOCS / 64 };
    uint64_t first = number * DEATH_BLOCK_PAGES * DEATH_PAGE_DOCS;
    *ret_any = false;
    for (size_t i = 0; i < DEATH_BLOCK_PAGES; i++) {
        uint64_t doc = first + i * DEATH_PAGE_DOCS;
        struct death_page *page = page_find(deaths, doc);
        if (!page) {
            TRY(page_load(deaths, doc, false));
            page = page_find(deaths, doc);
            CHECK(page);
        }
        if (page == deaths->none && !*ret_any)
            continue;
        if (!*ret_any)
            memset(bits, 0, i * PAGE_WORDS * sizeof *bits);
        *ret_any = true;
        if (page == deaths->none)
            memset(bits + i * PAGE_WORDS, 0, PAGE_WORDS * sizeof *bits);
        else
            TRY(page_bits(deaths, page, doc, time, bits + i * PAGE_WORDS));
    }
    return ERR_NONE;
}

static enum err page_each(struct deaths *deaths, const struct death_page *page, uint64_t base,
                          uint64_t first, uint64_t last, uint64_t time, death_found *visit,
                          void *context)
{
    for (size_t w = 0; w < DEATH_PAGE_DOCS / 64; w++) {
        uint64_t left = atomic_load_explicit(&page->bits[w], memory_order_acquire);
        for (; left; left &= left - 1) {
            size_t at = w * 64 + (size_t)__builtin_ctzll(left);
            uint32_t distance =
                atomic_load_explicit(&page->distance[at], memory_order_relaxed);
            uint64_t doc = base + at, killer = doc + distance - 1;
            if (UNLIKELY(distance == DISTANCE_FAR))
                TRY(deaths->look(deaths->context, doc, &killer));
            if (doc >= first && doc <= last && killer != doc && killer <= time)
                TRY(visit(context, doc, killer));
        }
    }
    return ERR_NONE;
}

enum err death_each(struct deaths *deaths, uint64_t first, uint64_t last, uint64_t time,
                    death_found *visit, void *context)
{
    for (uint64_t base = first - first % DEATH_PAGE_DOCS; base <= last; base += DEATH_PAGE_DOCS) {
        const struct death_page *page = page_find(deaths, base);
        if (!page) {
            TRY(page_load(deaths, base, false));
            page = page_find(deaths, base);
            CHECK(page);
        }
        if (page != deaths->none)
            TRY(page_each(deaths, page, base, first, last, time, visit, context));
    }
    return ERR_NONE;
}
