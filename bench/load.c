/* The load generator: replays prepared HTTP requests over kept connections and times every answer.
 * It computes nothing per request beyond finding where an answer ends, so that the server keeps the machine.
 *
 * usage: load -p PORT [-h HOST] [-c CONNECTIONS] [-d SECONDS] [-n REQUESTS] [-s SAVE] FILE
 *
 * FILE (bench/generator.py writes it; numbers are little-endian u64):
 *     count, then count times: head offset, head length, body offset, body length, flags (1: waits for 100 Continue)
 *     and after that the bytes the offsets point to, counted from the start of the file.
 * Requests are taken in order and, unless -n ends the run first, again from the start until the time is over.
 * SAVE receives of each 2xx answer: index of its request (u64), length of its body (u64), the body.
 * What it prints is one JSON object. An answer to HEAD is not understood.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 32768, READ_SIZE = 262144, EVENTS = 256, KEPT_ERROR = 1500 };
enum { WAITS_FOR_CONTINUE = 1 };
enum { CONTINUE_TIMEOUT_MS = 1000, DRAIN_SECONDS = 60 }; /* botocore, too, waits one second for 100 Continue */

struct entry { uint64_t head, head_length, body, body_length, flags; };

enum sending { IDLE, HEAD, WAIT, BODY, SENT };
enum reading { R_HEAD, R_LENGTH, R_CHUNK_SIZE, R_CHUNK, R_CHUNK_END, R_TRAILER, R_UNTIL_CLOSE };

struct connection {
    int fd;
    enum sending sending;
    enum reading reading;
    uint64_t index, sent, started, waiting_since;
    int wants_write, close_after, status, done;
    uint64_t remaining; /* of the body or the chunk */
    size_t head_used, line_used;
    char head[HEAD_MAX], line[1024];
    char *body; /* kept only for SAVE and for the first error */
    size_t body_used, body_size;
};

static struct {
    const unsigned char *file;
    const struct entry *entries;
    uint64_t count, limit, issued, finished, failed, broken, reconnects, bytes_in, bytes_out;
    uint64_t by_status[600];
    uint64_t deadline, first, last;
    uint64_t *latencies, latencies_size;
    struct sockaddr_in address;
    int epoll, active;
    FILE *save;
    char error[KEPT_ERROR + 1];
    size_t error_length;
    int error_status;
} run;

static char scratch[READ_SIZE];

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "malformed");
    exit(1);
}

static void want_write(struct connection *c, int wanted) {
    if (c->wants_write == wanted) return;
    struct epoll_event e = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(run.epoll, EPOLL_CTL_MOD, c->fd, &e)) die("epoll_ctl");
    c->wants_write = wanted;
}

static void open_connection(struct connection *c) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket");
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&run.address, sizeof run.address)) die("connect");
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(run.epoll, EPOLL_CTL_ADD, c->fd, &e)) die("epoll_ctl");
    c->wants_write = 0;
    c->head_used = 0;
    c->reading = R_HEAD;
}

static void reopen(struct connection *c) {
    close(c->fd);
    open_connection(c);
    run.reconnects++;
}

/* Sends what the connection's state allows; 0 when the peer has gone. */
static int send_more(struct connection *c) {
    const struct entry *e = &run.entries[c->index];
    for (;;) {
        struct iovec parts[2];
        struct msghdr message = {.msg_iov = parts};
        if (c->sending == HEAD) {
            parts[message.msg_iovlen++] = (struct iovec){(void *)(run.file + e->head + c->sent), e->head_length - c->sent};
            if (!(e->flags & WAITS_FOR_CONTINUE) && e->body_length)
                parts[message.msg_iovlen++] = (struct iovec){(void *)(run.file + e->body), e->body_length};
        } else if (c->sending == BODY) {
            parts[message.msg_iovlen++] = (struct iovec){(void *)(run.file + e->body + c->sent), e->body_length - c->sent};
        } else {
            want_write(c, 0);
            return 1;
        }
        ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN) return 0;
            want_write(c, 1);
            return 1;
        }
        run.bytes_out += (uint64_t)n;
        c->sent += (uint64_t)n;
        if (c->sending == HEAD && c->sent >= e->head_length) {
            c->sent -= e->head_length;
            if (e->flags & WAITS_FOR_CONTINUE) {
                c->sending = WAIT;
                c->waiting_since = now_ns();
                continue;
            }
            c->sending = BODY;
        }
        if (c->sending == BODY && c->sent >= e->body_length) c->sending = SENT;
    }
}

