/* cli/package.c - `tarn package`: the FHIR packages of a data folder. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "http/http.h"
#include "profile/profile.h"

enum {
    ARENA_BYTES = 2000 << 20,
    ARCHIVE_BYTES_MAX = 256 << 20,
    FETCHED_MAX = 100, /* packages of one add, dependencies included */
};

static const char about[] =
    "FHIR packages (implementation guides) that resources are checked against.\n"
    "  add FILE|FOLDER|NAME@VERSION...  compile and keep; by name from --registry,\n"
    "                                   with what it depends on\n"
    "  list                             what is there\n"
    "  remove NAME@VERSION...\n"
    "  default NAME@VERSION...          the version meant by profiles without one\n"
    "A server of the folder sees changes within a second.";

struct session {
    const char *data, *registry, *ca_file;
    bool no_dependencies;
    char folder[1024];
    struct http_client *client; /* opened when first needed */
    struct arena arena;
    struct slice fetched[FETCHED_MAX]; /* "name@version" */
    size_t fetched_count;
};

static int complain(struct slice what, const char *text)
{
    fprintf(stderr, "tarn package: %.*s: %s\n", SLICE_ARGS(what), text);
    return 1;
}

static int tell(const struct profile_source *source, struct slice what, enum err err,
                const struct issues *issues)
{
    for (const struct issue *i = issues->first; i; i = i->next)
        fprintf(stderr, "tarn package: %.*s: %.*s\n", SLICE_ARGS(what), SLICE_ARGS(i->text));
    if (err)
        return complain(what, err_text(err));
    fprintf(stdout, "%.*s@%.*s added\n", SLICE_ARGS(source->name), SLICE_ARGS(source->version));
    return 0;
}

/* ---- from a registry ---- */

/* An npm-style registry: REGISTRY/NAME/VERSION is the archive. */
static enum err fetch(struct session *s, struct slice name, struct slice version,
                      struct slice *ret_bytes)
{
    struct slice url =
        arena_printf(&s->arena, "%s/%.*s/%.*s", s->registry, SLICE_ARGS(name), SLICE_ARGS(version));
    struct http_exchange x = {
        .method = SLICE("GET"), .url = url, .answer_bytes = ARCHIVE_BYTES_MAX, .ca_file = s->ca_file
    };
    if (!url.bytes)
        return ERR_NO_MEMORY;
    if (!s->client)
        TRY(http_client_open(&s->client));
    TRY(http_client_perform(s->client, &x, &s->arena));
    if (x.status != 200)
        return x.status == 404 ? ERR_NOT_FOUND : ERR_NETWORK;
    *ret_bytes = x.answer;
    return ERR_NONE;
}

static bool is_fetched(const struct session *s, struct slice package)
{
    for (size_t i = 0; i < s->fetched_count; i++)
        if (slice_equal(s->fetched[i], package))
            return true;
    return false;
}

static void note_package(void *context, const struct profile_package *p)
{
    struct session *s = context;
    struct slice text =
        arena_printf(&s->arena, "%.*s@%.*s", SLICE_ARGS(p->name), SLICE_ARGS(p->version));
    if (text.bytes && s->fetched_count < FETCHED_MAX)
        s->fetched[s->fetched_count++] = text;
}

static enum err note_present(struct session *s)
{
    struct profile_set *set;
    if (s->fetched_count > 0)
        return ERR_NONE;
    TRY(profile_set_open(s->folder, &set, NULL));
    profile_packages(set, note_package, s);
    profile_set_unref(set);
    return ERR_NONE;
}

static int add_named(struct session *s, struct slice package, bool is_asked);

/* A dependency that the registry lacks is told and does no harm. */
static int add_dependencies(struct session *s, const struct profile_source *source)
{
    for (size_t i = 0; i < source->dependency_count && !s->no_dependencies; i++)
        if (!is_fetched(s, source->dependencies[i]))
            add_named(s, source->dependencies[i], false);
    return 0;
}

static int add_named(struct session *s, struct slice package, bool is_asked)
{
    struct slice version = package, name = slice_cut(&version, '@'), bytes;
    struct profile_source source;
    struct issues issues;
    issues_init(&issues, &s->arena);
    if (!s->registry)
        return complain(package, "no such file, and no --registry to fetch it from");
    if (s->fetched_count == FETCHED_MAX)
        return complain(package, "too many packages at once");
    if (!is_asked || !is_fetched(s, package))
        s->fetched[s->fetched_count++] = package;
    enum err err = fetch(s, name, version, &bytes);
    if (err)
        return complain(package, err_text(err));
    /* What it builds on comes first. */
    err = profile_package_read(bytes, &s->arena, &issues, &source);
    if (!err)
        add_dependencies(s, &source);
    if (!err)
        err = profile_package_keep(s->folder, &source, &s->arena, &issues);
    return tell(&source, package, err, &issues);
}

