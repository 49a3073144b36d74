/* load.c - a small HTTP/1.1 load client: keep-alive, one connection a thread.
 *
 *   load get  PORT CLIENTS SECONDS PATHS-FILE          random paths of the file; a line may
 *                                                      be PATH, a tab and the name of its kind
 *   load put  PORT CLIENTS SECONDS PREFIX BODY-FILE    PREFIX/ID, "@ID@" in the body
 *   load post PORT CLIENTS SECONDS PATH FILE...        each file once per round; the
 *                                                      bytes "@ROUND@" become the round
 *
 * Prints "N requests/s P50 us P99 us BYTES/s", then of each kind a line "P50 P99 NAME".
 * Any status but 200/201 stops it.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "os/thread.h"

enum { CLIENTS_MAX = 256, SAMPLES_MAX = 1 << 20, HEAD_BYTES = 65536, MARK_BYTES = 7 };

static const char *mode, *prefix;
static int port;
static double deadline;
static char **texts; /* paths (get) or bodies (put, post) */
static char **kinds; /* of the paths; NULL: none */
static size_t *lengths, text_count;
static atomic_ulong requests, received, next_file;
static double *samples;
static uint32_t *sampled; /* which text */

static void fail(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in there = { .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (connect(fd, (struct sockaddr *)&there, sizeof there))
        fail("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void send_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n <= 0)
            fail("the connection broke while sending");
        bytes += n;
        length -= (size_t)n;
    }
}

struct reader {
    int fd;
    char *buffer;
    size_t have, room;
};

static void fill(struct reader *r)
{
    if (r->have == r->room)
        r->buffer = realloc(r->buffer, r->room = r->room ? r->room * 2 : HEAD_BYTES);
    ssize_t n = recv(r->fd, r->buffer + r->have, r->room - r->have, 0);
    if (n <= 0)
        fail("the connection broke while receiving");
    r->have += (size_t)n;
}

/* Skip a chunked body that begins at `at`; returns its end. */
static size_t skip_chunks(struct reader *r, size_t at)
{
    for (;;) {
        char *line;
        while (!(line = memmem(r->buffer + at, r->have - at, "\r\n", 2)))
            fill(r);
        size_t size = strtoul(r->buffer + at, NULL, 16);
        at = (size_t)(line - r->buffer) + 2 + size + 2;
        while (r->have < at)
            fill(r);
        if (size == 0)
            return at;
    }
}

static void receive(struct reader *r)
{
    char *end;
    while (!r->have || !(end = memmem(r->buffer, r->have, "\r\n\r\n", 4)))
        fill(r);
    int status = (int)strtol(r->buffer + 9, NULL, 10);
    size_t head = (size_t)(end - r->buffer) + 4, total = head;
    char saved = r->buffer[head - 1];
    r->buffer[head - 1] = '\0';
    char *length = strcasestr(r->buffer, "\r\ncontent-length:");
    bool chunked = strcasestr(r->buffer, "\r\ntransfer-encoding: chunked") != NULL;
    if (length)
        total += strtoul(length + 17, NULL, 10);
    r->buffer[head - 1] = saved;
    if (chunked)
        total = skip_chunks(r, head);
    while (r->have < total)
        fill(r);
    if (status != 200 && status != 201) {
        fprintf(stderr, "%.*s\n", (int)(total < 2000 ? total : 2000), r->buffer);
        fail("a request was refused");
    }
    atomic_fetch_add(&received, total);
    memmove(r->buffer, r->buffer + total, r->have - total);
    r->have -= total;
}

static void send_request(int fd, const char *method, const char *path, const char *body,
                         size_t length)
{
    char head[4096];
    int n = snprintf(head, sizeof head,
                     "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                     "Content-Type: application/fhir+json\r\nContent-Length: %zu\r\n\r\n",
                     method, path, port, length);
    if (length < 60000) { /* one packet, as clients do */
        char whole[65536];
        memcpy(whole, head, (size_t)n);
        if (length)
            memcpy(whole + n, body, length);
        send_all(fd, whole, (size_t)n + length);
        return;
    }
    send_all(fd, head, (size_t)n);
    send_all(fd, body, length);
}

static void put_one(int fd, uint64_t id)
{
    char path[1024], body[65536], text[32];
    snprintf(text, sizeof text, "b%lu", (unsigned long)id);
    snprintf(path, sizeof path, "%s/%s", prefix, text);
    const char *mark = strstr(texts[0], "@ID@");
    size_t before = (size_t)(mark - texts[0]), id_bytes = strlen(text);
    memcpy(body, texts[0], before);
    memcpy(body + before, text, id_bytes);
    memcpy(body + before + id_bytes, mark + 4, lengths[0] - before - 4);
    send_request(fd, "PUT", path, body, lengths[0] - 4 + id_bytes);
}

/* The round, in as many digits as the mark has, at every mark. */
static void post_one(int fd, uint64_t n)
{
    size_t file = n % text_count;
    char round[MARK_BYTES + 1];
    snprintf(round, sizeof round, "%07lu", (unsigned long)(n / text_count % 10000000));
    char *body = malloc(lengths[file] + 1);
    memcpy(body, texts[file], lengths[file]);
    for (char *at = body;
         (at = memmem(at, lengths[file] - (size_t)(at - body), "@ROUND@", MARK_BYTES));)
        memcpy(at, round, MARK_BYTES);
    send_request(fd, "POST", prefix, body, lengths[file]);
    free(body);
}

static void *client(void *argument)
{
    uint64_t state = 88172645463325252ull + (uint64_t)(uintptr_t)argument * 7919;
    struct reader r = { .fd = dial() };
    if (mode[1] == 'e')
        os_thread_be_prompt(); /* or it would wait for the server's own threads */
    while (wall_seconds() < deadline) {
        double begun = wall_seconds();
        uint64_t n = atomic_fetch_add(&next_file, 1);
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        size_t text = state % text_count;
        if (mode[1] == 'e')
            send_request(r.fd, "GET", texts[text], NULL, 0);
        else if (mode[1] == 'u')
            put_one(r.fd, n);
        else
            post_one(r.fd, n);
        receive(&r);
        unsigned long i = atomic_fetch_add(&requests, 1);
        if (i < SAMPLES_MAX) {
            samples[i] = wall_seconds() - begun;
            sampled[i] = (uint32_t)text;
        }
    }
    close(r.fd);
    free(r.buffer);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static char *read_file(const char *path, size_t *ret_length)
{
    FILE *in = fopen(path, "r");
    if (!in)
        fail(path);
    fseek(in, 0, SEEK_END);
    *ret_length = (size_t)ftell(in);
    rewind(in);
    char *bytes = calloc(1, *ret_length + 1);
    if (fread(bytes, 1, *ret_length, in) != *ret_length)
        fail(path);
    fclose(in);
    return bytes;
}

static void load_inputs(int argc, char **argv)
{
    texts = calloc(1 << 20, sizeof *texts);
    lengths = calloc(1 << 20, sizeof *lengths);
    samples = calloc(SAMPLES_MAX, sizeof *samples);
    sampled = calloc(SAMPLES_MAX, sizeof *sampled);
    kinds = calloc(1 << 20, sizeof *kinds);
    if (mode[1] == 'e') {
        size_t length;
        for (char *rest = read_file(argv[5], &length), *line; (line = strsep(&rest, "\n"));) {
            if (!*line || text_count == 1 << 20)
                continue;
            kinds[text_count] = strchr(line, '\t');
            if (kinds[text_count])
                *kinds[text_count]++ = '\0';
            texts[text_count++] = line;
        }
        return;
    }
    prefix = argv[5];
    for (int i = 6; i < argc; i++, text_count++)
        texts[text_count] = read_file(argv[i], &lengths[text_count]);
}

/* Each kind by itself: quadratic in their number, which is small. */
static void tell_kinds(size_t count)
{
    double *own = calloc(count + 1, sizeof *own);
    for (size_t t = 0; t < text_count; t++) {
        bool is_first = kinds[t] != NULL;
        for (size_t u = 0; is_first && u < t; u++)
            is_first = !kinds[u] || strcmp(kinds[u], kinds[t]) != 0;
        if (!is_first)
            continue;
        size_t n = 0;
        for (size_t i = 0; i < count; i++)
            if (kinds[sampled[i]] && strcmp(kinds[sampled[i]], kinds[t]) == 0)
                own[n++] = samples[i];
        qsort(own, n, sizeof *own, compare);
        if (n)
            printf("%.0f %.0f %s\n", own[n / 2] * 1e6, own[n * 99 / 100] * 1e6, kinds[t]);
    }
    free(own);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    mode = argv[1];
    port = (int)strtol(argv[2], NULL, 10);
    int clients = (int)strtol(argv[3], NULL, 10);
    load_inputs(argc, argv);
    pthread_t threads[CLIENTS_MAX];
    double begun = wall_seconds();
    deadline = begun + atof(argv[4]);
    for (int i = 0; i < clients; i++)
        pthread_create(&threads[i], NULL, client, (void *)(uintptr_t)i);
    for (int i = 0; i < clients; i++)
        pthread_join(threads[i], NULL);
    double took = wall_seconds() - begun;
    size_t count = requests < SAMPLES_MAX ? requests : SAMPLES_MAX;
    double *by_kind = samples;
    samples = calloc(count + 1, sizeof *samples);
    memcpy(samples, by_kind, count * sizeof *samples);
    qsort(samples, count, sizeof *samples, compare);
    printf("%.1f requests/s %.0f us %.0f us %.0f bytes/s\n", (double)requests / took,
           samples[count / 2] * 1e6, samples[count * 99 / 100] * 1e6, (double)received / took);
    samples = by_kind;
    if (mode[1] == 'e')
        tell_kinds(count);
    return 0;
}
