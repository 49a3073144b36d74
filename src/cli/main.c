/* cli/main.c - pick the verb and run it. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static void print_usage(FILE *to)
{
    fprintf(to, "usage: tarn VERB [options]\n\nverbs:\n");
    for (const struct cli_verb *v = cli_verbs; v->name; v++)
        fprintf(to, "  %-12s %s\n", v->name, v->summary);
    fprintf(to, "\n`tarn VERB --help` says more. tarn %s\n", TARN_VERSION);
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("tarn %s\n", TARN_VERSION);
        return 0;
    }
    for (const struct cli_verb *v = cli_verbs; v->name; v++) {
        if (strcmp(v->name, argv[1]) == 0)
            return v->run(argc - 1, argv + 1);
    }
    fprintf(stderr, "tarn: there is no verb '%s'; `tarn help` lists them\n", argv[1]);
    return 2;
}
