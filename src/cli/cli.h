/* cli/cli.h - the verbs of the command line, one file each.
 *
 * Every verb is a function (argc, argv without the program's name, argv[0] the
 * verb) that returns the exit status: 0 done, 1 failed, 2 wrong use.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

struct cli_verb {
    const char *name;
    const char *summary; /* one line for `tarn help` */
    int (*run)(int argc, char **argv);
};

/* The verbs, ended by a row without name (cli/verbs.c). */
extern const struct cli_verb cli_verbs[];

int cli_serve(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_presign(int argc, char **argv);
int cli_sandbox(int argc, char **argv);
int cli_sync(int argc, char **argv);
int cli_everything(int argc, char **argv);
int cli_validate(int argc, char **argv);
int cli_package(int argc, char **argv);
int cli_iam(int argc, char **argv);
int cli_errors(int argc, char **argv);
int cli_limits(int argc, char **argv);

#define TARN_VERSION "0.1.0"

#endif
