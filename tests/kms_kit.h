/* SPDX-License-Identifier: Apache-2.0 */
/* kms_kit.h - a MAF or MEF without sockets, on a store of its own, for the tests. */
#ifndef TESTS_KMS_KIT_H
#define TESTS_KMS_KIT_H
#include <jansson.h>
#include "onem2m-binding/kms.h"
#include "onem2m-binding/names.h"

#define KIT_T0 INT64_C(1795000000) /* 2026-11-18 */
extern kms kit;
extern store *kit_store;
extern int64_t kit_now;
extern uint8_t kit_exported[48]; /* what "this session" exports */
extern gba_err kit_export_err;
extern kms_answer kit_answer; /* of the last call */
extern json_t *kit_json;      /* its body under the only root, NULL: none */

void kit_open(const kms_kind *kind, const char *fqdn);
void kit_close(void);
/* Stores a pre-shared key of `client` and gives who presents it. */
kms_who *kit_client(const char *id, const char *client, int64_t expires);
/* The same with one enrolment instruction. */
kms_who *kit_enrolee(const char *id, const char *client, const char *target, unsigned suid, int64_t expires);
/* RSC of a request; type NULL: no Content-Type. origin NULL: absent. */
void kit_remove(const char *id); /* as the provisioning command does */
unsigned kit_ask(const kms_who *w, const char *origin, const char *method, const char *target, const char *type, const char *body);
const char *kit_text(const char *member); /* of kit_json; "" none */
long long kit_number(const char *member);
#endif
