/* profile/home.c - packages in a folder: kept, removed, and seen when they change.
 *
 *   FOLDER/NAME@VERSION/profiles   the image
 *   FOLDER/defaults                "NAME VERSION" lines: versions meant without one
 *   FOLDER/changed                 replaced after each change, so that the folder's
 *                                  time moves
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/clock.h"
#include "os/file.h"
#include "profile/home.h"
#include "profile/package.h"

enum { PATH_BYTES = 1024, LOOK_US = 1000000, DEFAULTS_BYTES_MAX = 1 << 20 };

static bool path_make(char path[PATH_BYTES], const char *folder, struct slice package,
                      const char *name)
{
    int n = snprintf(path, PATH_BYTES, "%s/%.*s%s%s", folder, SLICE_ARGS(package),
                     package.length > 0 && *name ? "/" : "", name);
    return n > 0 && n < PATH_BYTES;
}

static enum err tell_change(const char *folder)
{
    char path[PATH_BYTES], text[40];
    if (!path_make(path, folder, SLICE_NONE, "changed"))
        return ERR_LIMIT;
    snprintf(text, sizeof text, "%lld\n", (long long)os_now_us());
    return os_file_replace(path, slice_cstr(text), 0644);
}

/* ---- adding ---- */

static enum err write_image(const char *folder, const struct profile_source *source,
                            struct slice image)
{
    char path[PATH_BYTES], name[PATH_BYTES / 2];
    int n = snprintf(name, sizeof name, "%.*s@%.*s", SLICE_ARGS(source->name),
                     SLICE_ARGS(source->version));
    if (n < 0 || (size_t)n >= sizeof name || !path_make(path, folder, slice_cstr(name), ""))
        return ERR_LIMIT;
    TRY(os_folder_make(path, 0755));
    if (!path_make(path, folder, slice_cstr(name), "profiles"))
        return ERR_LIMIT;
    TRY(os_file_replace(path, image, 0644));
    return tell_change(folder);
}

enum err profile_package_keep(const char *folder, const struct profile_source *source,
                              struct arena *arena, struct issues *issues)
{
    struct profile_set *set;
    struct buf image;
    if (!package_name_is_valid(source->name) || !package_name_is_valid(source->version))
        return issues_fail(issues, ERR_INVALID, "invalid", "a package has a name and a version");
    TRY(profile_set_open(folder, &set, NULL));
    buf_init(&image, (size_t)1 << 30);
    enum err err = profile_compile(source, set, arena, issues, &image);
    if (!err)
        err = write_image(folder, source, buf_slice(&image));
    buf_release(&image);
    profile_set_unref(set);
    return err;
}

/* ---- removing, preferring ---- */

static bool package_is_valid(struct slice package, struct slice *ret_name,
                             struct slice *ret_version)
{
    *ret_version = package;
    *ret_name = slice_cut(ret_version, '@');
    return package_name_is_valid(*ret_name) && package_name_is_valid(*ret_version);
}

enum err profile_package_remove(const char *folder, struct slice package)
{
    char path[PATH_BYTES];
    struct slice name, version;
    if (!package_is_valid(package, &name, &version) || !path_make(path, folder, package, ""))
        return ERR_INVALID;
    if (!os_file_exists(path))
        return ERR_NOT_FOUND;
    TRY(os_folder_remove(path));
    return tell_change(folder);
}

/* The other packages' lines stay. */
static void copy_lines(struct slice text, struct slice name, struct buf *out)
{
    while (text.length > 0) {
        struct slice line = slice_cut(&text, '\n'), rest = line;
        if (line.length > 0 && !slice_equal(slice_cut(&rest, ' '), name)) {
            buf_append(out, line);
            buf_append_byte(out, '\n');
        }
    }
}

enum err profile_package_prefer(const char *folder, struct slice package)
{
    char path[PATH_BYTES];
    struct slice name, version;
    struct buf old, text;
    if (!package_is_valid(package, &name, &version) || !path_make(path, folder, package, ""))
        return ERR_INVALID;
    if (!os_file_exists(path))
        return ERR_NOT_FOUND;
    if (!path_make(path, folder, SLICE_NONE, "defaults"))
        return ERR_LIMIT;
    buf_init(&old, DEFAULTS_BYTES_MAX);
    buf_init(&text, 2 * DEFAULTS_BYTES_MAX);
    enum err err = os_file_read(path, &old);
    if (err == ERR_NOT_FOUND)
        err = ERR_NONE;
    copy_lines(buf_slice(&old), name, &text);
    buf_printf(&text, "%.*s %.*s\n", SLICE_ARGS(name), SLICE_ARGS(version));
    if (!err)
        err = buf_status(&text);
    if (!err)
        err = os_file_replace(path, buf_slice(&text), 0644);
    buf_release(&old);
    buf_release(&text);
    return err ? err : tell_change(folder);
}

