/* ceiling_log.c - what a durable single write costs without any of our work.
 *
 *   ceiling_log raw|rocksdb FOLDER CLIENTS SECONDS BODY_BYTES
 *
 * CLIENTS threads append a record and wait until it is synced. "raw": one file,
 * one shared fdatasync (the first to arrive syncs for all). "rocksdb": five rows
 * a document through rocksdb_write, then one shared rocksdb_flush_wal(db, 1).
 * Prints writes/s.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t synced = PTHREAD_COND_INITIALIZER;
static uint64_t written, durable, total;
static bool syncing;
static int fd;
static off_t end;
static size_t body_bytes;
static double deadline;
static rocksdb_t *db;
static rocksdb_writeoptions_t *options;

static void fail(const char *what)
{
    perror(what);
    exit(2);
}

static void append_raw(const char *body)
{
    if (pwrite(fd, body, body_bytes, end) != (ssize_t)body_bytes)
        fail("pwrite");
    end += (off_t)body_bytes;
    if (end > 48 << 20)
        end = 0;
}

static void append_rocksdb(const char *body, uint64_t n)
{
    char key[24] = { 0 }, *error = NULL;
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    for (char row = 0; row < 5; row++) {
        key[0] = row;
        memcpy(key + 8, &n, 8);
        rocksdb_writebatch_put(batch, key, 17, body, row == 0 ? body_bytes : 24);
    }
    rocksdb_write(db, options, batch, &error);
    rocksdb_writebatch_destroy(batch);
    if (error)
        fail(error);
}

static void sync_now(void)
{
    char *error = NULL;
    if (!db && fdatasync(fd))
        fail("fdatasync");
    if (db)
        rocksdb_flush_wal(db, 1, &error);
    if (error)
        fail(error);
}

static void *client(void *unused)
{
    (void)unused;
    char *body = malloc(body_bytes);
    memset(body, 'x', body_bytes);
    while (wall_seconds() < deadline) {
        pthread_mutex_lock(&lock);
        uint64_t mine = ++written;
        if (db)
            append_rocksdb(body, mine);
        else
            append_raw(body);
        while (durable < mine) {
            if (syncing) {
                pthread_cond_wait(&synced, &lock);
                continue;
            }
            syncing = true;
            uint64_t sample = written;
            pthread_mutex_unlock(&lock);
            sync_now();
            pthread_mutex_lock(&lock);
            durable = sample;
            syncing = false;
            pthread_cond_broadcast(&synced);
        }
        total++;
        pthread_mutex_unlock(&lock);
    }
    free(body);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    char path[4096];
    int clients = (int)strtol(argv[3], NULL, 10);
    body_bytes = (size_t)strtol(argv[5], NULL, 10);
    snprintf(path, sizeof path, "%s/ceiling-%s", argv[2], argv[1]);
    if (strcmp(argv[1], "raw") == 0) {
        fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
        if (fd < 0 || posix_fallocate(fd, 0, 64 << 20) || fsync(fd))
            fail(path);
    } else {
        char *error = NULL;
        rocksdb_options_t *o = rocksdb_options_create();
        rocksdb_options_set_create_if_missing(o, 1);
        options = rocksdb_writeoptions_create();
        db = rocksdb_open(o, path, &error);
        if (error)
            fail(error);
    }
    pthread_t threads[256];
    double begun = wall_seconds();
    deadline = begun + atof(argv[4]);
    for (int i = 0; i < clients; i++)
        pthread_create(&threads[i], NULL, client, NULL);
    for (int i = 0; i < clients; i++)
        pthread_join(threads[i], NULL);
    printf("%.0f writes/s\n", (double)total / (wall_seconds() - begun));
    if (db)
        rocksdb_close(db);
    else
        close(fd);
    return 0;
}
