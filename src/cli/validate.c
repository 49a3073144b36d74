/* cli/validate.c - `tarn validate`: files against the definitions of R4. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/inputs.h"
#include "cli/options.h"
#include "check/check.h"
#include "os/clock.h"
#include "os/unpack.h"
#include "profile/profile.h"

enum {
    FILE_BYTES = 1 << 30,
    ARENA_BYTES = 1 << 30,
    SHOWN_MAX = 1000, /* each costs a look for its line */
    EXCERPT = 90,     /* columns of a line shown */
};

static const char about[] =
    "Check resources: structure, cardinality, formats, codes of required bindings,\n"
    "references, narratives, invariants. A FILE is JSON or, named .ndjson, a resource a\n"
    "line (both plain or .zst), a folder of such files, or - for standard input. Exit\n"
    "status 0: all are valid, 1: some are not, 2: some cannot be read.";

struct session {
    const struct fhir_rules *rules;
    bool as_json, as_lines;  /* a JSON object for each resource; on one line */
    bool by_lines;           /* files and standard input have a resource a line */
    bool quiet;              /* no warnings */
    bool unknown_is_error;   /* of meta.profile */
    bool unknown_inner_is_error; /* of those that profiles name */
    bool knows_extensions;   /* and an unknown extension */
    bool refuses_markup;
    struct profile_set *set; /* packages, and what they know of codes */
    struct profile_home *home;
    struct terminology *terminology;
    struct slice profiles[OPTION_LIST_MAX];
    size_t profile_count;
    struct slice questionnaires[OPTION_LIST_MAX]; /* JSON */
    size_t questionnaire_count;
    /* of the file */
    const char *file;
    struct slice text;
    uint32_t first_line; /* of `text` in the file */
    size_t errors, warnings, shown;
    /* of all */
    size_t all_resources, all_errors, all_warnings;
    bool has_lines; /* some were a resource a line */
};

static const char *const severities[] = { "fatal", "error", "warning", "information" };

/* ---- for people ---- */

/* The line around the place, cut to what fits a terminal, and a caret under it. */
static void print_excerpt(struct slice text, size_t offset)
{
    size_t start = offset, end = offset;
    while (start > 0 && text.bytes[start - 1] != '\n' && offset - start < EXCERPT / 2)
        start--;
    while (end < text.length && text.bytes[end] != '\n' && end - start < EXCERPT)
        end++;
    /* Not in the middle of a character. */
    while (start < offset && ((uint8_t)text.bytes[start] & 0xc0) == 0x80)
        start++;
    fprintf(stdout, "    %.*s\n    ", (int)(end - start), text.bytes + start);
    for (size_t i = start; i < offset; i++)
        if (((uint8_t)text.bytes[i] & 0xc0) != 0x80)
            fputc(text.bytes[i] == '\t' ? '\t' : ' ', stdout);
    fprintf(stdout, "^\n");
}

static void print_human(const struct session *s, const char *severity, size_t offset,
                        struct slice expression, struct slice text)
{
    uint32_t line, column;
    json_position(s->text, offset, &line, &column);
    fprintf(stdout, "%s:%u:%u: %s: %.*s%s%.*s\n", s->file, s->first_line + line - 1, column,
            severity, SLICE_ARGS(expression), expression.length ? ": " : "", SLICE_ARGS(text));
    print_excerpt(s->text, MIN(offset, s->text.length));
}

/* ---- for programs ---- */

static void append_text(struct buf *b, const char *name, struct slice text)
{
    buf_printf(b, ",\"%s\":", name);
    json_write_string(b, text);
}

static void print_json(struct session *s, const char *severity, size_t offset,
                       const struct fhir_finding *f)
{
    uint32_t line, column;
    struct buf b;
    buf_init(&b, 1 << 20);
    json_position(s->text, offset, &line, &column);
    buf_printf(&b, "{\"severity\":\"%s\",\"code\":\"%s\",\"line\":%u,\"column\":%u", severity,
               f->code, s->first_line + line - 1, column);
    append_text(&b, "expression", f->expression);
    append_text(&b, "text", f->text);
    if (f->key.length)
        append_text(&b, "rule", f->key);
    if (f->profile.length)
        append_text(&b, "profile", f->profile);
    buf_append_byte(&b, '}');
    fprintf(stdout, "%s%s%.*s", s->shown ? "," : "", s->as_lines ? "" : "\n  ",
            SLICE_ARGS(buf_slice(&b)));
    buf_release(&b);
}

static void show(struct session *s, size_t offset, const struct fhir_finding *f)
{
    const char *severity = severities[f->severity];
    if (s->shown >= SHOWN_MAX)
        return;
    if (s->as_json)
        print_json(s, severity, offset, f);
    else
        print_human(s, severity, offset, f->expression, f->text);
    s->shown++;
}

/* What kept the text from being checked. */
static void show_failure(struct session *s, const char *code, size_t offset, const char *text)
{
    const struct fhir_finding finding = {
        .severity = ISSUE_FATAL, .code = code, .expression = SLICE(""), .text = slice_cstr(text)
    };
    s->errors++;
    show(s, offset, &finding);
}

