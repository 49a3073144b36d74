/* auth/root.c - the root key and its file.
 *
 * The file is an AWS credentials file, so that AWS_SHARED_CREDENTIALS_FILE can
 * name it and every AWS client understands it.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "auth/auth.h"
#include "base/codec.h"
#include "os/file.h"
#include "os/random.h"

enum { FILE_BYTES_MAX = 64 * 1024, ID_RANDOM_LENGTH = 16, SECRET_RANDOM_BYTES = 30 };

static enum err fail(struct arena *arena, enum err err, struct slice *error, const char *path,
                     const char *what)
{
    *error = arena_printf(arena, "root key file %s: %s", path, what);
    return err;
}

/* "TARN" and 16 of A-Z2-7; a secret of 40 characters that no shell, URL or INI
 * file minds. */
static void make_key(char id[4 + ID_RANDOM_LENGTH + 1], struct buf *secret)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t random[ID_RANDOM_LENGTH + SECRET_RANDOM_BYTES];
    os_random(random, sizeof random);
    memcpy(id, "TARN", 4);
    for (size_t i = 0; i < ID_RANDOM_LENGTH; i++)
        id[4 + i] = digits[random[i] & 31];
    id[4 + ID_RANDOM_LENGTH] = '\0';
    base64url_encode(secret, slice_of((const char *)random + ID_RANDOM_LENGTH,
                                      SECRET_RANDOM_BYTES));
    OPENSSL_cleanse(random, sizeof random);
}

static enum err make_file(const char *path, struct arena *arena, struct aws_credentials *ret_root,
                          struct slice *error)
{
    char id[4 + ID_RANDOM_LENGTH + 1];
    struct buf secret;
    buf_init(&secret, 256);
    make_key(id, &secret);
    struct slice text = arena_printf(
        arena,
        "# The root key of this Tarn data folder: whoever has it may do everything.\n"
        "# AWS tools read it: AWS_SHARED_CREDENTIALS_FILE=%s\n"
        "[default]\n"
        "aws_access_key_id = %s\n"
        "aws_secret_access_key = %.*s\n",
        path, id, SLICE_ARGS(buf_slice(&secret)));
    enum err err = text.bytes ? buf_status(&secret) : ERR_NO_MEMORY;
    buf_release(&secret);
    if (!err)
        err = os_file_replace(path, text, 0600);
    if (err)
        return fail(arena, err, error, path,
                    err == ERR_IO ? strerror(errno) : err_text(err));
    CHECK(aws_credentials_parse(text, "default", ret_root));
    return ERR_NONE;
}

static enum err read_file(const char *path, struct arena *arena, struct aws_credentials *ret_root,
                          struct slice *error)
{
    unsigned mode;
    enum err err = os_file_mode(path, &mode);
    if (err)
        return fail(arena, err, error, path, err_text(err));
    if (mode & 077)
        return fail(arena, ERR_INVALID, error, path,
                    "others may read it; make it private with chmod 600");
    struct buf bytes;
    buf_init(&bytes, FILE_BYTES_MAX);
    err = os_file_read(path, &bytes);
    char *copy = err ? NULL : arena_copy(arena, buf_slice(&bytes));
    struct slice text = slice_of(copy, bytes.length);
    buf_release(&bytes);
    if (!copy)
        return fail(arena, err ? err : ERR_NO_MEMORY, error, path,
                    err == ERR_IO ? strerror(errno) : err_text(err ? err : ERR_NO_MEMORY));
    if (!aws_credentials_parse(text, "default", ret_root))
        return fail(arena, ERR_INVALID, error, path,
                    "it needs [default], aws_access_key_id and aws_secret_access_key");
    return ERR_NONE;
}

/* True when either variable is set; *ret_err says whether both are. */
static bool from_environment(struct arena *arena, struct aws_credentials *ret_root,
                             enum err *ret_err, struct slice *error)
{
    struct slice id = slice_cstr(getenv("TARN_ROOT_ACCESS_KEY_ID"));
    struct slice secret = slice_cstr(getenv("TARN_ROOT_SECRET_ACCESS_KEY"));
    if (!id.length && !secret.length)
        return false;
    *ret_err = ERR_NONE;
    if (!id.length || !secret.length) {
        *error = SLICE("TARN_ROOT_ACCESS_KEY_ID and TARN_ROOT_SECRET_ACCESS_KEY must be set "
                       "together");
        *ret_err = ERR_INVALID;
        return true;
    }
    const char *id_copy = arena_copy(arena, id), *secret_copy = arena_copy(arena, secret);
    if (!id_copy || !secret_copy)
        *ret_err = ERR_NO_MEMORY;
    *ret_root = (struct aws_credentials){ .access_key_id = slice_cstr(id_copy),
                                          .secret_access_key = slice_cstr(secret_copy) };
    return true;
}

enum err auth_root_find(const char *folder, bool may_make, struct arena *arena,
                        struct aws_credentials *ret_root, enum auth_root_origin *ret_origin,
                        struct slice *ret_path, struct slice *error)
{
    *ret_path = arena_printf(arena, "%s/root-key", folder);
    if (!ret_path->bytes)
        return ERR_NO_MEMORY;
    enum err err;
    if (from_environment(arena, ret_root, &err, error)) {
        *ret_origin = AUTH_ROOT_ENVIRONMENT;
        return err;
    }
    if (may_make && !os_file_exists(ret_path->bytes)) {
        *ret_origin = AUTH_ROOT_MADE;
        return make_file(ret_path->bytes, arena, ret_root, error);
    }
    *ret_origin = AUTH_ROOT_FILE;
    return read_file(ret_path->bytes, arena, ret_root, error);
}
