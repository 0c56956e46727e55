/* SPDX-License-Identifier: Apache-2.0 */
/* frameworks.c - the seven frameworks, SUIDs, response status codes and priorities as const tables. */
#include <gba/kdf.h>
#include <gba/onem2m.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const gba_m2m_row rows[GBA_M2M_FRAMEWORKS] = {
    [GBA_M2M_SAEF_1] = {"SAEF 1", "provisioned symmetric key", "psk", false, GBA_M2M_PSK, "Kpsa", "Entity B", "KpsaID",
                        "Kpsa", GBA_M2M_TLS_PSK, GBA_M2M_TLS_PSK, NULL, "Kpsa", "KpsaID", GBA_M2M_TOLD_STORE,
                        GBA_M2M_LIVES_PROVISIONED, 12},
    [GBA_M2M_SAEF_2] = {"SAEF 2", "certificate", "cert", false, GBA_M2M_CERT, "key pair and certificate chain",
                        "Entity B", "AE-ID, CSE-ID, Node-ID, device or raw public key", "CSE-ID certificate",
                        GBA_M2M_TLS_MUTUAL, GBA_M2M_TLS_MUTUAL, NULL, NULL, NULL, GBA_M2M_TOLD_CERT,
                        GBA_M2M_LIVES_CERT, 33},
    [GBA_M2M_SAEF_3] = {"SAEF 3", "MAF-based", "maf", false, GBA_M2M_PSK, "Km", "MAF", "KmID", "Km", GBA_M2M_TLS_PSK,
                        GBA_M2M_TLS_PSK, GBA_M2M_LABEL_CONNECTION, "Kc", "KcID", GBA_M2M_TOLD_MAF,
                        GBA_M2M_LIVES_REGISTERED, 11},
    [GBA_M2M_SAEF_4] = {"SAEF 4", "GBA-based", "gba", false, GBA_M2M_USIM, "K of the USIM", "BSF", "IMPI", "AUTN",
                        GBA_M2M_TLS_PSK, GBA_M2M_TLS_PSK, NULL, "Ks_(ext/int)_NAF", "B-TID", GBA_M2M_TOLD_BSF,
                        GBA_M2M_LIVES_KS, 12},
    [GBA_M2M_SBF_1] = {"SBF 1", "pre-provisioned symmetric enrolee key", "psk", true, GBA_M2M_PSK, "Kpm", "MEF",
                       "KpmID", "Kpm", GBA_M2M_TLS_PSK, GBA_M2M_TLS_PSK, GBA_M2M_LABEL_BOOTSTRAP, "Ke", "KeID",
                       GBA_M2M_TOLD_MEF, GBA_M2M_LIVES_KE, 10},
    [GBA_M2M_SBF_2] = {"SBF 2", "certificate", "cert", true, GBA_M2M_CERT, "key pair and certificate chain", "MEF",
                       "AE-ID, CSE-ID, Node-ID, device or raw public key", "MEF FQDN certificate", GBA_M2M_TLS_MUTUAL,
                       GBA_M2M_TLS_PSK, GBA_M2M_LABEL_BOOTSTRAP, "Ke", "KeID", GBA_M2M_TOLD_MEF, GBA_M2M_LIVES_KE, 33},
    [GBA_M2M_SBF_3] = {"SBF 3", "GBA-based", "gba", true, GBA_M2M_USIM, "K of the USIM", "BSF", "IMPI", "AUTN",
                       GBA_M2M_TLS_PSK, GBA_M2M_TLS_PSK, NULL, "Km or Kpsa = Ks_(ext/int)_NAF",
                       "KmID or KpsaID = B-TID", GBA_M2M_TOLD_BSF, GBA_M2M_LIVES_KS, 12},
};

const gba_m2m_row *gba_m2m_row_of(gba_m2m_framework f)
{
    return (unsigned)f < GBA_M2M_FRAMEWORKS ? &rows[f] : NULL;
}

const char *gba_m2m_teller_text(gba_m2m_teller t)
{
    static const char *const text[] = {"own store", "names in the certificate", "MAF", "BSF", "MEF"};
    return (unsigned)t < COUNT(text) ? text[t] : "";
}

const char *gba_m2m_lifetime_text(gba_m2m_lifetime l)
{
    static const char *const text[] = {"as provisioned", "validity of the certificate",
                                       "expirationTime of the key registration", "never longer than Ke",
                                       "key lifetime given by the BSF"};
    return (unsigned)l < COUNT(text) ? text[l] : "";
}

/* AEAD with ephemeral keys first, TS-0003's mandatory CBC suites behind it; GnuTLS's NORMAL has
 * neither 00AE nor C023. secp256r1 is the only curve TS-0003 10.1.1.1 allows in certificates. */
