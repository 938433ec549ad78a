/* The peer: how fast can a service be that does next to nothing around its protocol?
 *
 * One thread, epoll, level-triggered. Reads until a request is whole, finds the client in it, looks
 * it up in a hash set of text, answers. No checks, no time-outs, no log: less than a real service
 * must do, so a ratio against it flatters nobody.
 *
 * Usage: epoll PORT GRANTS LABEL STOP END YES NO [close | udp]
 *        epoll PORT GRANTS dns [udp]
 * The client stands between LABEL and STOP; a request is whole with END; YES and NO are the replies;
 * `close` ends the connection after one. Or DNS, where the client are the labels before the zone and
 * the reply is the request with an answer behind it. `udp`: datagrams, one request in each.
 * Grants are 20.a.b.c for a.b.c from 0 to GRANTS - 1.
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

static char (*slots)[20];
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

static const char *label, *stop, *end, *yes, *no;
static int closes, dns, udp;

/* The name's labels before the zone, as they stand in a DNS message: \0033... */
static int reverse(char *text, unsigned a, unsigned b, unsigned c, unsigned d)
{
    unsigned octets[] = {d, c, b, a};
    int n = 0;
    for (int i = 0; i < 4; i++) {
        int digits = snprintf(text + n + 1, 4, "%u", octets[i]);
        text[n] = (char)digits;
        n += 1 + digits;
    }
    text[n] = 0;
    return n;
}

static void fill(unsigned grants)
{
    for (mask = 1; mask < 2 * (size_t)grants + 2; mask *= 2)
        ;
    slots = calloc(mask, sizeof *slots);
    mask--;
    for (unsigned i = 0; i < grants; i++) {
        char text[20];
        unsigned b = i >> 16 & 255, c = i >> 8 & 255, d = i & 255;
        int n = dns ? reverse(text, 20, b, c, d)
                    : snprintf(text, sizeof text, "20.%u.%u.%u", b, c, d);
        memcpy(slot(text, (size_t)n), text, (size_t)n + 1);
    }
}

static const char *answer(const char *request, size_t length)
{
    const char *at = memmem(request, length, label, strlen(label));
    if (!at)
        return no;
    at += strlen(label);
    const char *behind = memchr(at, *stop, length - (size_t)(at - request));
    size_t n = (size_t)(behind - at);
    return n && n < 20 && slot(at, n)[0] ? yes : no;
}

/* Makes the reply out of the message; returns its length. */
static size_t resolve(unsigned char *message, size_t length)
{
    static const unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 2};
    size_t n = 0;
    for (int i = 0; i < 4; i++)
        n += 1 + message[12 + n];
    message[2] |= 0x84;
    if (!slot((char *)message + 12, n)[0]) {
        message[3] = 3;
        return length;
    }
    message[7] = 1;
    memcpy(message + length, record, sizeof record);
    return length + sizeof record;
}

/* Returns 0 when the peer is gone or broken. */
static int serve(struct peer *p)
{
    ssize_t n = read(p->fd, p->buffer + p->filled, LONGEST - p->filled);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    p->filled += (size_t)n;
    if (dns) { /* one question at a time is all that the load sends */
        unsigned char *message = (unsigned char *)p->buffer;
        if (p->filled < 2 || p->filled < 2u + (size_t)(message[0] << 8 | message[1]))
            return 1;
        size_t length = resolve(message + 2, p->filled - 2);
        message[0] = (unsigned char)(length >> 8);
        message[1] = (unsigned char)length;
        p->filled = 0;
        return write(p->fd, message, length + 2) > 0;
    }
    char *start = p->buffer, *found;
    while ((found = memmem(start, p->filled, end, strlen(end)))) {
        size_t length = (size_t)(found + strlen(end) - start);
        const char *reply = answer(start, length);
        if (write(p->fd, reply, strlen(reply)) < 0 || closes)
            return 0;
        start += length;
        p->filled -= length;
    }
    if (start != p->buffer)
        memmove(p->buffer, start, p->filled);
    return p->filled < LONGEST;
}

static void serve_datagrams(int fd)
{
    static unsigned char message[LONGEST];
    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(fd, message, sizeof message - 64, 0, (struct sockaddr *)&from, &size);
        const char *reply = (char *)message;
        if (n <= 12)
            continue;
        if (!dns)
            reply = answer(reply, (size_t)n);
        size_t length = dns ? resolve(message, (size_t)n) : strlen(reply);
        sendto(fd, reply, length, 0, (struct sockaddr *)&from, size);
    }
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    udp = !strcmp(argv[argc - 1], "udp");
    dns = !strcmp(argv[3], "dns");
    if (!dns) {
        if (argc < 8)
            return 2;
        label = argv[3], stop = argv[4], end = argv[5], yes = argv[6], no = argv[7];
        closes = !strcmp(argv[argc - 1], "close");
    }
    fill((unsigned)atoi(argv[2]));
    int one = 1, kind = udp ? SOCK_DGRAM : SOCK_STREAM | SOCK_NONBLOCK;
    int listener = socket(AF_INET, kind, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || (!udp && listen(listener, 512))) {
        perror("epoll");
        return 1;
    }
    if (udp)
        serve_datagrams(listener);
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