static void broken(struct connection *c);

static void next_request(struct connection *c) {
    uint64_t now = now_ns();
    if (now >= run.deadline || run.issued >= run.limit) {
        if (!c->done) run.active--;
        c->done = 1;
        c->sending = IDLE;
        want_write(c, 0);
        return;
    }
    c->index = run.issued++ % run.count;
    c->sending = HEAD;
    c->sent = 0;
    c->started = now;
    c->reading = R_HEAD;
    c->head_used = 0;
    c->body_used = 0;
    if (!send_more(c)) broken(c);
}

/* The connection ended in the middle of an exchange. */
static void broken(struct connection *c) {
    run.broken++;
    run.last = now_ns();
    if (run.broken > 1000) {
        errno = 0;
        fprintf(stderr, "load: more than 1000 connections broke\n");
        exit(1);
    }
    reopen(c);
    next_request(c);
}

static void keep(struct connection *c, const char *data, size_t n) {
    int failed = c->status < 200 || c->status > 299;
    if (!(failed ? run.error_status == 0 : run.save != NULL)) return;
    if (c->body_used + n > c->body_size) {
        c->body_size = (c->body_used + n) * 2;
        c->body = realloc(c->body, c->body_size);
        if (!c->body) die("realloc");
    }
    memcpy(c->body + c->body_used, data, n);
    c->body_used += n;
}

static void finished(struct connection *c) {
    uint64_t now = now_ns();
    if (run.finished == run.latencies_size) {
        run.latencies_size = run.latencies_size ? run.latencies_size * 2 : 65536;
        run.latencies = realloc(run.latencies, run.latencies_size * sizeof *run.latencies);
        if (!run.latencies) die("realloc");
    }
    run.latencies[run.finished++] = now - c->started;
    run.last = now;
    run.by_status[c->status < 600 ? c->status : 599]++;
    if (c->status < 200 || c->status > 299) {
        run.failed++;
        if (!run.error_status) {
            run.error_status = c->status;
            run.error_length = c->body_used < KEPT_ERROR ? c->body_used : KEPT_ERROR;
            memcpy(run.error, c->body, run.error_length);
        }
    } else if (run.save) {
        uint64_t header[2] = {c->index, c->body_used};
        if (fwrite(header, sizeof header, 1, run.save) != 1 ||
            fwrite(c->body, 1, c->body_used, run.save) != c->body_used)
            die("save");
    }
    if (c->close_after || c->sending != SENT) reopen(c); /* answered before the body was sent: what is left is undefined */
    next_request(c);
}

static int is_header(const char *line, size_t n, const char *name) {
    size_t length = strlen(name);
    return n > length && line[length] == ':' && !strncasecmp(line, name, length);
}

static int has_word(const char *line, size_t n, const char *word) {
    for (size_t length = strlen(word), i = 0; i + length <= n; i++)
        if (!strncasecmp(line + i, word, length)) return 1;
    return 0;
}

/* Reads a complete head; 0 if it is malformed. */
static int parse_head(struct connection *c, size_t length) {
    if (length < 12 || memcmp(c->head, "HTTP/1.", 7)) return 0;
    c->status = atoi(c->head + 9);
    c->close_after = c->head[7] == '0';
    int has_length = 0, chunked = 0;
    uint64_t body = 0;
    const char *line = memchr(c->head, '\n', length), *end = c->head + length;
    while (line && ++line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((stop ? stop : end) - line);
        if (is_header(line, n, "content-length")) {
            has_length = 1;
            body = strtoull(line + 15, NULL, 10);
        } else if (is_header(line, n, "transfer-encoding"))
            chunked = has_word(line, n, "chunked");
        else if (is_header(line, n, "connection")) {
            if (has_word(line, n, "close")) c->close_after = 1;
            if (has_word(line, n, "keep-alive")) c->close_after = 0;
        }
        line = stop;
    }
    c->remaining = body;
    c->line_used = 0;
    if (c->status < 200 || c->status == 204 || c->status == 304) c->reading = R_LENGTH, c->remaining = 0;
    else if (chunked) c->reading = R_CHUNK_SIZE;
    else if (has_length) c->reading = R_LENGTH;
    else c->reading = R_UNTIL_CLOSE, c->close_after = 1;
    return 1;
}