static void found(void *context, const struct fhir_finding *finding)
{
    struct session *s = context;
    bool is_error = finding->severity <= ISSUE_ERROR;
    s->errors += is_error;
    s->warnings += !is_error;
    if (!is_error && s->quiet)
        return;
    size_t offset = json_exists(finding->where) ? json_node(finding->where)->offset : 0;
    show(s, offset, finding);
}

/* ---- questionnaires ---- */

static bool read_questionnaires(struct session *s, const struct option_list *files,
                                struct arena *arena)
{
    for (size_t i = 0; i < files->count; i++) {
        struct buf text;
        buf_init(&text, FILE_BYTES);
        enum err err = os_file_unpack(files->items[i], &text);
        char *copy = err ? NULL : arena_copy(arena, buf_slice(&text));
        s->questionnaires[s->questionnaire_count++] = slice_of(copy, copy ? text.length : 0);
        buf_release(&text);
        if (copy)
            continue;
        fprintf(stderr, "tarn validate: %s cannot be read: %s\n", files->items[i], err_text(err));
        return false;
    }
    return true;
}

static enum err questionnaire_find(void *context, struct slice canonical, struct arena *arena,
                                   struct slice *ret_text)
{
    const struct session *s = context;
    struct slice version = canonical, url = slice_cut(&version, '|');
    *ret_text = SLICE_NONE;
    for (size_t i = 0; i < s->questionnaire_count && !ret_text->bytes; i++) {
        struct json_doc doc;
        struct arena_mark mark = arena_mark(arena);
        if (json_parse(s->questionnaires[i], NULL, arena, &doc, NULL))
            continue;
        struct json root = json_root(&doc);
        if (json_string_is(json_member(root, "url"), url) &&
            (!version.length || json_string_is(json_member(root, "version"), version)))
            *ret_text = s->questionnaires[i];
        arena_rewind(arena, mark);
    }
    return ERR_NONE;
}

/* ---- files ---- */

static void check_text(struct session *s, struct arena *arena)
{
    struct json_doc doc;
    struct json_error error = { .offset = 0 };
    enum err err = json_parse(s->text, NULL, arena, &doc, &error);
    if (err) {
        char reason[200];
        snprintf(reason, sizeof reason, "Error parsing JSON: %s",
                 error.text ? error.text : err_text(err));
        show_failure(s, "invalid", error.offset, reason);
        return;
    }
    const struct check_options options = {
        .rules = s->rules,
        .now_us = os_now_us(),
        .found = found,
        .context = s,
        .set = s->set,
        .profiles = s->profiles,
        .profile_count = s->profile_count,
        .adds_vital_signs = true,
        .unknown_is_error = s->unknown_is_error,
        .unknown_inner_is_error = s->unknown_inner_is_error,
        .unknown_extension_is_error = s->knows_extensions,
        .terminology = s->terminology,
        .refuses_markup = s->refuses_markup,
        .home = s->home,
        .questionnaire = questionnaire_find,
        .questionnaire_context = s,
    };
    struct json root = json_root(&doc);
    struct slice name = json_string(json_member(root, "resourceType"), arena);
    err = check_run(&options, root, name.bytes ? fhir_resource_find(name) : NULL, arena);
    if (err)
        show_failure(s, "exception", 0, err_text(err));
}

static void print_head(const struct input *input)
{
    struct buf name;
    buf_init(&name, 1 << 16);
    json_write_string(&name, slice_cstr(input->name));
    fprintf(stdout, "{\"file\":%.*s", SLICE_ARGS(buf_slice(&name)));
    if (input->line)
        fprintf(stdout, ",\"line\":%u", input->line);
    fprintf(stdout, ",\"issues\":[");
    buf_release(&name);
}

static int check_input(void *context, const struct input *input)
{
    struct session *s = context;
    struct arena arena;
    s->file = input->name;
    s->text = input->text;
    s->first_line = MAX(input->line, 1);
    s->errors = s->warnings = s->shown = 0;
    arena_init(&arena, ARENA_BYTES);
    if (s->as_json)
        print_head(input);
    check_text(s, &arena);
    if (s->as_json)
        fprintf(stdout, "],\"errors\":%zu,\"warnings\":%zu}\n", s->errors, s->warnings);
    else if (input->line == 0)
        fprintf(stdout, "%s: %zu errors, %zu warnings\n", s->file, s->errors, s->warnings);
    s->all_resources++;
    s->all_errors += s->errors;
    s->all_warnings += s->warnings;
    s->has_lines |= input->line > 0;
    arena_release(&arena);
    return s->errors > 0;
}

/* ---- packages ---- */

