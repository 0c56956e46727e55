/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve.c - getaddrinfo knows no deadline: a DNS server that is silent holds it for half a minute. So a
 * thread of its own asks for a name, and whoever waits for it goes in time; the last of the two cleans up.
 */
#include "ue/resolve.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct lookup {
    atomic_int users;
    atomic_bool done;
    int fd; /* readable then */
    int result;
    struct addrinfo *list;
    char service[8], host[];
} lookup;

static void leave(lookup *l)
{
    if (atomic_fetch_sub(&l->users, 1) != 1)
        return;
    if (l->list)
        freeaddrinfo(l->list);
    if (l->fd >= 0)
        close(l->fd);
    free(l);
}

static int ask(const char *host, const char *service, int flags, struct addrinfo **out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    return getaddrinfo(host, service, &hints, out);
}

static void *look(void *arg)
{
    lookup *l = arg;
    l->result = ask(l->host, l->service, 0, &l->list);
    atomic_store(&l->done, true);
    (void)!write(l->fd, &(uint64_t){1}, sizeof(uint64_t));
    leave(l);
    return NULL;
}

static lookup *begin(const char *host, const char *service)
{
    size_t n = strlen(host) + 1;
    lookup *l = calloc(1, sizeof *l + n);
    pthread_attr_t detached;
    sigset_t all, before; /* signals are for the host's threads */
    pthread_t thread;

    if (!l)
        return NULL;
    memcpy(l->host, host, n);
    snprintf(l->service, sizeof l->service, "%s", service);
    atomic_init(&l->users, 2);
    l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool runs = l->fd >= 0 && pthread_create(&thread, &detached, look, l) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
    if (runs)
        return l;
    atomic_store(&l->users, 1);
    leave(l);
    return NULL;
}

/* getaddrinfo's outcome */
static gba_err outcome(int r, const char **why)
{
    *why = r ? gai_strerror(r) : "";
    return r == 0 ? GBA_OK : r == EAI_MEMORY ? GBA_E_NOMEM : GBA_E_IO;
}

gba_err ue_resolve(const char *host, unsigned port, int64_t deadline, ue_wait_fn *wait, struct addrinfo **out,
                   const char **why)
{
    char service[8];

    *out = NULL;
    snprintf(service, sizeof service, "%u", port);
    if (ask(host, service, AI_NUMERICHOST, out) == 0)
        return outcome(0, why);
    *out = NULL;
    *why = "no thread to resolve it in";
    lookup *l = begin(host, service);
    if (!l)
        return GBA_E_NOMEM;
    gba_err e = wait(l->fd, POLLIN, deadline);
    if (e == GBA_OK && atomic_load(&l->done)) {
        e = outcome(l->result, why);
        *out = l->list;
        l->list = NULL;
    } else {
        *why = "its name was not resolved in time";
        e = e == GBA_OK ? GBA_E_IO : e;
    }
    leave(l);
    return e;
}
