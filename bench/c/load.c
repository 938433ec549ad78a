/* The load: N Postfix smtpd processes as one thread sees them.
 *
 * Each of N persistent connections has one request outstanding, as an smtpd has: it asks, waits for
 * the whole reply, asks again. Every second client has a grant (20.a.b.c), the others have none
 * (21.a.b.c); every reply is compared with what it must be. Requests are composed before the clock
 * starts, so that the generator costs little; it reports its own CPU time so that the reader can
 * see that it wasn't the limit.
 *
 * Usage: load PORT CONNECTIONS SECONDS GRANTS     prints one JSON object.
 *        SIGTERM ends it early; the figures are then those up to there.
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

enum { POOL = 4096, LONGEST = 1024, BATCH = 256, MOST_TIMES = 32 << 20 };
#define WARM_UP 0.25 /* seconds before the counting starts */

struct smtpd {
    int fd;
    int granted;
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

/* The attributes of Postfix 3.7 at RCPT, in its order. Odd numbers are granted. */
static void compose(unsigned grants)
{
    for (unsigned i = 0; i < POOL; i++) {
        unsigned client = (i / 2 * 2654435761u >> 4) % grants;
        char ip[16];
        snprintf(ip, sizeof ip, "2%u.%u.%u.%u", i % 2 ? 0u : 1u, client >> 16 & 255,
                 client >> 8 & 255, client & 255);
        lengths[i] = (unsigned)snprintf(
            requests[i], LONGEST,
            "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n"
            "client_address=%s\nclient_name=host-%u.dsl.provider.example\nclient_port=%u\n"
            "reverse_client_name=host-%u.dsl.provider.example\nserver_address=192.0.2.25\n"
            "server_port=25\nhelo_name=[192.168.1.%u]\nsender=user%u@customers.example\n"
            "recipient=somebody%u@elsewhere.example\nrecipient_count=0\nqueue_id=\n"
            "instance=1a2b.%08x.%05x.0\nsize=%u\netrn_domain=\nstress=\nsasl_method=\n"
            "sasl_username=\nsasl_sender=\nccert_subject=\nccert_issuer=\nccert_fingerprint=\n"
            "ccert_pubkey_fingerprint=\nencryption_protocol=TLSv1.3\n"
            "encryption_cipher=TLS_AES_256_GCM_SHA384\nencryption_keysize=256\npolicy_context=\n"
            "compatibility_level=3.6\nmail_version=3.7.11\n\n",
            ip, client, 1024 + i, client, client % 254 + 1, client, i, 0x67430000u + i, i,
            1000 + 37 * i);
    }
}

static int dial(unsigned short port)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(port)};
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&there, sizeof there)) {
        perror("load: connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static unsigned turn;

static void ask(struct smtpd *s)
{
    unsigned i = turn++ % POOL;
    s->granted = i % 2;
    s->filled = 0;
    s->asked = nanoseconds(CLOCK_MONOTONIC);
    if (write(s->fd, requests[i], lengths[i]) != (ssize_t)lengths[i]) {
        perror("load: write");
        exit(1);
    }
}

/* Whether the reply is whole; a wrong one ends the run. */
static int heard(struct smtpd *s)
{
    ssize_t n = read(s->fd, s->reply + s->filled, sizeof s->reply - s->filled);
    if (n <= 0) {
        fprintf(stderr, "load: the server closed a connection\n");
        exit(1);
    }
    s->filled += (unsigned)n;
    if (s->filled < 2 || memcmp(s->reply + s->filled - 2, "\n\n", 2))
        return 0;
    const char *right = s->granted ? "action=OK\n\n" : "action=DUNNO\n\n";
    if (s->filled != strlen(right) || memcmp(s->reply, right, s->filled)) {
        fprintf(stderr, "load: wrong reply %.*s", (int)s->filled, s->reply);
        exit(1);
    }
    return 1;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
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
        int ready = epoll_wait(poll, events, BATCH, 1000);
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
            ask(s);
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
