/* SPDX-License-Identifier: Apache-2.0 */
/* heap.h - a heap that fails when told, and looks at what is given back. Link with $(heap_ldflags). */
#ifndef TESTS_HEAP_H
#define TESTS_HEAP_H
#include <stddef.h>

/* The nth allocation of the program's own objects (not of shared libraries) from now on fails, and all behind it when
 * `on`; n < 0: none does. size 0: of any size. */
void heap_fail(int n, size_t size, int on);
int heap_failed(void); /* how many did, since heap_fail */
/* Blocks given back, or left by realloc, that hold this text; NULL: nothing is looked at. */
void heap_watch(const char *text);
int heap_left(void);
#endif
