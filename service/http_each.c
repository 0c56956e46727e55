/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_each.c - a thread a connection, kept for the next one.
 *
 * Where a TLS handshake may wait for a key, each connection has a thread that waits for it alone. The
 * library would make a thread for each and throw it away, and with it GnuTLS's random state and malloc's
 * memory: a third of what a PSK handshake costs. Here the threads stay. Each waits in accept() on the
 * one listening socket, has a library instance of its own which never polls (MHD_USE_TURBO takes the
 * socket for ready, and tls_io.c waits in its place), and serves its connection to the end. The one that
 * takes a connection and leaves nobody waiting makes another thread, up to the limit of connections.
 */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include "service/http_internal.h"

#define STACK (512 * 1024)
#define KEEP 64  /* waiting threads; more end with their connections */
#define SPARE 8  /* that stay however long nobody comes */

typedef struct worker {
    http_each *each;
    struct MHD_Daemon *mhd;
    bool open;
} worker;

struct http_each {
    http_server *server;
    unsigned max;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    unsigned threads, waiting;
    bool stop;
};

/* ---- a thread ---- */
static void on_connection(void *ctx, struct MHD_Connection *c, void **slot, enum MHD_ConnectionNotificationCode what)
{
    worker *w = ctx;
    w->open = what == MHD_CONNECTION_NOTIFY_STARTED;
    http_on_connection(w->each->server, c, slot, what);
}

/* 0.9.75 starts an added connection at once; 1.0 queues it for the next run of its loop. */
static bool started(worker *w)
{
    return w->open || MHD_run(w->mhd) == MHD_YES;
}

static bool begin_library(worker *w)
{
    struct MHD_OptionItem o[HTTP_OPTIONS + 2];
    size_t n = http_library_options(w->each->server, o);
    o[n++] = (struct MHD_OptionItem){MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, w};
    o[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    w->mhd = http_library_start(w->each->server, MHD_USE_EPOLL | MHD_USE_TURBO | MHD_USE_NO_LISTEN_SOCKET, o);
    return w->mhd != NULL;
}

static worker *worker_new(http_each *e)
{
    worker *w = calloc(1, sizeof *w);
    if (w)
        w->each = e;
    return w;
}

static void worker_free(worker *w)
{
    if (w && w->mhd)
        MHD_stop_daemon(w->mhd);
    free(w);
}

/* Takes w over. Under the lock. */
static bool add_thread(http_each *e, worker *w);

/* A connection has come. */
static void taken(http_each *e)
{
    pthread_mutex_lock(&e->lock);
    e->waiting--;
    if (!e->waiting && !e->stop && e->threads < e->max)
        (void)add_thread(e, worker_new(e)); /* if not, this one comes back */
    pthread_mutex_unlock(&e->lock);
}

/* It has ended; false: so does the thread. */
static bool ended(http_each *e)
{
    pthread_mutex_lock(&e->lock);
    bool stay = !e->stop && e->waiting < KEEP;
    e->waiting += stay;
    pthread_mutex_unlock(&e->lock);
    return stay;
}

/* accept() failed, or waited as long as a connection may idle; false: this thread ends. */
static bool waits_on(http_each *e)
{
    int why = errno;
    if (why == EMFILE || why == ENFILE || why == ENOBUFS || why == ENOMEM)
        usleep(100000); /* until connections have ended */
    pthread_mutex_lock(&e->lock);
    bool stay = !e->stop && !(why == EAGAIN && e->waiting > SPARE);
    e->waiting -= !stay;
    pthread_mutex_unlock(&e->lock);
    return stay;
}

static void *work(void *ctx)
{
    worker *w = ctx;
    http_each *e = w->each;
    bool stay = w->mhd || begin_library(w);
    if (!stay) {
        pthread_mutex_lock(&e->lock);
        e->waiting--;
        pthread_mutex_unlock(&e->lock);
    }
    while (stay) {
        struct sockaddr_storage peer;
        socklen_t n = sizeof peer;
        int fd = accept4(e->server->listen_fd, (struct sockaddr *)&peer, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            stay = waits_on(e);
            continue;
        }
        taken(e);
        if (MHD_add_connection(w->mhd, fd, (struct sockaddr *)&peer, n) == MHD_YES && started(w))
            while (w->open && MHD_run_wait(w->mhd, 1000) == MHD_YES)
                ;
        stay = ended(e);
    }
    worker_free(w);
    pthread_mutex_lock(&e->lock);
    e->threads--;
    pthread_cond_broadcast(&e->ended);
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

static bool add_thread(http_each *e, worker *w)
{
    pthread_attr_t a;
    pthread_t t;
    if (!w)
        return false;
    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&a, STACK);
    bool made = pthread_create(&t, &a, work, w) == 0;
    pthread_attr_destroy(&a);
    if (made) {
        e->threads++;
        e->waiting++;
    } else {
        worker_free(w);
    }
    return made;
}

/* ---- all of them ---- */
/* Accepted sockets inherit these; the library cannot know what has been sent, so it must not wait. */
static bool set_options(const http_server *s)
{
    struct timeval t = {.tv_sec = (time_t)(s->idle_ms / 1000)};
    int flags = fcntl(s->listen_fd, F_GETFL);
    return flags >= 0 && !fcntl(s->listen_fd, F_SETFL, flags & ~O_NONBLOCK) &&
           !setsockopt(s->listen_fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) &&
           !setsockopt(s->listen_fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
}

bool http_each_start(http_server *s, unsigned connections)
{
    http_each *e = calloc(1, sizeof *e);
    worker *first = e ? worker_new(e) : NULL;
    if (!first) {
        free(e);
        return false;
    }
    e->server = s;
    e->max = connections;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->ended, NULL);
    s->each = e;
    if (!set_options(s) || !begin_library(first)) {
        worker_free(first);
        return false;
    }
    pthread_mutex_lock(&e->lock);
    bool made = add_thread(e, first);
    pthread_mutex_unlock(&e->lock);
    return made;
}

void http_each_drain(http_server *s)
{
    pthread_mutex_lock(&s->each->lock);
    s->each->stop = true;
    pthread_mutex_unlock(&s->each->lock);
    shutdown(s->listen_fd, SHUT_RDWR); /* wakes whoever waits in accept() */
}

/* Drained, and the connections shut down. */
void http_each_stop(http_server *s)
{
    http_each *e = s->each;
    pthread_mutex_lock(&e->lock);
    while (e->threads)
        pthread_cond_wait(&e->ended, &e->lock);
    pthread_mutex_unlock(&e->lock);
    close(s->listen_fd);
    pthread_cond_destroy(&e->ended);
    pthread_mutex_destroy(&e->lock);
    free(e);
    s->each = NULL;
}
