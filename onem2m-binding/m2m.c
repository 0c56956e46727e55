/* SPDX-License-Identifier: Apache-2.0 */
/* m2m.c - the command line of a oneM2M Entity A: which command, which options. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "onem2m-binding/m2m.h"

static const char usage_text[] =
    "Usage: m2m COMMAND [OPTION]...\n"
    "\n"
    "  m2m connect URL --framework psk|cert|maf|gba [OPERATION [ADDRESS]]\n"
    "        a security association with the CSE at URL, then one oneM2M request:\n"
    "        retrieve [ADDRESS]                 the default; of the CSEBase when no address is given\n"
    "        ae [CSEBASE] [--name N] [--api APP-ID] [--poa URL]...   register this AE; default: the URL's path\n"
    "        container [PARENT] [--name N]      create a container\n"
    "        instance CONTAINER --content TEXT|@FILE|- [--name N]   create a content instance\n"
    "        create PARENT --type N --data JSON|@FILE|-, update, notify ADDRESS --data ..., delete ADDRESS\n"
    "        [--listen [ADDRESS:]PORT [--count N]]   then SA2: the CSE connects to us, each notification is printed\n"
    "  m2m enrol --framework psk|cert|gba --target MAF-FQDN|CSE-ID --ae-id ID|--cse-id ID\n"
    "        a bootstrap: Km for a MAF, Kpsa for a CSE, kept sealed; connect finds it\n"
    "        [--if-needed [--margin SECONDS]]   not while the one held lives that long (60)\n"
    "  m2m credentials                          what this device holds, and until when\n"
    "  m2m credentials forget ID|--expired\n"
    "\n"
    "Frameworks of connect, and what they need\n"
    "  psk   SAEF 1   --psk-id KpsaID --psk-file F, or an enrolment with this CSE\n"
    "  cert  SAEF 2   --cert F --key F --ca F; --key alone: a raw public key (RFC 7250)\n"
    "  maf   SAEF 3   --maf URL; --psk-id KmID --psk-file F, --cert F --key F --ca F, or an enrolment\n"
    "                 with this MAF; --target CSE-ID (default: from the server's name). [--fresh]: a new Kc\n"
    "  gba   SAEF 4   --usim F [--bsf URL] [--bsf-domain FQDN]\n"
    "Frameworks of enrol\n"
    "  psk   SBF 1    --mef URL --psk-id KpmID --psk-file F\n"
    "  cert  SBF 2    --mef URL --cert F --key F --ca F\n"
    "  gba   SBF 3    --usim F [--bsf URL] [--bsf-domain FQDN]\n"
    "  --maf URL      where the target MAF is, so that connect need not be told\n"
    "\n"
    "This entity\n"
    "  --ae-id ID, --cse-id ID   who it is, absolute: //SP-DOMAIN/CSE/Cxyz, //SP-DOMAIN/Sxyz; //SP-DOMAIN/CSE\n"
    "  --state DIR      sealed credentials; default ~/.local/state/m2m  (M2M_STATE)\n"
    "  --key-file F     64 hex digits that seal them; default: in DIR   (M2M_KEY_FILE)\n"
    "  --psk-file F     a key of 16 octets and more in hex, - for standard input\n"
    "  --usim F, --bsf URL, --bsf-domain FQDN   as of gba              (GBA_USIM, GBA_BSF, GBA_BSF_DOMAIN)\n"
    "  --ca F, --crl F  CA certificates and revocation lists, PEM      (M2M_CA)\n"
    "  --server-key HEX SHA-256 of the other side's raw public key, in place of --ca\n"
    "  --admin FQDN     the administrating stakeholder; default: the SP of this entity\n"
    "  --kdf usage|2014 keys from Ke by TS-0003 10.3.7 (default) or by 10.3.2 and 10.3.3\n"
    "  --lifetime SECONDS   to ask MAF and MEF for; default 30 days\n"
    "The others\n"
    "  --sni FQDN       name of the CSE's server; default: the host of URL\n"
    "  --target ID      connect: the CSE-ID of the CSE; enrol: for whom the key is\n"
    "  --maf-fqdn, --mef-fqdn FQDN   their names; default: the host of their URL\n"
    "  --priority S     GnuTLS priorities towards the CSE\n"
    "  --timeout SECONDS    of one handshake and of one request; default 15\n"
    "  --from ID        the originator; default: this entity's, and C for an AE that has none\n"
    "Everywhere: --json, --explain (each step, by the names of the oneM2M annex), --quiet, --help, --version\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 usage, 3 network, 4 refused (handshake, or a response status code\n"
    "of 4000 and more), 5 no valid credential: enrol.\n";

int complain(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("m2m: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return code;
}

int code_of(gba_err e)
{
    switch (e) {
    case GBA_OK:
        return M2M_DONE;
    case GBA_E_ARG:
        return M2M_USAGE;
    case GBA_E_IO:
    case GBA_E_BUSY:
        return M2M_NETWORK;
    case GBA_E_AUTH:
    case GBA_E_FORBIDDEN:
    case GBA_E_SYNC:
        return M2M_REFUSED;
    case GBA_E_UNKNOWN:
    case GBA_E_EXPIRED:
        return M2M_NO_CREDENTIAL;
    default:
        return M2M_FAILED;
    }
}

int out_done(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return complain(M2M_FAILED, "standard output: %s", strerror(errno));
    return M2M_DONE;
}

/* ---- options: each a name, what it takes, where it goes ---- */
enum { TEXT, FLAG, NUMBER, SECONDS, COUNT, LIST };
static const struct {
    const char *name;
    int kind;
    size_t at;
} table[] = {
    {"json", FLAG, offsetof(options, json)},             {"explain", FLAG, offsetof(options, explain)},
    {"quiet", FLAG, offsetof(options, quiet)},           {"framework", TEXT, offsetof(options, framework)},
    {"ae-id", TEXT, offsetof(options, ae_id)},           {"cse-id", TEXT, offsetof(options, cse_id)},
    {"state", TEXT, offsetof(options, state)},           {"key-file", TEXT, offsetof(options, key_file)},
    {"admin", TEXT, offsetof(options, admin)},           {"kdf", TEXT, offsetof(options, kdf)},
    {"lifetime", NUMBER, offsetof(options, lifetime)},   {"timeout", SECONDS, offsetof(options, timeout)},
    {"psk-id", TEXT, offsetof(options, psk_id)},         {"psk-file", TEXT, offsetof(options, psk_file)},
    {"cert", TEXT, offsetof(options, cert)},             {"key", TEXT, offsetof(options, key)},
    {"ca", TEXT, offsetof(options, ca)},                 {"crl", TEXT, offsetof(options, crl)},
    {"server-key", TEXT, offsetof(options, server_key)}, {"usim", TEXT, offsetof(options, usim)},
    {"bsf", TEXT, offsetof(options, bsf)},
    {"bsf-domain", TEXT, offsetof(options, bsf_domain)}, {"sni", TEXT, offsetof(options, sni)},
    {"target", TEXT, offsetof(options, target)},         {"maf", TEXT, offsetof(options, maf)},
    {"maf-fqdn", TEXT, offsetof(options, maf_fqdn)},     {"mef", TEXT, offsetof(options, mef)},
    {"mef-fqdn", TEXT, offsetof(options, mef_fqdn)},     {"priority", TEXT, offsetof(options, priority)},
    {"fresh", FLAG, offsetof(options, fresh)},           {"if-needed", FLAG, offsetof(options, if_needed)},
    {"expired", FLAG, offsetof(options, expired)},       {"margin", NUMBER, offsetof(options, margin)},
    {"from", TEXT, offsetof(options, from)},             {"name", TEXT, offsetof(options, name)},
    {"api", TEXT, offsetof(options, api)},               {"content", TEXT, offsetof(options, content)},
    {"data", TEXT, offsetof(options, data)},             {"type", TEXT, offsetof(options, type)},
    {"poa", LIST, offsetof(options, poa)},               {"listen", TEXT, offsetof(options, listen)},
    {"count", COUNT, offsetof(options, count)},
};
#define OPTIONS (sizeof table / sizeof *table)
enum { O_HELP = 1000, O_VERSION };

