/* ceiling_http.c - the least that answers cost: a bare epoll loop, one thread.
 *
 *   ceiling_http PORT BODY_BYTES FRAMES BUNDLE.json
 *
 * GET /small answers BODY_BYTES stored bytes. GET /everything decompresses
 * FRAMES resources of the bundle (one zstd frame each), and sends them as one
 * answer of known length. Runs until killed.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zstd.h>

#include "json/json.h"

enum { HEAD_BYTES = 1024, EVENTS = 64, REQUEST_BYTES = 8192, FRAMES_MAX = 100000 };

static struct {
    char *bytes;
    size_t length, plain;
} frames[FRAMES_MAX];
static size_t frame_count, plain_bytes, body_bytes;
static char *answer;
static ZSTD_DCtx *decompressor;

static void load(const char *path, size_t count)
{
    FILE *in = fopen(path, "r");
    char *text = malloc(64 << 20);
    size_t length = in ? fread(text, 1, 64 << 20, in) : 0;
    struct arena arena;
    struct json_doc doc;
    struct json_error error;
    arena_init(&arena, (size_t)1 << 30);
    if (json_parse(slice_of(text, length), NULL, &arena, &doc, &error))
        exit(2);
    struct json entries = json_member(json_root(&doc), "entry");
    while (frame_count < count) {
        for (struct json e = json_first(entries); json_exists(e) && frame_count < count;
             e = json_next(entries, e)) {
            struct slice raw = json_raw(json_member(e, "resource"));
            size_t room = ZSTD_compressBound(raw.length);
            char *bytes = malloc(room);
            frames[frame_count].bytes = bytes;
            frames[frame_count].plain = raw.length;
            frames[frame_count++].length = ZSTD_compress(bytes, room, raw.bytes, raw.length, 1);
            plain_bytes += raw.length;
        }
    }
    arena_release(&arena);
    free(text);
    fclose(in);
}

static void send_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes += n;
        length -= (size_t)n;
    }
}

static void respond(int fd, bool everything)
{
    size_t length = everything ? plain_bytes : body_bytes;
    int at = snprintf(answer, HEAD_BYTES,
                      "HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n"
                      "ETag: W/\"1\"\r\nContent-Length: %zu\r\n\r\n",
                      length);
    char *out = answer + at;
    if (everything) {
        for (size_t i = 0; i < frame_count; i++)
            out += ZSTD_decompressDCtx(decompressor, out, frames[i].plain, frames[i].bytes,
                                       frames[i].length);
    } else {
        memset(out, 'x', length);
        out += length;
    }
    send_all(fd, answer, (size_t)(out - answer));
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    body_bytes = (size_t)strtol(argv[2], NULL, 10);
    load(argv[4], (size_t)strtol(argv[3], NULL, 10));
    answer = malloc(plain_bytes + body_bytes + HEAD_BYTES);
    decompressor = ZSTD_createDCtx();
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, poll = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in here = { .sin_family = AF_INET,
                                .sin_port = htons((uint16_t)strtol(argv[1], NULL, 10)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 1024))
        return 2;
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener }, events[EVENTS];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    printf("listening on http://127.0.0.1:%s\n", argv[1]);
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            char request[REQUEST_BYTES];
            if (fd == listener) {
                event.data.fd = accept(listener, NULL, NULL);
                setsockopt(event.data.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event);
                continue;
            }
            ssize_t got = recv(fd, request, sizeof request - 1, 0); /* one request a read */
            if (got <= 0) {
                close(fd);
                continue;
            }
            request[got] = '\0';
            respond(fd, strncmp(request, "GET /everything", 15) == 0);
        }
    }
}
