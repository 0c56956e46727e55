/* SPDX-License-Identifier: Apache-2.0 */
/* m2m.h - what the commands of `m2m` share. */
#ifndef ONEM2M_M2M_H
#define ONEM2M_M2M_H
#include <gba/onem2m_a.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>

/* exit codes */
enum { M2M_DONE = 0, M2M_FAILED = 1, M2M_USAGE = 2, M2M_NETWORK = 3, M2M_REFUSED = 4, M2M_NO_CREDENTIAL = 5 };

#define M2M_POA_MAX 8
typedef struct options {
    bool json, explain, quiet;
    const char *framework;
    /* Entity A */
    const char *ae_id, *cse_id, *state, *key_file, *admin, *kdf;
    int64_t lifetime;
    unsigned timeout;
    /* its credentials */
    const char *psk_id, *psk_file, *cert, *key, *ca, *crl, *server_key, *usim, *bsf, *bsf_domain;
    /* the others */
    const char *sni, *target, *maf, *maf_fqdn, *mef, *mef_fqdn, *priority;
    bool fresh, if_needed, expired;
    int64_t margin;
    /* the request */
    const char *from, *name, *api, *content, *data, *type, *output, *listen;
    int64_t count;
    const char *poa[M2M_POA_MAX];
    size_t n_poa;
    /* words without a name */
    const char *word[5];
    size_t n_words;
} options;

/* "m2m: ..." on standard error; returns code. */
int complain(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int code_of(gba_err e);
int out_done(void); /* flushes standard output */

int m2m_connect(options *o);
int m2m_enrol(options *o);
int m2m_credentials(options *o);

/* ---- Entity A of the options (m2m_entity.c) ---- */
typedef struct usim usim; /* m2m_usim.c */
typedef struct entity {
    gba_m2m_a *a;
    gba_secret psk;
    uint8_t server_key[32];
    gba_m2m_own own;
    usim *card;
    gba_m2m_gba gba;
    json_t *steps; /* with --explain --json */
    const options *o;
    gba_m2m_framework last; /* whose heading was written */
} entity;
/* M2M_DONE, or complained. stateless: a state folder is not needed. */
int entity_open(const options *o, bool usim_wanted, bool stateless, entity *out);
void entity_close(entity *e);
/* "https://HOST[:PORT][/PATH]" or "HOST[:PORT]" and perhaps an FQDN; target: NULL or room of GBA_M2M_TO_MAX + 1. */
int take_server(const char *option, const char *url, const char *fqdn, char host[254], gba_m2m_server *out, char *path);
int take_id(const char *option, const char *text, gba_m2m_id *out);
void put_time(json_t *o, const char *name, int64_t t);
void put_id(json_t *o, const char *name, const gba_m2m_id *id);
void print_json(json_t *o); /* frees it */

/* ---- SA2 (m2m_listen.c) ---- */
typedef struct ears {
    gba_m2m_listener *l; /* NULL: none */
    pthread_t thread;
    gba_err err;
    uint16_t port;
    int64_t left; /* notifications to come, with --count; 0: without end */
    bool again;   /* the key is over */
    const options *o;
} ears;
int ears_open(entity *e, gba_m2m_sa *sa, ears *x);
/* Until a signal, the count or the end of the key; now: at once. */
int ears_close(entity *e, ears *x, bool now);

/* ---- the USIM ---- */
int usim_open(const options *o, usim **out, gba_m2m_gba *hooks);
void usim_close(usim **u);
const char *state_folder(const options *o, char *room, size_t n);
#endif
