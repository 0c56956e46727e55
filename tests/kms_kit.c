/* SPDX-License-Identifier: Apache-2.0 */
/* kms_kit.c - a MAF or MEF without sockets. */
#include "kms_kit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "service/daemon.h"

kms kit;
store *kit_store;
int64_t kit_now = KIT_T0;
uint8_t kit_exported[48];
gba_err kit_export_err;
kms_answer kit_answer;
json_t *kit_json;

static char dir[64];
static json_t *doc;

static int64_t now_ms(void)
{
    return kit_now * 1000;
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "kms_kit: %s failed\n", what);
        exit(99);
    }
}

void kit_open(const kms_kind *kind, const char *fqdn)
{
    char url[128], key[128], why[256] = "";

    kit_now = KIT_T0;
    service_now_ms_hook = now_ms;
    snprintf(dir, sizeof dir, "/tmp/kms-XXXXXX");
    must(mkdtemp(dir) != NULL, "mkdtemp");
    snprintf(url, sizeof url, "sqlite:%s/db", dir);
    snprintf(key, sizeof key, "%s/key", dir);
    must(store_key_file_create(key, why, sizeof why) == GBA_OK, why);
    store_config sc = {.url = url, .key_file = key, .create = true};
    must(store_open(&sc, &kit_store, why, sizeof why) == GBA_OK, why);
    kms_config c = {.kind = kind, .store = kit_store, .reg_lifetime = 100000, .key_lifetime = 50000, .retry = 3600};
    must(gba_fqdn_parse(gba_str(fqdn), &c.fqdn) == GBA_OK, "fqdn");
    must(kms_init(&kit, &c) == GBA_OK, "kms_init");
    for (size_t i = 0; i < sizeof kit_exported; i++)
        kit_exported[i] = (uint8_t)(0xa0 + i);
    kit_export_err = GBA_OK;
}

void kit_close(void)
{
    char cmd[160];

    kms_answer_free(&kit_answer);
    json_decref(doc);
    doc = kit_json = NULL;
    kms_close(&kit);
    store_close(&kit_store);
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    must(system(cmd) == 0, "rm");
}

kms_who *kit_enrolee(const char *id, const char *client, const char *target, unsigned suid, int64_t expires)
{
    kms_cred *c = calloc(1, sizeof *c);
    kms_who *w = calloc(1, sizeof *w);

    must(c && w && gba_secret_set(&c->key, "0123456789abcdef0123456789abcdef", 32) == GBA_OK, "key");
    snprintf(c->client, sizeof c->client, "%s", client);
    c->created = kit_now;
    c->expires = expires;
    if (target) {
        c->n_enrol = 1;
        c->enrol[0].suid = suid;
        snprintf(c->enrol[0].target, sizeof c->enrol[0].target, "%s", target);
    }
    must(kms_cred_put(kit_store, kit.c.kind, id, c, true) == GBA_OK, "kms_cred_put");
    kms_cred_free(&c);
    w->form = kit.c.kind->enrols ? GBA_M2M_PSK_KPM : GBA_M2M_PSK_KM;
    w->expires = expires;
    snprintf(w->record, sizeof w->record, "%s", id);
    must(gba_m2m_entity_parse(gba_str(client), &w->id) == GBA_OK, "client");
    must(gba_m2m_credential_id(kit.c.kind->own_type, gba_str(id), w->credential) == GBA_OK, "credential");
    return w;
}

kms_who *kit_client(const char *id, const char *client, int64_t expires)
{
    return kit_enrolee(id, client, NULL, 0, expires);
}

void kit_remove(const char *id)
{
    must(kms_cred_remove(kit_store, kit.c.kind, id, kit_now) == GBA_OK, "removal");
}

static gba_err exporter(void *ctx, const char *label, void *out, size_t n)
{
    (void)ctx;
    must(n == 48 && !strcmp(label, kit.c.kind->label), "label");
    memcpy(out, kit_exported, n);
    return kit_export_err;
}

unsigned kit_ask(const kms_who *w, const char *origin, const char *method, const char *target, const char *type, const char *body)
{
    kms_request r = {.who = w, .source = "192.0.2.1", .now = kit_now, .export = exporter, .body = gba_str(body)};
    const char *root;
    json_t *v;

    r.http = (gba_m2m_http){.method = gba_str(method), .target = gba_str(target), .rvi = gba_str("3")};
    if (origin)
        r.http.origin = gba_str(origin);
    if (type)
        r.http.content_type = gba_str(type);
    kms_answer_free(&kit_answer);
    json_decref(doc);
    doc = kit_json = NULL;
    kms_handle(&kit, &r, &kit_answer);
    if (kit_answer.body) {
        doc = json_loads(kit_answer.body, 0, NULL);
        must(doc != NULL, "the answer is JSON");
        json_object_foreach(doc, root, v) kit_json = json_object_size(doc) == 1 && json_is_object(v) ? v : doc;
    }
    return kit_answer.rsc;
}

const char *kit_text(const char *member)
{
    const char *s = json_string_value(json_object_get(kit_json, member));
    return s ? s : "";
}

long long kit_number(const char *member)
{
    return json_integer_value(json_object_get(kit_json, member));
}