#define COMMON                                                                                                         \
    "NONE:+VERS-TLS1.2:+AES-128-GCM:+CHACHA20-POLY1305:+AES-128-CBC:+AEAD:+SHA256:+SIGN-ECDSA-SHA256:"                \
    "+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-SHA256:+SIGN-RSA-PSS-SHA256:+SIGN-ECDSA-SHA384:" \
    "+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+COMP-NULL:+CTYPE-X509:%SERVER_PRECEDENCE:"
static const char psk_only[] = COMMON "+ECDHE-PSK:+PSK";
static const char psk_and_cert[] = COMMON "+ECDHE-PSK:+PSK:+ECDHE-ECDSA:+ECDHE-RSA";

const char *gba_m2m_priority(bool with_cert)
{
    return with_cert ? psk_and_cert : psk_only;
}

/* ---- SUID ---- */
static const struct {
    unsigned suid;
    const char *text;
} suids[] = {
    {10, "pre-provisioned symmetric key with a MEF"}, {11, "pre-provisioned symmetric key with a MAF"},
    {12, "pre-provisioned symmetric key for SAEF"},   {13, "pre-provisioned symmetric key for ESPrim"},
    {14, "pre-provisioned symmetric key for ESData encryption"},
    {15, "pre-provisioned symmetric key for ESData signature"},
    {21, "remotely provisioned symmetric key with a MAF"},
    {22, "remotely provisioned symmetric key for SAEF"},
    {23, "remotely provisioned symmetric key for ESPrim"},
    {24, "remotely provisioned symmetric key for ESData encryption"},
    {25, "remotely provisioned symmetric key for ESData signature"},
    {32, "MAF-distributed symmetric key for SAEF"},   {33, "MAF-distributed symmetric key for ESPrim"},
    {34, "MAF-distributed symmetric key for ESData encryption"},
    {35, "MAF-distributed symmetric key for ESData signature"},
    {40, "certificate with a MEF"},                   {41, "certificate with a MAF"},
    {42, "certificate for SAEF"},                     {43, "certificate for ESPrim"},
    {44, "certificate for ESData encryption"},        {45, "certificate for ESData signature"},
};

const char *gba_m2m_suid_text(unsigned suid)
{
    for (size_t i = 0; i < COUNT(suids); i++)
        if (suids[i].suid == suid)
            return suids[i].text;
    return NULL;
}

/* ---- keys from Ke ---- */
gba_err gba_m2m_key_from_ke(gba_m2m_kdf kdf, const gba_secret *ke, unsigned suid, const gba_m2m_id *target,
                            gba_secret *out)
{
    char text[GBA_M2M_ID_MAX + 1];
    gba_fqdn fqdn;
    gba_err e;

    if (!gba_m2m_suid_text(suid))
        return GBA_E_ARG;
    if (kdf == GBA_M2M_KDF_2014) {
        if (suid != GBA_M2M_SUID_RSPF_MAF && suid != GBA_M2M_SUID_RSPF_SAEF)
            return GBA_E_UNSUPPORTED;
        e = gba_m2m_id_print(target, GBA_M2M_ABSOLUTE, text);
        if (e != GBA_OK)
            return e;
        return suid == GBA_M2M_SUID_RSPF_MAF ? gba_onem2m_km(ke, gba_str(text), out) /* 10.3.2 */
                                             : gba_onem2m_kpsa(ke, gba_str(text), out); /* 10.3.3 */
    }
    e = gba_m2m_id_fqdn(target, &fqdn);
    return e == GBA_OK ? gba_onem2m_usage_key(ke, suid, gba_str(fqdn.s), out) : e; /* 10.3.7 */
}

int64_t gba_m2m_expiry(int64_t ke_expires, int64_t asked)
{
    if (ke_expires == 0)
        return asked;
    return asked == 0 || asked > ke_expires ? ke_expires : asked;
}

