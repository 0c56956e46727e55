/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_sqlite_vfs.c - gathers a commit's frames into one write of the WAL.
 *
 * SQLite writes each frame of its log with two calls of pwrite; a group commit has hundreds
 * of frames. This file layer keeps contiguous writes to the log back until the log is synced,
 * read, measured, cut or closed. It is used with synchronous=FULL only: then SQLite syncs the
 * log before it publishes a commit to readers, and a failed write fails that commit.
 */
#include "service/store_sqlite.h"
#include <stdlib.h>
#include <string.h>

#define GATHER_MAX ((size_t)124 * 1024) /* the layer below writes less than 128 KiB at once */

typedef struct gather_file {
    sqlite3_file base;
    sqlite3_file *real;
    struct gather_file *log; /* of a main database: its log */
    struct gather_file *db;  /* of a log: its database */
    uint8_t *held;           /* of a log: GATHER_MAX octets */
    size_t n;
    sqlite3_int64 at;
    int failed; /* sticky until it is told */
} gather_file;

static sqlite3_vfs *unix_vfs(const sqlite3_vfs *v)
{
    return v->pAppData;
}

static gather_file *own(sqlite3_file *f)
{
    return (gather_file *)f;
}

static sqlite3_file *real(sqlite3_file *f)
{
    return own(f)->real;
}

static int flush(gather_file *g)
{
    int rc = g->failed;
    g->failed = SQLITE_OK;
    if (rc == SQLITE_OK && g->n > 0)
        rc = g->real->pMethods->xWrite(g->real, g->held, (int)g->n, g->at);
    g->n = 0;
    return rc;
}

static int g_close(sqlite3_file *f)
{
    gather_file *g = own(f);
    int rc = flush(g);
    int closed = g->real->pMethods->xClose(g->real);
    if (g->db != NULL)
        g->db->log = NULL;
    free(g->held);
    g->held = NULL;
    return rc != SQLITE_OK ? rc : closed;
}

static int g_read(sqlite3_file *f, void *out, int n, sqlite3_int64 at)
{
    int rc = own(f)->n > 0 ? flush(own(f)) : SQLITE_OK;
    return rc != SQLITE_OK ? rc : real(f)->pMethods->xRead(real(f), out, n, at);
}

static int g_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    gather_file *g = own(f);
    if (g->held == NULL)
        return real(f)->pMethods->xWrite(real(f), p, n, at);
    bool follows = g->n > 0 && at == g->at + (sqlite3_int64)g->n && g->n + (size_t)n <= GATHER_MAX;
    int rc = follows ? g->failed : flush(g);
    if (rc != SQLITE_OK)
        return rc;
    if ((size_t)n > GATHER_MAX)
        return real(f)->pMethods->xWrite(real(f), p, n, at);
    if (g->n == 0)
        g->at = at;
    memcpy(g->held + g->n, p, (size_t)n);
    g->n += (size_t)n;
    return SQLITE_OK;
}

static int g_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    int rc = flush(own(f));
    return rc != SQLITE_OK ? rc : real(f)->pMethods->xTruncate(real(f), size);
}

static int g_sync(sqlite3_file *f, int flags)
{
    int rc = flush(own(f));
    return rc != SQLITE_OK ? rc : real(f)->pMethods->xSync(real(f), flags);
}

static int g_size(sqlite3_file *f, sqlite3_int64 *size)
{
    int rc = flush(own(f));
    return rc != SQLITE_OK ? rc : real(f)->pMethods->xFileSize(real(f), size);
}

static int g_lock(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xLock(real(f), level);
}

static int g_unlock(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xUnlock(real(f), level);
}

static int g_reserved(sqlite3_file *f, int *out)
{
    return real(f)->pMethods->xCheckReservedLock(real(f), out);
}

static int g_control(sqlite3_file *f, int op, void *arg)
{
    return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int g_sector(sqlite3_file *f)
{
    return real(f)->pMethods->xSectorSize(real(f));
}

static int g_traits(sqlite3_file *f)
{
    return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int g_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}

static int g_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}

static void g_shm_barrier(sqlite3_file *f)
{
    /* What is about to be published must be in the file; after xSync nothing is held any more. */
    gather_file *log = own(f)->log;
    if (log != NULL && log->n > 0)
        log->failed = flush(log);
    real(f)->pMethods->xShmBarrier(real(f));
}

static int g_shm_unmap(sqlite3_file *f, int gone)
{
    return real(f)->pMethods->xShmUnmap(real(f), gone);
}

/* Version 2: without xFetch, so that no database is mapped through this layer. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = g_close,
    .xRead = g_read,
    .xWrite = g_write,
    .xTruncate = g_truncate,
    .xSync = g_sync,
    .xFileSize = g_size,
    .xLock = g_lock,
    .xUnlock = g_unlock,
    .xCheckReservedLock = g_reserved,
    .xFileControl = g_control,
    .xSectorSize = g_sector,
    .xDeviceCharacteristics = g_traits,
    .xShmMap = g_shm_map,
    .xShmLock = g_shm_lock,
    .xShmBarrier = g_shm_barrier,
    .xShmUnmap = g_shm_unmap,
};

static int g_open(sqlite3_vfs *v, sqlite3_filename name, sqlite3_file *f, int flags, int *out_flags)
{
    gather_file *g = own(f);
    memset(g, 0, sizeof *g);
    g->real = (sqlite3_file *)(g + 1);
    int rc = unix_vfs(v)->xOpen(unix_vfs(v), name, g->real, flags, out_flags);
    if (g->real->pMethods == NULL)
        return rc;
    g->base.pMethods = &methods;
    if (rc != SQLITE_OK || (flags & SQLITE_OPEN_WAL) == 0)
        return rc;
    g->held = malloc(GATHER_MAX); /* without it: as ever, frame by frame */
    g->db = own(sqlite3_database_file_object(name));
    g->db->log = g;
    return rc;
}

const char *sq_gathering_vfs(void)
{
    return "gba-gather";
}

void sq_gathering_vfs_set_up(void)
{
    static sqlite3_vfs vfs;
    sqlite3_vfs *under = sqlite3_vfs_find(NULL);
    if (under == NULL)
        return;
    vfs = *under; /* all but opening is as it was */
    vfs.pNext = NULL;
    vfs.szOsFile = (int)sizeof(gather_file) + under->szOsFile;
    vfs.zName = sq_gathering_vfs();
    vfs.pAppData = under;
    vfs.xOpen = g_open;
    (void)sqlite3_vfs_register(&vfs, 0);
}