/* Takes bytes of a line until its LF: 1 when the line is complete. */
static int take_line(struct connection *c, const char **data, size_t *n) {
    while (*n) {
        char b = *(*data)++;
        (*n)--;
        if (b == '\n') {
            c->line[c->line_used] = 0;
            c->line_used = 0;
            return 1;
        }
        if (b != '\r' && c->line_used < sizeof c->line - 1) c->line[c->line_used++] = b;
    }
    return 0;
}

/* Takes bytes of the head; 1: go on, 0: malformed. */
static int take_head(struct connection *c, const char **data, size_t *n) {
    size_t had = c->head_used, room = HEAD_MAX - had, taken = *n < room ? *n : room;
    memcpy(c->head + had, *data, taken);
    c->head_used += taken;
    const char *end = memmem(c->head, c->head_used, "\r\n\r\n", 4);
    if (!end) {
        *data += taken;
        *n -= taken;
        return c->head_used < HEAD_MAX;
    }
    size_t length = (size_t)(end - c->head) + 4, used = length - had;
    *data += used;
    *n -= used;
    c->head_used = 0;
    if (!parse_head(c, length)) return 0;
    if (c->status >= 200) return 1;
    c->reading = R_HEAD;
    if (c->sending == WAIT) {
        c->sending = BODY;
        c->sent = 0;
        return send_more(c);
    }
    return 1;
}

/* Takes bytes of an answer's body; 1 when the answer is complete, 0 when not, -1 when malformed. */
static int take_body(struct connection *c, const char **data, size_t *n) {
    if (c->reading == R_UNTIL_CLOSE) {
        keep(c, *data, *n);
        *n = 0;
        return 0;
    }
    if (c->reading == R_LENGTH || c->reading == R_CHUNK) {
        size_t taken = *n < c->remaining ? *n : c->remaining;
        keep(c, *data, taken);
        *data += taken;
        *n -= taken;
        c->remaining -= taken;
        if (c->remaining) return 0;
        if (c->reading == R_LENGTH) return 1;
        c->reading = R_CHUNK_END;
        return 0;
    }
    if (!take_line(c, data, n)) return 0;
    if (c->reading == R_CHUNK_END) {
        c->reading = R_CHUNK_SIZE;
    } else if (c->reading == R_CHUNK_SIZE) {
        char *end;
        c->remaining = strtoull(c->line, &end, 16);
        if (end == c->line) return -1;
        c->reading = c->remaining ? R_CHUNK : R_TRAILER;
    } else if (c->line[0] == 0) {
        return 1;
    }
    return 0;
}