/* ---- a folder that may change ---- */

struct profile_home {
    char *folder;         /* owned */
    pthread_mutex_t lock; /* of ... */
    struct profile_set *set;
    struct os_file_stamp stamp;
    int64_t looked_us;
    bool has_changed;
    struct package_codes *codes; /* each lives as long as the home */
};

static struct os_file_stamp stamp_of(const char *folder)
{
    struct os_file_stamp stamp;
    if (!folder || os_file_stamp(folder, &stamp) != ERR_NONE)
        stamp = (struct os_file_stamp){ 0 };
    return stamp;
}

/* Takes the caller's reference to the set, also when it fails. */
static enum err make_home(const char *folder, struct profile_set *set,
                          struct profile_home **ret_home)
{
    struct profile_home *home = calloc(1, sizeof *home);
    char *copy = folder ? strdup(folder) : NULL;
    if (!home || (folder && !copy)) {
        free(copy);
        free(home);
        profile_set_unref(set);
        return ERR_NO_MEMORY;
    }
    home->folder = copy;
    home->set = set;
    pthread_mutex_init(&home->lock, NULL);
    *ret_home = home;
    return ERR_NONE;
}

enum err profile_home_open(const char *folder, struct profile_home **ret_home,
                           uint32_t *ret_damaged)
{
    struct profile_set *set;
    struct os_file_stamp stamp = stamp_of(folder); /* before it is read: no change is lost */
    TRY(profile_set_open(folder, &set, ret_damaged));
    TRY(make_home(folder, set, ret_home));
    (*ret_home)->stamp = stamp;
    (*ret_home)->looked_us = os_now_us();
    return ERR_NONE;
}

enum err profile_home_of(struct profile_set *set, struct profile_home **ret_home)
{
    return make_home(NULL, profile_set_ref(set), ret_home);
}

void profile_home_close(struct profile_home *home)
{
    if (!home)
        return;
    while (home->codes) {
        struct package_codes *p = home->codes;
        home->codes = p->next;
        terminology_close(p->terminology);
        free(p->package);
        free(p);
    }
    profile_set_unref(home->set);
    pthread_mutex_destroy(&home->lock);
    free(home->folder);
    free(home);
}

/* A folder that cannot be read anew leaves what is known. */
static void look(struct profile_home *home)
{
    int64_t now_us = os_now_us();
    if (!home->folder || (now_us >= home->looked_us && now_us - home->looked_us < LOOK_US))
        return;
    home->looked_us = now_us;
    struct os_file_stamp stamp = stamp_of(home->folder);
    struct profile_set *set;
    if (stamp.inode == home->stamp.inode && stamp.changed_ns == home->stamp.changed_ns)
        return;
    if (profile_set_open(home->folder, &set, NULL) != ERR_NONE)
        return;
    profile_set_unref(home->set);
    home->set = set;
    home->stamp = stamp;
    home->has_changed = true;
    for (struct package_codes *p = home->codes; p; p = p->next)
        terminology_forget(p->terminology);
}

struct profile_set *profile_home_set(struct profile_home *home, bool *ret_changed)
{
    pthread_mutex_lock(&home->lock);
    look(home);
    struct profile_set *set = profile_set_ref(home->set);
    if (ret_changed) {
        *ret_changed = home->has_changed;
        home->has_changed = false;
    }
    pthread_mutex_unlock(&home->lock);
    return set;
}

static struct package_codes *new_codes(struct profile_home *home, struct slice package)
{
    struct package_codes *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->home = home;
    p->package = strndup(package.bytes, package.length);
    if (p->package && package_codes_open(p) == ERR_NONE)
        return p;
    free(p->package);
    free(p);
    return NULL;
}

/* As many as there are packages with an older version beside another. */
struct terminology *home_codes(struct profile_home *home, struct slice package)
{
    pthread_mutex_lock(&home->lock);
    struct package_codes *p = home->codes;
    while (p && !slice_is(package, p->package))
        p = p->next;
    if (!p) {
        p = new_codes(home, package);
        if (p) {
            p->next = home->codes;
            home->codes = p;
        }
    }
    pthread_mutex_unlock(&home->lock);
    return p ? p->terminology : NULL;
}
