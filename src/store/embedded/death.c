#include "store/embedded/death.h"

#include <stdlib.h>

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
static _Atomic(struct death_page *) *page_place(struct deaths *deaths, uint64_t doc)
{
    uint64_t page = doc / DEATH_PAGE_DOCS;
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

/* Publishing happens under the lock, entering without it: so a page is read
 * from the truth only while no commit can hold it ready, and a death written
 * after the reading finds the page published or not yet begun. */
static enum err page_load(struct deaths *deaths, uint64_t doc, bool writable)
{
    enum err err = ERR_NO_MEMORY;
    struct death_page *page = NULL;
    mutex_lock(&deaths->lock);
    _Atomic(struct death_page *) *at = page_place(deaths, doc);
    if (!at)
        goto done;
    err = ERR_NONE;
    struct death_page *old = atomic_load_explicit(at, memory_order_relaxed);
    if (old && (old != deaths->none || !writable))
        goto done;
    page = calloc(1, sizeof *page);
    bool any = false;
    err = page ? ERR_NONE : ERR_NO_MEMORY;
    if (!err && !old)
        err = deaths->load(deaths->context, doc - doc % DEATH_PAGE_DOCS, page, &any);
    if (err)
        goto done;
    bool keep = any || writable;
    atomic_store_explicit(at, keep ? page : deaths->none, memory_order_release);
    page = keep ? NULL : page;
done:
    mutex_unlock(&deaths->lock);
    free(page);
    return err;
}

enum err death_ready(struct deaths *deaths, uint64_t doc)
{
    struct death_page *page = page_find(deaths, doc);
    return page && page != deaths->none ? ERR_NONE : page_load(deaths, doc, true);
}

void death_page_enter(struct death_page *page, uint64_t doc, uint64_t killer)
{
    uint64_t distance = killer - doc;
    uint32_t kept = distance < DISTANCE_FAR - 1 ? (uint32_t)distance + 1 : DISTANCE_FAR;
    atomic_store_explicit(&page->distance[doc % DEATH_PAGE_DOCS], kept, memory_order_relaxed);
}

void death_enter(struct deaths *deaths, uint64_t doc, uint64_t killer)
{
    struct death_page *page = page_find(deaths, doc);
    CHECK(page && page != deaths->none);
    death_page_enter(page, doc, killer);
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
