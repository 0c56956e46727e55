/* SPDX-License-Identifier: Apache-2.0 */
/* gba.h - what the commands of `gba` share. */
#ifndef UE_GBA_H
#define UE_GBA_H

#include <stdio.h>
#include <gba/ue.h>

/* exit codes */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NETWORK = 3, EXIT_REFUSED = 4 };

#define LIST_MAX 32
typedef struct options {
    bool json, verbose, quiet;
    /* the device */
    const char *bsf, *bsf_domain, *usim, *state, *key_file, *ca, *bsf_ca, *connect;
    const char *resolve[LIST_MAX + 1];
    size_t n_resolve;
    unsigned timeout, call_timeout;
    bool no_tmpi;
    const char *carrier;
    /* usim create */
    const char *impi, *algorithm;
    gba_secret k, opc, op; /* n == 0: not given */
    bool exportable, force;
    uint8_t res_len, ck_len, ik_len, iterations; /* 0: not given */
    /* bootstrap, key */
    bool export_ks, if_needed;
    const char *ua;
    /* get, post */
    const char *data, *output;
    bool psk; /* and connect */
    const char *tls, *priority;
    const char *header[LIST_MAX];
    size_t n_header;
    /* what stands without a name */
    const char *word[4];
    size_t n_words;
} options;

/* "gba: ..." on standard error; returns code. */
int complain(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int code_of(gba_err e);

int gba_usim_create(options *o);
int gba_usim_show(options *o);
int gba_bootstrap(options *o);
int gba_key(options *o);
int gba_get(options *o);
int gba_post(options *o);
int gba_connect(options *o);
int gba_session_show(options *o);
int gba_session_forget(options *o);

/* The device of the options: card, carriers, session. */
typedef struct device {
    gba_uicc *uicc;
    gba_ue_carrier carrier, bsf_carrier;
    gba_ue *ue;
} device;
int device_open(const options *o, device *d); /* EXIT_DONE, or complained */
void device_close(device *d);
gba_ue_carrier_config network(const options *o); /* of a NAF's connections */
int take_tls(const options *o, gba_ue_tls *out); /* --tls */
/* --state, GBA_STATE, $XDG_STATE_HOME/gba or ~/.local/state/gba; NULL: none. */
const char *state_folder(const options *o, char *room, size_t n);

/* ---- JSON out: an object of strings, numbers, truths ---- */
typedef struct json_out {
    FILE *f;
    bool more;
} json_out;
void json_open(json_out *j, FILE *f);
void json_text(json_out *j, const char *name, const char *value);
void json_octets(json_out *j, const char *name, gba_span value); /* ASCII text */
void json_hex(json_out *j, const char *name, gba_span value);
void json_int(json_out *j, const char *name, int64_t value);
void json_bool(json_out *j, const char *name, bool value);
void json_time(json_out *j, const char *name, int64_t unix_s);
void json_close(json_out *j); /* and the line's end */
/* Flushes standard output; EXIT_FAILED when it could not be written. */
int out_done(void);
#endif
