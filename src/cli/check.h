/* cli/check.h - the parts of `tarn check`: of a folder (check.c), of a server
 * (check_url.c). */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "cli/errand.h"
#include "cli/options.h"
#include "store/store.h"

struct check_options {
    bool repair, is_fresh, is_json, is_quiet, is_terminal;
    uint64_t rate;
    const char *datastore_id;
};

/* One look at a check. */
struct check_progress {
    struct slice phase;
    uint64_t done, whole, findings, per_second;
    int64_t left_seconds; /* -1: unknown */
};
/* On stderr: over itself on a terminal, else a line every ten seconds. */
void check_progress_print(const struct check_options *o, const struct check_progress *p,
                          int64_t *told_us);

/* A served store is asked, watched until it has ended, its findings printed. */
int check_url(const struct check_options *o, const struct errand *errand);

#endif
