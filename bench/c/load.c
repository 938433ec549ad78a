/* The load: N MTA processes as one thread sees them.
 *
 * Each of N persistent connections has one request outstanding, as an smtpd has: it asks, waits for
 * the whole reply, asks again. Every second client has a grant (20.a.b.c), the others have none
 * (21.a.b.c); every reply is compared with what it must be. Requests are composed before the clock
 * starts, so that the generator costs little; it reports its own CPU time so that the reader can
 * see that it wasn't the limit.
 *
 * Usage: load PORT CONNECTIONS SECONDS GRANTS REQUEST YES NO [close | verdict] [udp]
 *        load PORT CONNECTIONS SECONDS GRANTS dns [udp]
 * and `awake` behind all that: it asks the kernel again and again instead of sleeping until a reply
 * comes, so that no server pays for waking it.
 * In REQUEST, {ip} is the client and {ip+8} the length of its text plus 8. `close`: a connection for
 * each request, which the server ends. `verdict`: the first byte of a reply counts, and it is whole
 * with CRLF CRLF. Or DNS, for addresses in the zone relay.example. `udp`: datagrams; one that gets no
 * reply within a second ends the run, since nothing is lost on loopback.
 * Prints one JSON object. SIGTERM ends it early; the figures are then those up to there.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { POOL = 4096, LONGEST = 2048, BATCH = 256, MOST_TIMES = 32 << 20 };
#define WARM_UP 0.25 /* seconds before the counting starts */

struct smtpd {
    int fd;
    int granted;
    unsigned number; /* of the request */
    unsigned filled;
    uint64_t asked;
    char reply[256];
};

static char requests[POOL][LONGEST];
static unsigned lengths[POOL];
static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const char *form, *yes, *no;
static int closes, verdict, dns, udp;

static unsigned compose_dns(unsigned char *message, unsigned number, unsigned a, unsigned client)
{
    static const unsigned char zone[] = "\5relay\7example\0\0\1\0\1"; /* and type A, class IN */
    unsigned char header[12] = {number >> 8 & 255, number & 255, 1, 0, 0, 1};
    unsigned octets[] = {client & 255, client >> 8 & 255, client >> 16 & 255, a}, n = 12;
    memcpy(message, header, 12);
    for (int i = 0; i < 4; i++) {
        int digits = snprintf((char *)message + n + 1, 4, "%u", octets[i]);
        message[n] = (unsigned char)digits;
        n += 1 + (unsigned)digits;
    }
    memcpy(message + n, zone, sizeof zone - 1);
    return n + (unsigned)sizeof zone - 1;
}

/* Odd numbers are granted. */
static void compose(unsigned grants)
{
    for (unsigned i = 0; i < POOL; i++) {
        unsigned client = (i / 2 * 2654435761u >> 4) % grants, a = i % 2 ? 20 : 21;
        char ip[16], *out = requests[i];
        if (dns) {
            unsigned n = compose_dns((unsigned char *)out + 2 * !udp, i, a, client);
            if (!udp) {
                out[0] = (char)(n >> 8);
                out[1] = (char)n;
            }
            lengths[i] = n + 2 * !udp;
            continue;
        }
        int length = snprintf(ip, sizeof ip, "%u.%u.%u.%u", a, client >> 16 & 255,
                              client >> 8 & 255, client & 255);
        for (const char *c = form; *c;) {
            if (strncmp(c, "{ip", 3)) {
                *out++ = *c++;
            } else if (c[3] == '}') {
                out += sprintf(out, "%s", ip);
                c += 4;
            } else {
                out += sprintf(out, "%d", length + atoi(c + 3));
                c = strchr(c, '}') + 1;
            }
        }
        lengths[i] = (unsigned)(out - requests[i]);
    }
}

static int dial(unsigned short port)
{
    int one = 1, fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(port)};
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&there, sizeof there)) {
        perror("load: connect");
        exit(1);
    }
    if (!udp)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static unsigned turn;

static void ask(struct smtpd *s)
{
    unsigned i = turn++ % POOL;
    s->granted = i % 2;
    s->number = i;
    s->filled = 0;
    s->asked = nanoseconds(CLOCK_MONOTONIC);
    if (write(s->fd, requests[i], lengths[i]) != (ssize_t)lengths[i]) {
        perror("load: write");
        exit(1);
    }
}

static void wrong(const char *reply, unsigned length)
{
    fprintf(stderr, "load: wrong reply %.*s\n", (int)length, reply);
    exit(1);
}

