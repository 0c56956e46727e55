/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_rows.h - subscribers of an import, one after another, from CSV or JSON in memory. */
#ifndef BSF_CTL_ROWS_H
#define BSF_CTL_ROWS_H
#include "bsf/ctl.h"

#define CTL_ROW_MAX 4096 /* octets of a line or an object */
#define CTL_ROW_FIELDS 13
typedef enum ctl_row_status { CTL_ROW_OK, CTL_ROW_BAD, CTL_ROW_END, CTL_ROW_FATAL } ctl_row_status;
typedef struct ctl_rows {
    gba_span in;
    size_t at;                  /* next octet */
    unsigned long line;         /* of at */
    unsigned long row_line;     /* where the last row began */
    bool json, begun, array;
    unsigned n_columns;         /* CSV: the header's */
    int column[CTL_ROW_FIELDS]; /* which field each is */
    char text[CTL_ROW_MAX + 2]; /* CSV: the row's fields */
    char number[CTL_ROW_FIELDS][24];
    json_t *object;
} ctl_rows;
void ctl_rows_begin(ctl_rows *r, gba_span in, bool json);
/* OK: *out is valid until the next call. BAD: why says what is wrong with this row, the next may be
 * good. FATAL: why says why nothing after it can be read. */
ctl_row_status ctl_rows_next(ctl_rows *r, ctl_subscriber_text *out, char *why, size_t why_n);
void ctl_rows_end(ctl_rows *r); /* wipes */
#endif