static int take_number(const char *name, const char *value, int64_t max, const char *unit, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(value, &end, 10);
    if (*end || end == value || errno || v < 1 || v > max)
        return complain(M2M_USAGE, "--%s: %s is not 1 to %lld%s", name, value, (long long)max, unit);
    *out = v;
    return M2M_DONE;
}

static int take_option(options *o, size_t i, const char *value)
{
    void *at = (char *)o + table[i].at;
    int64_t v = 0;
    int code = M2M_DONE;

    switch (table[i].kind) {
    case TEXT:
        *(const char **)at = value;
        break;
    case FLAG:
        *(bool *)at = true;
        break;
    case NUMBER:
        code = take_number(table[i].name, value, 3153600000, " seconds", &v);
        *(int64_t *)at = v;
        break;
    case SECONDS:
        code = take_number(table[i].name, value, 3600, " seconds", &v);
        *(unsigned *)at = (unsigned)v;
        break;
    case COUNT:
        code = take_number(table[i].name, value, 1000000000, "", &v);
        *(int64_t *)at = v;
        break;
    default:
        if (o->n_poa == M2M_POA_MAX)
            return complain(M2M_USAGE, "--%s: at most %d of them", table[i].name, M2M_POA_MAX);
        o->poa[o->n_poa++] = value;
    }
    return code;
}