/* Whether the reply is whole; a wrong one ends the run. */
static int heard(struct smtpd *s)
{
    ssize_t n = read(s->fd, s->reply + s->filled, sizeof s->reply - s->filled);
    const char *right = s->granted ? yes : no;
    if (n == 0 && closes && s->filled == strlen(right))
        return 1;
    if (n <= 0) {
        fprintf(stderr, "load: the server closed a connection\n");
        exit(1);
    }
    s->filled += (unsigned)n;
    if (dns) {
        unsigned char *reply = (unsigned char *)s->reply;
        if (!udp) {
            if (s->filled < 2 || s->filled < 2u + (unsigned)(reply[0] << 8 | reply[1]))
                return 0;
            reply += 2;
        }
        if (reply[0] != (s->number >> 8 & 255) || reply[1] != (s->number & 255)
            || (reply[3] & 15) != (s->granted ? 0 : 3) || reply[7] != s->granted)
            wrong("of DNS", 6);
        return 1;
    }
    if (verdict) {
        if (s->reply[0] != right[0])
            wrong(s->reply, s->filled);
        return s->filled >= 4 && !memcmp(s->reply + s->filled - 4, "\r\n\r\n", 4);
    }
    if (s->filled > strlen(right) || memcmp(s->reply, right, s->filled))
        wrong(s->reply, s->filled);
    return s->filled == strlen(right) && !closes;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    int awake = argc > 1 && !strcmp(argv[argc - 1], "awake");
    argc -= awake;
    if (argc < 6)
        return 2;
    udp = !strcmp(argv[argc - 1], "udp");
    dns = !strcmp(argv[5], "dns");
    if (!dns) {
        if (argc < 8)
            return 2;
        form = argv[5], yes = argv[6], no = argv[7];
        closes = argc > 8 && !strcmp(argv[8], "close");
        verdict = argc > 8 && !strcmp(argv[8], "verdict");
    }
    int count = atoi(argv[2]);
    double seconds = atof(argv[3]);
    compose((unsigned)atoi(argv[4]));
    signal(SIGTERM, stop);
    uint32_t *times = malloc(MOST_TIMES * sizeof *times); /* touched only as far as it is used */
    struct smtpd *all = calloc((size_t)count, sizeof *all);
    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN}, events[BATCH];
    for (int i = 0; i < count; i++) {
        all[i].fd = dial((unsigned short)atoi(argv[1]));
        event.data.ptr = &all[i];
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
        ask(&all[i]);
    }
    uint64_t begin = nanoseconds(CLOCK_MONOTONIC) + (uint64_t)(WARM_UP * 1e9);
    uint64_t end = begin + (uint64_t)(seconds * 1e9), now = 0, cpu = 0, answered = 0, all_answers = 0;
    while (now < end && !stopped) {
        int ready = epoll_wait(poll, events, BATCH, awake ? 0 : 1000);
        for (int i = 0; i < ready; i++) {
            struct smtpd *s = events[i].data.ptr;
            if (!heard(s))
                continue;
            now = nanoseconds(CLOCK_MONOTONIC);
            all_answers++;
            if (now >= begin) {
                if (!cpu)
                    cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
                if (answered < MOST_TIMES)
                    times[answered++] = (uint32_t)(now - s->asked);
            }
            if (closes) {
                uint64_t before = nanoseconds(CLOCK_MONOTONIC);
                close(s->fd); /* which takes it out of epoll's set */
                s->fd = dial((unsigned short)atoi(argv[1]));
                event.data.ptr = s;
                epoll_ctl(poll, EPOLL_CTL_ADD, s->fd, &event);
                ask(s);
                s->asked = before;
            } else {
                ask(s);
            }
        }
        if (!ready && udp && !awake) {
            fprintf(stderr, "load: a datagram got no reply within a second\n");
            exit(1);
        }
        if (!ready)
            now = nanoseconds(CLOCK_MONOTONIC);
    }
    cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (!answered) {
        fprintf(stderr, "load: no reply within the time\n");
        return 1;
    }
    qsort(times, answered, sizeof *times, by_size);
    double took = (double)(now - begin) / 1e9;
    printf("{\"connections\": %d, \"bytes\": %u, \"seconds\": %.3f, \"answered\": %llu, "
           "\"with_warm_up\": %llu, \"rate\": %.1f, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, \"cpu\": %.3f}\n",
           count, lengths[1], took, (unsigned long long)answered,
           (unsigned long long)all_answers, (double)answered / took,
           times[answered / 2] / 1e3, times[answered * 99 / 100] / 1e3, times[answered - 1] / 1e3,
           (double)cpu / 1e9 / took);
    return 0;
}
