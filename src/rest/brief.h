/* rest/brief.h - which searches may run on the loop thread, see brief.c. */
#ifndef REST_BRIEF_H
#define REST_BRIEF_H

#include "rest/request.h"
#include "search/search.h"

enum {
    BRIEF_UNITS = 3000, /* of work that one may take there, some 100 us, */
    BRIEF_DOCS = 24,    /* resources that it may answer with, */
    BRIEF_US = 250,     /* and for how long it goes on writing them */
};

/* Does nothing in it need to be gathered, weighed or followed? */
bool brief_is(const struct search_query *q);

#endif
