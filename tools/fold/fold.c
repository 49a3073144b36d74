/* fold: each line of the input, folded as search folds texts. For tests that hold the
 * folding to tables of others. */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

int main(void)
{
    char line[4096];
    struct buf out;
    buf_init(&out, 65536);
    while (fgets(line, sizeof line, stdin)) {
        struct slice text = slice_of(line, strcspn(line, "\n"));
        buf_clear(&out);
        enum err err = utf8_fold(&out, text);
        if (err)
            printf("error: %d\n", (int)err);
        else
            printf("%.*s\n", SLICE_ARGS(buf_slice(&out)));
    }
    buf_release(&out);
    return 0;
}
