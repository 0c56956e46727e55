/* SPDX-License-Identifier: Apache-2.0 */
/* heap.c - see heap.h; linked with --wrap of the four functions. */
#define _GNU_SOURCE /* memmem */
#include <malloc.h>
#include <stdatomic.h>
#include <string.h>
#include "tests/heap.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

static atomic_int countdown = -1, failed, left;
static size_t of_size;
static int goes_on;
static const char *_Atomic text;

void heap_fail(int n, size_t size, int on)
{
    of_size = size;
    goes_on = on;
    failed = 0;
    countdown = n;
}

int heap_failed(void)
{
    return failed;
}

void heap_watch(const char *t)
{
    left = 0;
    text = t;
}

int heap_left(void)
{
    return left;
}

static int fails(size_t size)
{
    if (countdown < 0 || (of_size && size != of_size))
        return 0;
    if (countdown > 0) {
        countdown--;
        return 0;
    }
    if (!goes_on)
        countdown = -1;
    failed++;
    return 1;
}

static void look(void *p)
{
    const char *t = text;
    if (p && t && memmem(p, malloc_usable_size(p), t, strlen(t)))
        left++;
}

void *__wrap_malloc(size_t n)
{
    void *p = fails(n) ? NULL : __real_malloc(n);
    if (p && text) /* what was in it before is not this block's doing */
        memset(p, 0, malloc_usable_size(p));
    return p;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails(n * size) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    if (fails(n))
        return NULL;
    look(p);
    return __real_realloc(p, n);
}

void __wrap_free(void *p)
{
    look(p);
    __real_free(p);
}
