/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uicc.h - the card, above AKA: a card answers a bootstrap challenge and derives
 * NAF keys. With GBA_ME it hands CK || IK to the ME; with GBA_U (TS 33.220 5) the
 * keys stay on the card. Every kind of card is one const table of functions.
 *
 * A gba_uicc is used by one thread at a time; two objects (or processes) over one
 * card exclude each other by gba_uicc_lock.
 */
#ifndef GBA_UICC_H
#define GBA_UICC_H

#include <gba/aka.h>
#include <gba/kdf.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Room of an operator's message. Where a function takes `text`, it is so many octets, or NULL. */
#define GBA_UICC_TEXT 512

/* A handle of Ks. on_card: Ks (and RAND) live on the UICC and ks is empty. */
typedef struct gba_uicc_ks {
    bool on_card;
    gba_secret ks; /* CK || IK */
} gba_uicc_ks;

/* The card's answer to RAND, AUTN. */
typedef struct gba_uicc_answer {
    gba_secret res;  /* OK */
    gba_uicc_ks ks;  /* OK */
    uint8_t auts[14]; /* SYNC */
} gba_uicc_answer;
GBA_API void gba_uicc_answer_wipe(gba_uicc_answer *a);

/* What a kind of card implements; `card` is its own state. */
typedef struct gba_uicc_ops {
    const char *name; /* "soft", "pcsc", "at" */
    gba_err (*impi)(void *card, gba_impi *out);
    /* OK: res and ks. SYNC: auts. AUTH: MAC wrong. FORBIDDEN: AMF separation bit.
     * IO, CORRUPT: the card or its file. What the card must remember (SQN) is
     * durable before this returns OK. */
    gba_err (*boot)(void *card, const uint8_t rand[16], const uint8_t autn[16], gba_uicc_answer *out);
    /* After the verified 200 OK (TS 33.220 G.1: EF_GBABP); NULL when there is nothing to keep. */
    gba_err (*keep)(void *card, const gba_btid *btid, const char *lifetime);
    /* TS 33.220 G.2, for keys on the card only; NULL for a card without GBA_U. */
    gba_err (*derive)(void *card, const gba_naf_id *naf, const gba_impi *impi, gba_secret *out);
    /* No second Ub run on this card between the two; nests. BUSY: another holds it. */
    gba_err (*lock)(void *card);
    void (*unlock)(void *card);
    /* May the Ks leave the program (a test subscription)? NULL: never. */
    bool (*exportable)(void *card);
    /* What went wrong last, for the operator; NULL or "": nothing to say. */
    const char *(*text)(void *card);
    void (*close)(void *card); /* frees card */
} gba_uicc_ops;

typedef struct gba_uicc gba_uicc;
/* Takes over `card`; the ops table is borrowed for the object's life. */
GBA_API gba_err gba_uicc_new(const gba_uicc_ops *ops, void *card, gba_uicc **out) GBA_MUST_USE;
GBA_API void gba_uicc_free(gba_uicc **u);
GBA_API const char *gba_uicc_name(const gba_uicc *u);
GBA_API gba_err gba_uicc_impi(gba_uicc *u, gba_impi *out) GBA_MUST_USE;
GBA_API gba_err gba_uicc_boot(gba_uicc *u, const uint8_t rand[16], const uint8_t autn[16],
                              gba_uicc_answer *out) GBA_MUST_USE;
GBA_API gba_err gba_uicc_keep(gba_uicc *u, const gba_btid *btid, const char *lifetime) GBA_MUST_USE;
/* Ks_NAF (GBA_ME) or Ks_ext_NAF (GBA_U): from `ks` where it lies. rand: of the bootstrap. */
GBA_API gba_err gba_uicc_naf_key(gba_uicc *u, const gba_uicc_ks *ks, const uint8_t rand[16], const gba_impi *impi,
                                 const gba_naf_id *naf, gba_secret *out) GBA_MUST_USE;
GBA_API gba_err gba_uicc_lock(gba_uicc *u) GBA_MUST_USE;
GBA_API void gba_uicc_unlock(gba_uicc *u);
GBA_API bool gba_uicc_exportable(const gba_uicc *u);
GBA_API const char *gba_uicc_text(const gba_uicc *u);

/* ---- where the key that seals a device's files comes from ---- */
/* A callback wins over a file; neither: PATH.key beside the sealed file, made on
 * first use with mode 0600. That default protects a copied or backed-up file, not
 * against whoever reads the whole disk. */
typedef struct gba_uicc_seal {
    const char *key_file; /* 64 hexadecimal digits; not readable by others */
    gba_err (*key)(void *arg, gba_secret *out); /* 32 octets, from a keystore or TPM */
    void *arg;
} gba_uicc_seal;

/* ---- the software USIM: K, OPc and the SQN array in a sealed file ---- */
typedef struct gba_uicc_soft_config {
    gba_impi impi;
    gba_aka_key key;
    gba_sqn_profile sqn; /* all zero: gba_sqn_default */
    bool exportable;     /* Ks may be shown (test subscriptions) */
    bool overwrite;      /* an existing file is replaced; else FORBIDDEN */
} gba_uicc_soft_config;
/* text (GBA_UICC_TEXT, may be NULL) names the file, the fault and the way out. */
GBA_API gba_err gba_uicc_soft_create(const char *path, const gba_uicc_soft_config *c, const gba_uicc_seal *seal,
                                     char text[GBA_UICC_TEXT]) GBA_MUST_USE;
GBA_API gba_err gba_uicc_soft_open(const char *path, const gba_uicc_seal *seal, gba_uicc **out,
                                   char text[GBA_UICC_TEXT]) GBA_MUST_USE;
/* What may be shown of it: no secret. */
typedef struct gba_uicc_soft_info {
    gba_impi impi;
    gba_aka_algorithm algorithm;
    size_t k_len;
    uint8_t res_len;
    gba_sqn_profile sqn;
    uint64_t sqn_ms; /* the highest SQN it has accepted */
    bool exportable;
} gba_uicc_soft_info;
GBA_API gba_err gba_uicc_soft_info_read(gba_uicc *u, gba_uicc_soft_info *out) GBA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
