/* The load: N relays that ask WHOSON over UDP, as one thread sees them.
 *
 * Each of N sockets has one QUERY outstanding. Every second client has a grant (20.a.b.c, reply
 * `+...`), the others none (21.a.b.c, `-...`); the verdict and the end of each reply are checked. A
 * reply that doesn't come within a second ends the run: nothing is lost on loopback.
 *
 * Usage: whoson_load PORT SOCKETS SECONDS GRANTS any|right     prints one JSON object.
 *        any: the server is one that always says the same.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { POOL = 4096, LONGEST = 64, BATCH = 256, MOST_TIMES = 16 << 20 };
#define WARM_UP 0.25 /* seconds before the counting starts */

struct relay {
    int fd, granted;
    uint64_t asked;
};

static char requests[POOL][LONGEST];
static int lengths[POOL], right;

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "whoson_load: %s\n", what);
    exit(1);
}

static void ask(struct relay *r)
{
    static unsigned turn;
    unsigned i = turn++ % POOL;
    r->granted = i % 2;
    r->asked = nanoseconds(CLOCK_MONOTONIC);
    if (send(r->fd, requests[i], (size_t)lengths[i], 0) != lengths[i])
        fail("cannot send");
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int count = atoi(argv[2]), poll = epoll_create1(0);
    double seconds = atof(argv[3]);
    unsigned grants = (unsigned)atoi(argv[4]);
    right = !strcmp(argv[5], "right");
    for (unsigned i = 0; i < POOL; i++) {
        unsigned c = (i / 2 * 2654435761u >> 4) % grants;
        lengths[i] = snprintf(requests[i], LONGEST, "QUERY 2%u.%u.%u.%u\r\n\r\n", i % 2 ? 0 : 1,
                              c >> 16 & 255, c >> 8 & 255, c & 255);
    }
    uint32_t *times = malloc(MOST_TIMES * sizeof *times); /* touched only as far as it is used */
    struct relay *all = calloc((size_t)count, sizeof *all);
    for (int i = 0; i < count; i++) {
        all[i].fd = socket(AF_INET, SOCK_DGRAM, 0);
        if (connect(all[i].fd, (struct sockaddr *)&there, sizeof there))
            fail("cannot connect");
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
        ask(&all[i]);
    }
    uint64_t begin = nanoseconds(CLOCK_MONOTONIC) + (uint64_t)(WARM_UP * 1e9), now = 0, cpu = 0;
    uint64_t end = begin + (uint64_t)(seconds * 1e9), answered = 0;
    struct epoll_event events[BATCH];
    while (now < end && answered < MOST_TIMES) {
        int ready = epoll_wait(poll, events, BATCH, 1000);
        if (!ready)
            fail("no reply within a second");
        for (int i = 0; i < ready; i++) {
            struct relay *r = events[i].data.ptr;
            char reply[600];
            ssize_t n = recv(r->fd, reply, sizeof reply, 0);
            if (n < 5 || memcmp(reply + n - 4, "\r\n\r\n", 4))
                fail("a reply without its end");
            if (right && reply[0] != (r->granted ? '+' : '-'))
                fail("a wrong reply");
            now = nanoseconds(CLOCK_MONOTONIC);
            if (now >= begin && answered < MOST_TIMES) {
                if (!cpu)
                    cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
                times[answered++] = (uint32_t)(now - r->asked);
            }
            ask(r);
        }
    }
    cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    qsort(times, answered, sizeof *times, by_size);
    double took = (double)(now - begin) / 1e9;
    printf("{\"sockets\": %d, \"rate\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"cpu\": %.3f}\n",
           count, (double)answered / took, times[answered / 2] / 1e3,
           times[answered * 99 / 100] / 1e3, (double)cpu / 1e9 / took);
    return 0;
}
