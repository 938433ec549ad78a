/* The peer: how fast can a policy service be that does next to nothing around the protocol?
 *
 * One thread, epoll, level-triggered. Reads until an empty line, finds client_address, looks it up
 * in a hash set of text, answers OK or DUNNO. No checks, no time-outs, no log: less than a real
 * service must do, so a ratio against it flatters nobody.
 *
 * Usage: epoll_policy PORT GRANTS      grants are 20.a.b.c for a.b.c from 0 to GRANTS - 1
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LONGEST = 65536, BATCH = 64 };

struct peer {
    int fd;
    size_t filled;
    char buffer[LONGEST];
};

static char (*slots)[16];
static size_t mask;

static uint64_t hash(const char *text, size_t length)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    return h ^ h >> 29;
}

static char *slot(const char *text, size_t length)
{
    size_t i = hash(text, length) & mask;
    while (slots[i][0] && (strlen(slots[i]) != length || memcmp(slots[i], text, length)))
        i = (i + 1) & mask;
    return slots[i];
}

static void fill(unsigned grants)
{
    for (mask = 1; mask < 2 * (size_t)grants + 2; mask *= 2)
        ;
    slots = calloc(mask, sizeof *slots);
    mask--;
    for (unsigned i = 0; i < grants; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "20.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
        memcpy(slot(text, (size_t)n), text, (size_t)n + 1);
    }
}

static const char *answer(const char *request, size_t length)
{
    static const char label[] = "\nclient_address=";
    const char *at = memmem(request, length, label, sizeof label - 1);
    if (!at)
        return "action=DUNNO\n\n";
    at += sizeof label - 1;
    const char *end = memchr(at, '\n', length - (size_t)(at - request));
    size_t n = (size_t)(end - at);
    return n && n < 16 && slot(at, n)[0] ? "action=OK\n\n" : "action=DUNNO\n\n";
}

/* Returns 0 when the peer is gone or broken. */
static int serve(struct peer *p)
{
    ssize_t n = read(p->fd, p->buffer + p->filled, LONGEST - p->filled);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    p->filled += (size_t)n;
    char *start = p->buffer, *end;
    while ((end = memmem(start, p->filled, "\n\n", 2))) {
        size_t length = (size_t)(end + 2 - start);
        const char *reply = answer(start, length);
        if (write(p->fd, reply, strlen(reply)) < 0)
            return 0;
        start += length;
        p->filled -= length;
    }
    if (start != p->buffer)
        memmove(p->buffer, start, p->filled);
    return p->filled < LONGEST;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    fill((unsigned)atoi(argv[2]));
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 512)) {
        perror("epoll_policy");
        return 1;
    }
    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[BATCH];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poll, events, BATCH, -1);
        for (int i = 0; i < ready; i++) {
            struct peer *p = events[i].data.ptr;
            if (p) {
                if (!serve(p)) {
                    close(p->fd);
                    free(p);
                }
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (fd < 0)
                continue;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            p = malloc(sizeof *p);
            p->fd = fd;
            p->filled = 0;
            event.data.ptr = p;
            epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        }
    }
}