/* Those of the data folder, and over them the ones named; false: said why not. */
static bool open_packages(struct session *s, const char *data, const struct option_list *packages)
{
    struct arena arena;
    struct issues issues;
    struct profile_set *stored = NULL;
    arena_init(&arena, ARENA_BYTES);
    issues_init(&issues, &arena);
    char folder[1024];
    snprintf(folder, sizeof folder, "%s/packages", data ? data : "");
    enum err err = profile_set_open(data ? folder : NULL, &stored, NULL);
    if (!err)
        err = profile_set_load(stored, packages->items, packages->count, &issues, &s->set);
    if (!err)
        err = profile_home_of(s->set, &s->home);
    if (!err) {
        const struct terminology_source source = profile_terminology(s->home);
        err = terminology_open(&source, &s->terminology);
    }
    profile_set_unref(stored);
    for (const struct issue *i = issues.first; i; i = i->next)
        fprintf(stderr, "tarn validate: %.*s\n", SLICE_ARGS(i->text));
    if (err)
        fprintf(stderr, "tarn validate: the packages cannot be used: %s\n", err_text(err));
    arena_release(&arena);
    return err == ERR_NONE;
}

static void close_packages(struct session *s)
{
    if (s->terminology)
        terminology_close(s->terminology);
    profile_home_close(s->home);
    profile_set_unref(s->set);
}

static int check_all(struct session *s, char **arguments, size_t count)
{
    int worst = 0;
    for (size_t i = 0; i < count; i++) {
        int status = inputs_each("tarn validate", arguments[i], s->by_lines, check_input, s);
        worst = MAX(worst, status);
    }
    if (!s->as_json && (s->has_lines || s->all_resources > count))
        fprintf(stdout, "%zu resources: %zu errors, %zu warnings\n", s->all_resources,
                s->all_errors, s->all_warnings);
    return worst;
}

int cli_validate(int argc, char **argv)
{
    struct session s = { .as_json = false };
    const char *data = NULL, *unknown = NULL;
    struct option_list packages = { .count = 0 }, profiles = { .count = 0 },
                       questionnaires = { .count = 0 };
    const struct option_row rows[] = {
        { "package", OPTION_LIST, "FILE", NULL,
          "a FHIR package (.tgz or folder), or a StructureDefinition; again for more", &packages },
        { "profile", OPTION_LIST, "URL", NULL,
          "a profile to check against, besides those of meta.profile; again for more", &profiles },
        { "data", OPTION_TEXT, "DIR", NULL, "also the packages of this data folder", &data },
        { "questionnaire", OPTION_LIST, "FILE", NULL,
          "a Questionnaire that responses are checked against; again for more", &questionnaires },
        { "known-extensions", OPTION_SWITCH, NULL, NULL,
          "an extension that no package defines is an error", &s.knows_extensions },
        { "no-markup", OPTION_SWITCH, NULL, NULL, "a string that looks like HTML is an error",
          &s.refuses_markup },
        { "unknown-profiles", OPTION_TEXT, "WHAT", NULL,
          "warn or error: what a profile is that no package has\n(default: a warning in "
          "meta.profile, an error where\na profile names it)",
          &unknown },
        { "json", OPTION_SWITCH, NULL, NULL,
          "a JSON object for each resource, its issues one a line", &s.as_json },
        { "json-lines", OPTION_SWITCH, NULL, NULL, "the same, each on one line (NDJSON)",
          &s.as_lines },
        { "ndjson", OPTION_SWITCH, NULL, NULL,
          "files of any name, and standard input, have a resource a line", &s.by_lines },
        { "quiet", OPTION_SWITCH, NULL, NULL, "errors only, no warnings", &s.quiet },
        { 0 },
    };
    const struct option_usage usage = { .line = "tarn validate [options] FILE...",
                                        .about = about,
                                        .rows = rows,
                                        .least = 1,
                                        .most = SIZE_MAX };
    struct arena arena;
    size_t count;
    int worst = options_parse(&usage, argc, argv, &count);
    if (worst >= 0)
        return worst;
    worst = 0;
    s.as_json |= s.as_lines;
    s.unknown_is_error = unknown && strcmp(unknown, "error") == 0;
    s.unknown_inner_is_error = !unknown || s.unknown_is_error;
    if (unknown && !s.unknown_is_error && strcmp(unknown, "warn") != 0)
        return options_refuse("validate", "--unknown-profiles: '%s' is neither warn nor error",
                              unknown);
    arena_init(&arena, ARENA_BYTES);
    if (fhir_rules_compile(&arena, &s.rules) != ERR_NONE) {
        fprintf(stderr, "tarn validate: out of memory\n");
        worst = 1;
        count = 0;
    }
    for (size_t i = 0; i < profiles.count; i++)
        s.profiles[s.profile_count++] = slice_cstr(profiles.items[i]);
    if (count > 0 && (!read_questionnaires(&s, &questionnaires, &arena) ||
                      !open_packages(&s, data, &packages))) {
        worst = 2;
        count = 0;
    }
    if (count > 0) {
        int status = check_all(&s, argv + 1, count);
        worst = MAX(worst, status);
    }
    close_packages(&s);
    arena_release(&arena);
    return worst;
}