/* ---- response status codes ---- */
static const struct {
    uint16_t rsc, http;
    const char *name;
} rscs[] = {
    {1000, 202, "ACCEPTED"},
    {1001, 202, "ACCEPTED_NON_BLOCKING_SYNC"},
    {1002, 202, "ACCEPTED_NON_BLOCKING_ASYNC"},
    {2000, 200, "OK"},
    {2001, 201, "CREATED"},
    {2002, 200, "DELETED"},
    {2004, 200, "UPDATED"},
    {4000, 400, "BAD_REQUEST"},
    {4001, 501, "RELEASE_VERSION_NOT_SUPPORTED"},
    {4004, 404, "NOT_FOUND"},
    {4005, 405, "OPERATION_NOT_ALLOWED"},
    {4008, 504, "REQUEST_TIMEOUT"},
    {4015, 415, "UNSUPPORTED_MEDIA_TYPE"},
    {4101, 403, ""},
    {4102, 400, "CONTENTS_UNACCEPTABLE"},
    {4103, 403, "ORIGINATOR_HAS_NO_PRIVILEGE"},
    {4104, 409, ""},
    {4105, 409, "CONFLICT"},
    {4106, 403, "ORIGINATOR_NOT_AUTHENTICATED"},
    {4107, 403, "SECURITY_ASSOCIATION_REQUIRED"},
    {4108, 403, "INVALID_CHILD_RESOURCE_TYPE"},
    {4109, 403, ""},
    {4110, 400, ""},
    {4111, 403, "ESPRIM_UNSUPPORTED_OPTION"},
    {4112, 403, "ESPRIM_UNKNOWN_KEY_ID"},
    {4113, 403, ""},
    {4114, 403, ""},
    {4115, 403, "ESPRIM_BAD_MAC"},
    {4116, 403, "ESPRIM_IMPERSONATION_ERROR"},
    {4117, 403, "ORIGINATOR_HAS_ALREADY_REGISTERED"},
    {4118, 404, ""},
    {4119, 404, ""},
    {4120, 400, ""},
    {4121, 404, ""},
    {4122, 400, ""},
    {4123, 400, ""},
    {4124, 409, ""},
    {4125, 501, ""},
    {4126, 403, "APP_RULE_VALIDATION_FAILED"},
    {4127, 403, ""},
    {4143, 400, ""},
    {5000, 500, "INTERNAL_SERVER_ERROR"},
    {5001, 501, "NOT_IMPLEMENTED"},
    {5103, 404, "TARGET_NOT_REACHABLE"},
    {5105, 403, "RECEIVER_HAS_NO_PRIVILEGE"},
    {5106, 409, "ALREADY_EXISTS"},
    {5107, 404, "REMOTE_ENTITY_NOT_REACHABLE"},
    {5203, 403, ""},
    {5204, 500, ""},
    {5205, 403, ""},
    {5206, 501, ""},
    {5207, 406, "NOT_ACCEPTABLE"},
    {5208, 403, ""},
    {5209, 500, ""},
    {5210, 500, "ESPRIM_DECRYPTION_ERROR"},
    {5211, 500, "ESPRIM_ENCRYPTION_ERROR"},
    {5212, 500, ""},
    {5214, 403, ""},
    {5215, 403, ""},
    {5216, 500, ""},
    {5217, 500, ""},
    {5218, 403, ""},
    {5219, 409, ""},
    {5220, 409, ""},
    {5221, 500, ""},
    {5222, 403, ""},
    {6003, 404, ""},
    {6005, 404, ""},
    {6010, 400, ""},
    {6020, 500, ""},
    {6021, 500, ""},
    {6022, 400, ""},
    {6023, 400, ""},
    {6024, 400, ""},
    {6025, 500, ""},
    {6026, 500, ""},
    {6028, 409, ""},
    {6029, 409, ""},
    {6030, 504, ""},
    {6031, 504, ""},
};

unsigned gba_m2m_rsc_http(unsigned rsc)
{
    for (size_t i = 0; i < COUNT(rscs); i++)
        if (rscs[i].rsc == rsc)
            return rscs[i].http;
    return 500;
}

const char *gba_m2m_rsc_name(unsigned rsc)
{
    for (size_t i = 0; i < COUNT(rscs); i++)
        if (rscs[i].rsc == rsc)
            return rscs[i].name;
    return "";
}

/* ---- m2m:timestamp (TS-0004 6.3.3) ---- */
gba_err gba_m2m_time_print(int64_t unix_s, char out[GBA_M2M_TIME_TEXT])
{
    char iso[GBA_TIME_TEXT];
    gba_err e = gba_time_print(unix_s, iso);

    if (e != GBA_OK)
        return e;
    if (strlen(iso) != 20) /* "2026-11-25T10:00:00Z" */
        return GBA_E_RANGE;
    snprintf(out, GBA_M2M_TIME_TEXT, "%.4s%.2s%.2sT%.2s%.2s%.2s", iso, iso + 5, iso + 8, iso + 11, iso + 14, iso + 17);
    return GBA_OK;
}

gba_err gba_m2m_time_parse(gba_span text, int64_t *unix_s)
{
    char iso[GBA_TIME_TEXT];
    const char *t = (const char *)text.p;

    if (text.n < 15 || t[8] != 'T' || (text.n > 15 && (t[15] != ',' || text.n == 16 || text.n > 22)))
        return GBA_E_SYNTAX;
    for (size_t i = 0; i < text.n; i++)
        if (i != 8 && i != 15 && (t[i] < '0' || t[i] > '9'))
            return GBA_E_SYNTAX;
    snprintf(iso, sizeof iso, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", t, t + 4, t + 6, t + 9, t + 11, t + 13);
    return gba_time_parse(gba_str(iso), unix_s);
}