/* ---- the verbs ---- */

static int add(struct session *s, const char *what)
{
    struct profile_source source;
    struct issues issues;
    struct slice text = slice_cstr(what);
    issues_init(&issues, &s->arena);
    enum err err = profile_package_open(what, &s->arena, &issues, &source);
    if (err == ERR_NOT_FOUND && slice_find_byte(text, '@') > 0) {
        if (note_present(s) != ERR_NONE)
            return complain(text, "the packages there cannot be read");
        return add_named(s, text, true);
    }
    if (!err)
        err = profile_package_keep(s->folder, &source, &s->arena, &issues);
    return tell(&source, text, err, &issues);
}

static int remove_one(struct session *s, const char *what)
{
    enum err err = profile_package_remove(s->folder, slice_cstr(what));
    return err ? complain(slice_cstr(what), err_text(err)) : 0;
}

static int prefer_one(struct session *s, const char *what)
{
    enum err err = profile_package_prefer(s->folder, slice_cstr(what));
    return err ? complain(slice_cstr(what), err_text(err)) : 0;
}

static void print_package(void *context, const struct profile_package *p)
{
    (void)context;
    fprintf(stdout, "%.*s@%.*s  %zu profiles, %zu value sets, %zu code systems%s%s\n",
            SLICE_ARGS(p->name), SLICE_ARGS(p->version), p->definitions, p->value_sets,
            p->code_systems, p->is_default ? ", default" : "", p->is_built_in ? ", built in" : "");
}

static int list(struct session *s)
{
    struct profile_set *set;
    uint32_t damaged;
    enum err err = profile_set_open(s->folder, &set, &damaged);
    if (err)
        return complain(slice_cstr(s->folder), err_text(err));
    profile_packages(set, print_package, NULL);
    profile_set_unref(set);
    if (damaged > 0)
        fprintf(stderr, "tarn package: %u are damaged or of another Tarn: add them again\n",
                damaged);
    return damaged > 0;
}

static int run(struct session *s, const char *verb, char **arguments, size_t count)
{
    static const struct {
        const char *name;
        int (*one)(struct session *, const char *);
    } verbs[] = { { "add", add }, { "remove", remove_one }, { "default", prefer_one } };
    int worst = 0;
    if (strcmp(verb, "list") == 0 && count == 0)
        return list(s);
    for (size_t v = 0; v < ARRAY_COUNT(verbs); v++) {
        if (strcmp(verb, verbs[v].name) != 0 || count == 0)
            continue;
        for (size_t i = 0; i < count; i++) {
            int status = verbs[v].one(s, arguments[i]);
            worst = MAX(worst, status);
        }
        return worst;
    }
    fprintf(stderr, "tarn package: say add, list, remove or default (tarn package --help)\n");
    return 2;
}

int cli_package(int argc, char **argv)
{
    struct session s = { .data = NULL };
    const struct option_row rows[] = {
        { "data", OPTION_TEXT, "DIR", NULL, "folder of the store (required)", &s.data },
        { "registry", OPTION_TEXT, "URL", "TARN_PACKAGE_REGISTRY",
          "an npm-style FHIR registry, for NAME@VERSION", &s.registry },
        { "ca-file", OPTION_TEXT, "FILE", NULL, "certificates to trust instead of the system's",
          &s.ca_file },
        { "no-dependencies", OPTION_SWITCH, NULL, NULL, "fetch what is named, and no more",
          &s.no_dependencies },
        { 0 },
    };
    const struct option_usage usage = { .line = "tarn package add|list|remove|default --data DIR "
                                                "[options] [PACKAGE...]",
                                        .about = about,
                                        .rows = rows,
                                        .least = 1,
                                        .most = SIZE_MAX };
    size_t count;
    int status = options_parse(&usage, argc, argv, &count);
    if (status >= 0)
        return status;
    if (!s.data)
        return options_refuse("package", "--data DIR says which folder");
    int n = snprintf(s.folder, sizeof s.folder, "%s/packages", s.data);
    if (n < 0 || (size_t)n >= sizeof s.folder)
        return options_refuse("package", "--data is too long");
    arena_init(&s.arena, ARENA_BYTES);
    status = run(&s, argv[1], argv + 2, count - 1);
    if (s.client)
        http_client_close(s.client);
    arena_release(&s.arena);
    return status;
}
