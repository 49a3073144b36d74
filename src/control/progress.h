/* control/progress.h - how far an import is, so that it goes on there; private.
 *
 *     <data>/jobs/<job>/progress.json
 *     {"key":"a.ndjson","done":false,"offset":1234,"line":500,"success":100,"failure":0,
 *      "errorsBefore":0,"bytesBefore":0,"files":1,...}
 *
 * Written after commits of lines, at most every 50 ms. What a kill leaves in the store
 * behind the last note is applied again, and what is equal to what is there makes no
 * version, whatever the server's behaviour; output files are cut back to the note.
 */
#ifndef CONTROL_PROGRESS_H
#define CONTROL_PROGRESS_H

#include "control/jobs.h"

struct progress {
    struct slice key;          /* the file; empty: none was begun */
    bool is_done;              /* with that file */
    uint64_t offset, line;     /* behind the last line that was applied */
    uint64_t success, failure; /* bytes of its two output files */
    /* the report's with_errors and bytes at its beginning */
    uint64_t errors_before, bytes_before;
};

/* *ret_found: the job has run before. A damaged file counts as one without a key.
 * The report goes into run->report. */
MUST_USE enum err progress_load(struct job_run *run, struct progress *ret, bool *ret_found);
MUST_USE enum err progress_save(struct job_run *run, const struct progress *p);

#endif
