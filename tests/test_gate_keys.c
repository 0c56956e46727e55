/* SPDX-License-Identifier: Apache-2.0 */
/* test_gate_keys.c - the gate's key cache from inside, two identities in one bucket among them; MAF, MEF and BSF are here. */
#include "onem2m-binding/gate_keys.c"
#include "tests/t_main.h"

static unsigned asked;

/* ---- in place of gate_ask.c ---- */
void gate_who_free(void *who)
{
    gate_who *w = who;
    if (w)
        free(w->ids);
    free(w);
}

gba_err gate_who_ids(gate_who *w, const gba_m2m_id *ids, size_t n)
{
    (void)w, (void)ids, (void)n;
    return GBA_OK;
}

bool gate_ask_enter(gate *g, atomic_uint *asking)
{
    (void)g, (void)asking;
    return true;
}

void gate_ask_leave(atomic_uint *asking)
{
    (void)asking;
}

gba_err gate_ask_maf(gate *g, size_t i, const gba_m2m_key_id *key, gate_who *who, const char **why)
{
    (void)g, (void)i, (void)why;
    asked++;
    snprintf(who->credential, sizeof who->credential, "12-%s", key->relative);
    who->expires = service_now() + 100;
    return gba_secret_set(&who->key, "asked-of-the-maf", 16);
}

gba_err gate_ask_mef(gate *g, size_t i, const gba_m2m_key_id *key, gate_who *who, const char **why)
{
    return gate_ask_maf(g, i, key, who, why);
}

gba_err gate_ask_bsf(gate *g, const tls_psk_query *q, const gba_m2m_identity *id, gate_who *who, const char **why)
{
    (void)g, (void)q, (void)id, (void)who, (void)why;
    return GBA_E_UNKNOWN;
}

/* ---- */
static const gate_settings settings = {.keys = 100, .wait_ms = 1000, .unknown_per_source = 100, .unknown_ttl = 10};
static const gba_fqdn maf = {"maf.example.com"};

static void open_gate(gate *g)
{
    memset(g, 0, sizeof *g);
    g->s = &settings;
    g->domains = (gba_m2m_domains){.at = GBA_M2M_AT_CSE, .maf = &maf, .n_maf = 1};
    if (gate_keys_open(g) != GBA_OK)
        abort();
    asked = 0;
}

static gba_m2m_identity identity(unsigned n)
{
    char text[64];
    gba_m2m_identity id;
    snprintf(text, sizeof text, "%032X@maf.example.com", n);
    if (gba_m2m_identify(&(gba_m2m_domains){.at = GBA_M2M_AT_CSE, .maf = &maf, .n_maf = 1}, gba_str(text), &id) != GBA_OK)
        abort();
    return id;
}

static entry *keep(gate_keys *k, const gba_m2m_identity *id, int64_t expires, bool pending)
{
    entry *e = calloc(1, sizeof *e), **at = find(k, id->text);
    while (*at)
        at = &(*at)->next;
    snprintf(e->identity, sizeof e->identity, "%s", id->text);
    snprintf(e->who.credential, sizeof e->who.credential, "12-%s", id->key.relative);
    e->who.expires = expires;
    e->pending = pending;
    if (!pending && gba_secret_set(&e->who.key, "of-the-neighbour", 16) != GBA_OK)
        abort();
    *at = e;
    k->n++;
    return e;
}

/* Another identity of the same bucket. */
static gba_m2m_identity neighbour(gate_keys *k, const gba_m2m_identity *of)
{
    for (unsigned n = 2;; n++) {
        gba_m2m_identity id = identity(n);
        if (hash_of(k, id.text, strlen(id.text)) % BUCKETS == hash_of(k, of->text, strlen(of->text)) % BUCKETS)
            return id;
    }
}

/* B6: an expired key is dropped; what stands behind it in the bucket is another's. */
static void expired_before(bool pending)
{
    gate g;
    gate_who who = {0};
    const char *why = NULL;
    uint8_t source[16] = {0};
    int64_t now = service_now();

    open_gate(&g);
    gba_m2m_identity id = identity(1), other = neighbour(g.keys, &id);
    keep(g.keys, &id, now - 1, false);
    entry *e = keep(g.keys, &other, now + 100, pending);
    CU_ASSERT_EQUAL(told(&g, &id, source, &who, &why), GBA_OK);
    CU_ASSERT_EQUAL(asked, 1);
    CU_ASSERT(who.key.n == 16 && !memcmp(who.key.o, "asked-of-the-maf", 16));
    CU_ASSERT_STRING_EQUAL(who.credential, "12-00000000000000000000000000000001");
    e->pending = false;
    gate_keys_close(&g);
}

static void expired_before_a_key(void)
{
    expired_before(false);
}

static void expired_before_a_query(void)
{
    expired_before(true);
}

T_MAIN("gate keys", {"B6: an expired key before another's", expired_before_a_key},
       {"B6: an expired key before another's query", expired_before_a_query})