/* M2M_DONE; -1: all said, end well; else the exit code. */
static int take_options(options *o, int argc, char **argv)
{
    struct option list[OPTIONS + 3] = {{0}};
    int k;

    for (size_t i = 0; i < OPTIONS; i++)
        list[i] =
            (struct option){table[i].name, table[i].kind == FLAG ? no_argument : required_argument, NULL, 256 + (int)i};
    list[OPTIONS] = (struct option){"help", no_argument, NULL, O_HELP};
    list[OPTIONS + 1] = (struct option){"version", no_argument, NULL, O_VERSION};
    while ((k = getopt_long(argc, argv, "hq", list, NULL)) != -1) {
        if (k == 'h' || k == O_HELP)
            return fputs(usage_text, stdout) < 0 || out_done() ? M2M_FAILED : -1;
        if (k == O_VERSION)
            return printf("m2m (OpenGBA) %s\n", PACKAGE_VERSION) < 0 || out_done() ? M2M_FAILED : -1;
        if (k == 'q')
            o->quiet = true;
        int code = k == '?' ? M2M_USAGE : k >= 256 ? take_option(o, (size_t)(k - 256), optarg) : M2M_DONE;
        if (code)
            return code;
    }
    for (; optind < argc; optind++) {
        if (o->n_words == sizeof o->word / sizeof o->word[0])
            return complain(M2M_USAGE, "%s: one word too many (m2m --help)", argv[optind]);
        o->word[o->n_words++] = argv[optind];
    }
    return M2M_DONE;
}

static void take_environment(options *o)
{
    static const struct {
        const char *name;
        size_t at;
    } from[] = {
        {"M2M_STATE", offsetof(options, state)}, {"M2M_KEY_FILE", offsetof(options, key_file)},
        {"M2M_CA", offsetof(options, ca)},       {"GBA_USIM", offsetof(options, usim)},
        {"GBA_BSF", offsetof(options, bsf)},     {"GBA_BSF_DOMAIN", offsetof(options, bsf_domain)},
    };
    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
        const char *value = getenv(from[i].name);
        if (value && *value)
            *(const char **)((char *)o + from[i].at) = value;
    }
}

/* ---- commands ---- */
static const struct {
    const char *word;
    size_t least, most; /* words with it */
    const char *lacks;
    int (*run)(options *o);
} commands[] = {
    {"connect", 2, 4, "the URL of a CSE", m2m_connect},
    {"enrol", 1, 1, "", m2m_enrol},
    {"credentials", 1, 3, "", m2m_credentials},
};

static int run(options *o)
{
    if (o->n_words == 0)
        return complain(M2M_USAGE, "which command? (m2m --help)");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(o->word[0], commands[i].word) != 0)
            continue;
        if (o->n_words < commands[i].least)
            return complain(M2M_USAGE, "%s needs %s (m2m --help)", o->word[0], commands[i].lacks);
        if (o->n_words > commands[i].most)
            return complain(M2M_USAGE, "%s: one word too many (m2m --help)", o->word[commands[i].most]);
        return commands[i].run(o);
    }
    return complain(M2M_USAGE, "%s: no such command (m2m --help)", o->word[0]);
}

int main(int argc, char **argv)
{
    static options o;
    signal(SIGPIPE, SIG_IGN);
    take_environment(&o);
    int code = take_options(&o, argc, argv);
    if (code == M2M_DONE)
        code = run(&o);
    return code < 0 ? M2M_DONE : code;
}
