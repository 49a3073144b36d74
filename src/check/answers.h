/* check/answers.h - a QuestionnaireResponse beside its Questionnaire; private.
 *
 * answers.c walks both trees, answers_value.c looks at single answers. Items of the
 * Questionnaire are found by linkId; a level of the response is one pass over its
 * items and one over the questions that belong there.
 */
#ifndef CHECK_ANSWERS_H
#define CHECK_ANSWERS_H

#include "check/rules.h"

struct question {
    struct json item;
    struct question *parent; /* NULL: of the Questionnaire itself */
    struct question *next;   /* sibling */
    struct question *first;
    struct slice link_id, type;
    uint32_t order;             /* among its siblings */
    uint32_t level, item_count; /* the level of the response that was counted last */
    uint32_t answer_count;
    struct json answered; /* the first item of the response, wherever it is */
};

struct form {
    struct check_run *run;
    const struct fhir_subject *s;
    struct json questionnaire;
    struct map by_link_id;
    struct question *first;
    uint32_t levels;
    bool is_in_progress; /* what is missing is no error yet */
};

/* The value of the question's extension (the first with that url); absent: none. */
struct json question_extension(const struct question *q, const char *url);
bool question_is(const struct question *q, const char *type);

/* The answers' values of one item: their types, options, bounds. */
MUST_USE enum err answers_check_values(struct form *f, const struct question *q, struct json item,
                                       const struct fhir_spot *spot);
/* The value[x] of an answer or of enableWhen's answer[x]; *ret_name: "Coding". */
struct json answer_value(struct json answer, const char *stem, struct slice *ret_name);
/* <0, 0, >0; *ret_known false when the two cannot be compared. */
int answer_compare(struct arena *arena, struct json a, struct json b, bool *ret_known);

#endif
