/* How matches are ranked, and what entries say of it. */
#include "rest/finding.h"

#define TEXT(div)                                                                                  \
    "\"text\":{\"status\":\"generated\",\"div\":\"<div "                                           \
    "xmlns=\\\"http://www.w3.org/1999/xhtml\\\">" div "</div>\"}"

static void texts_store(struct world *w)
{
    store(w, "Library", "a", "\"title\":\"Rare disease\"," TEXT("common things and a zebra"));
    store(w, "Library", "b", "\"title\":\"Common cold\"," TEXT("common"));
    store(w, "Library", "c", "\"title\":\"Zebra care\"," TEXT("one common zebra"));
    store(w, "Library", "d", "\"title\":\"Other\"," TEXT("common remedies"));
    store(w, "Library", "e", "\"title\":\"Nothing\"," TEXT("void"));
}

/* Of the n-th entry, in millionths. */
static int score_at(struct world *w, const struct answer *a, int entry)
{
    struct slice path = arena_printf(&w->arena, "entry.%d.search.score", entry);
    struct json value = answer_find(a, path.bytes);
    assert_true(json_is(value, JSON_NUMBER));
    struct slice text = json_raw(value);
    char copy[32];
    assert_true(text.length < sizeof copy);
    memcpy(copy, text.bytes, text.length);
    copy[text.length] = '\0';
    return (int)(strtod(copy, NULL) * 1e6 + 0.5);
}

static void rare_words_and_names_weigh_more(void **state)
{
    struct world *w = *state;
    texts_store(w);
    assert_found(w, "Library?_text=zebra%20OR%20common", "a b c d");
    assert_found(w, "Library?_text=zebra%20OR%20common&_sort=_score", "c a b d");
    assert_found(w, "Library?_text=zebra%20OR%20common&_sort=-_score", "d b a c");
    assert_found(w, "Library?_content=comm*&_sort=_score", "b a c d");
    assert_found(w, "Library?_text=common%20NOT%20remedies&_sort=_score", "b a c");
    struct answer a = get(w, "Library?_text=zebra%20OR%20common");
    int scores[4];
    for (int i = 0; i < 4; i++) {
        scores[i] = score_at(w, &a, i);
        assert_in_range(scores[i], 1, 1000000);
    }
    assert_true(scores[2] > scores[0] && scores[0] > scores[1] && scores[1] > scores[3]);
}

static void whole_strings_come_before_their_beginnings(void **state)
{
    struct world *w = *state;
    static const char *const names[] = { "Smithson", "Smith", "Ann Smithers", "Blacksmith",
                                         "SMITH" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct slice id = arena_printf(&w->arena, "p%zu", i);
        struct slice members = arena_printf(&w->arena, "\"name\":[{\"family\":\"%s\"}]", names[i]);
        store(w, "Patient", id.bytes, members.bytes);
    }
    assert_found(w, "Patient?family=smith&_sort=_score", "p1 p4 p0");
    assert_found(w, "Patient?family:contains=smith&_sort=_score", "p1 p4 p0 p2 p3");
    assert_found(w, "Patient?family:contains=smith&_sort=_score,-_id", "p4 p1 p0 p3 p2");
    assert_found(w, "Patient?family=smith,ann&_sort=_score", "p2 p1 p4 p0");
    struct answer a = get(w, "Patient?family=smith&_sort=_score");
    assert_int_equal(score_at(w, &a, 0), 1000000);
    assert_int_equal(score_at(w, &a, 2), 600000);
    /* Nothing to rank by: as they come; and what is no text says no score. */
    assert_found(w, "Patient?_sort=_score", "p0 p1 p2 p3 p4");
    assert_found(w, "Patient?_sort=_score,-_lastUpdated", "p4 p3 p2 p1 p0");
    a = get(w, "Patient?family=smith");
    assert_false(json_exists(answer_find(&a, "entry.0.search.score")));
}

/* The pages of an order by score, one document each, while others are written that change
 * how rare everything is. */
static void pages_keep_their_order_whatever_is_written(void **state)
{
    struct world *w = *state;
    static const char *const expected[] = { "c", "a", "b", "d" };
    texts_store(w);
    const char *target = "Library?_text=zebra%20OR%20common&_sort=_score&_count=1";
    const char *previous = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
        assert_found(w, target, expected[i]);
        struct answer a = get(w, target);
        for (int link = 1; link < 3; link++) {
            const char *at = arena_printf(&w->arena, "link.%d.relation", link).bytes;
            const char *url = arena_printf(&w->arena, "link.%d.url", link).bytes;
            if (!json_exists(answer_find(&a, at)))
                continue;
            if (strcmp(text_at(w, &a, at), "next") == 0)
                target = text_at(w, &a, url) + strlen(BASE "/");
            else
                previous = text_at(w, &a, url) + strlen(BASE "/");
        }
        for (int k = 0; k < 3; k++) {
            const char *id = arena_printf(&w->arena, "n%zu-%d", i, k).bytes;
            store(w, "Library", id, "\"title\":\"Zebra\"," TEXT("zebra zebra"));
        }
        if (i == 1)
            store(w, "Library", "a", TEXT("void"));
    }
    assert_found(w, previous, "b");
}

static void each_type_is_ranked_by_its_own(void **state)
{
    struct world *w = *state;
    texts_store(w);
    store(w, "Questionnaire", "q", "\"title\":\"Zebra\"," TEXT("zebra"));
    assert_found(w, "?_type=Library,Questionnaire&_text=zebra&_sort=_score", "c q a");
    assert_found(w, "?_type=Library,Questionnaire&_text=zebra&_sort=_score,-_lastUpdated",
                 "q c a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(rare_words_and_names_weigh_more),
        WORLD_TEST(whole_strings_come_before_their_beginnings),
        WORLD_TEST(pages_keep_their_order_whatever_is_written),
        WORLD_TEST(each_type_is_ranked_by_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