static void readable(struct connection *c) {
    for (;;) {
        ssize_t got;
        int wanted = run.save || (c->reading == R_LENGTH && (c->status < 200 || c->status > 299));
        if (c->reading == R_LENGTH && c->remaining > READ_SIZE && !wanted) {
            got = recv(c->fd, NULL, c->remaining, MSG_TRUNC); /* thrown away by the kernel, without a copy */
            if (got > 0) {
                run.bytes_in += (uint64_t)got;
                c->remaining -= (uint64_t)got;
                if (!c->remaining) return finished(c);
                continue;
            }
        } else
            got = recv(c->fd, scratch, sizeof scratch, 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            if (c->sending == IDLE) {
                epoll_ctl(run.epoll, EPOLL_CTL_DEL, c->fd, NULL);
                return;
            }
            return got == 0 && c->reading == R_UNTIL_CLOSE ? finished(c) : broken(c);
        }
        run.bytes_in += (uint64_t)got;
        const char *data = scratch;
        size_t n = (size_t)got;
        while (n) {
            if (c->sending == IDLE) return;
            if (c->reading == R_HEAD) {
                if (!take_head(c, &data, &n)) return broken(c);
                if (c->reading == R_LENGTH && !c->remaining) return finished(c);
                continue;
            }
            int done = take_body(c, &data, &n);
            if (done < 0) return broken(c);
            if (done) return finished(c); /* nothing is pipelined: there can be no bytes after it */
        }
        if (got < (ssize_t)sizeof scratch) return; /* level-triggered: what came since wakes us again */
    }
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double percentile_us(double share) {
    if (!run.finished) return 0;
    uint64_t at = (uint64_t)(share * (double)run.finished);
    return (double)run.latencies[at < run.finished ? at : run.finished - 1] / 1000.0;
}

static void report(void) {
    qsort(run.latencies, run.finished, sizeof *run.latencies, by_value);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                 (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"requests\": %lu, \"failed\": %lu, \"broken\": %lu, \"reconnects\": %lu, \"bytes_in\": %lu, "
           "\"bytes_out\": %lu, \"seconds\": %.6f, \"generator_cpu_seconds\": %.6f, ",
           run.finished, run.failed, run.broken, run.reconnects, run.bytes_in, run.bytes_out,
           (double)(run.last > run.first ? run.last - run.first : 0) / 1e9, cpu);
    printf("\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, \"by_status\": {",
           percentile_us(0.5), percentile_us(0.9), percentile_us(0.99), percentile_us(1.0));
    const char *comma = "";
    for (int s = 0; s < 600; s++)
        if (run.by_status[s]) printf("%s\"%d\": %lu", comma, s, run.by_status[s]), comma = ", ";
    printf("}, \"first_error\": \"");
    for (size_t i = 0; i < run.error_length; i++) {
        unsigned char b = (unsigned char)run.error[i];
        if (b == '"' || b == '\\') printf("\\%c", b);
        else if (b < 32 || b > 126) printf("\\u%04x", b);
        else putchar(b);
    }
    printf("\"}\n");
}

static void map_file(const char *path) {
    int fd = open(path, O_RDONLY);
    struct stat s;
    if (fd < 0 || fstat(fd, &s)) die(path);
    run.file = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (run.file == MAP_FAILED) die("mmap");
    memcpy(&run.count, run.file, sizeof run.count);
    run.entries = (const struct entry *)(run.file + sizeof run.count);
    errno = 0;
    if (!run.count || sizeof run.count + run.count * sizeof(struct entry) > (uint64_t)s.st_size) die(path);
}

int main(int argc, char **argv) {
    const char *host = "127.0.0.1";
    int connections = 64, port = 0, option;
    double seconds = 5;
    run.limit = UINT64_MAX;
    while ((option = getopt(argc, argv, "h:p:c:d:n:s:")) != -1) {
        switch (option) {
            case 'h': host = optarg; break;
            case 'p': port = atoi(optarg); break;
            case 'c': connections = atoi(optarg); break;
            case 'd': seconds = atof(optarg); break;
            case 'n': run.limit = strtoull(optarg, NULL, 10); break;
            case 's': if (!(run.save = fopen(optarg, "wb"))) die(optarg); break;
            default: return 2;
        }
    }
    if (optind != argc - 1 || !port || connections < 1) {
        fprintf(stderr, "usage: load -p PORT [-h HOST] [-c CONNECTIONS] [-d SECONDS] [-n REQUESTS] [-s SAVE] FILE\n");
        return 2;
    }
    map_file(argv[optind]);
    run.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &run.address.sin_addr) != 1) die(host);
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    struct connection *all = calloc((size_t)connections, sizeof *all);
    if (run.epoll < 0 || !all) die("set-up");
    for (int i = 0; i < connections; i++) open_connection(&all[i]);
    run.first = run.last = now_ns();
    run.deadline = run.first + (uint64_t)(seconds * 1e9);
    run.active = connections;
    for (int i = 0; i < connections; i++) next_request(&all[i]);
    struct epoll_event events[EVENTS];
    while (run.active > 0) {
        int n = epoll_wait(run.epoll, events, EVENTS, 100);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if ((events[i].events & EPOLLOUT) && !send_more(c)) broken(c);
            else if (events[i].events & ~EPOLLOUT) readable(c);
        }
        uint64_t now = now_ns();
        for (int i = 0; i < connections && n < EVENTS; i++) {
            struct connection *c = &all[i];
            if (c->sending != WAIT || now - c->waiting_since < CONTINUE_TIMEOUT_MS * 1000000ull) continue;
            c->sending = BODY;
            c->sent = 0;
            if (!send_more(c)) broken(c);
        }
        if (now > run.deadline + DRAIN_SECONDS * 1000000000ull) {
            run.broken += (uint64_t)run.active; /* never answered */
            break;
        }
    }
    if (run.save && fclose(run.save)) die("save");
    report();
    return 0;
}
