/* SPDX-License-Identifier: Apache-2.0 */
/* gba_main.c - the command line of a UE: which command, which options. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ue/gba.h"

static const char usage_text[] =
    "Usage: gba COMMAND [OPTION]...\n"
    "\n"
    "  gba usim create FILE --impi IMPI --k HEX (--opc HEX | --op HEX)   make a software USIM\n"
    "        [--algorithm milenage|tuak] [--exportable] [--force]\n"
    "        TUAK also: [--res-len N] [--ck-len N] [--ik-len N] [--keccak-iterations N]\n"
    "        secrets also: --k-file F|-, --opc-file F|-, --op-file F|-\n"
    "  gba usim show FILE                     what it is, without its secrets\n"
    "  gba bootstrap [--if-needed] [--export-ks]   run Ub against the BSF\n"
    "  gba key NAF --ua HEX                   the key for a NAF (FQDN) and Ua identifier\n"
    "  gba get URL | gba post URL --data D    a NAF's resource, Ub and Ua done on the way\n"
    "        [--data TEXT|@FILE|-] [--header 'NAME: VALUE']... [--output FILE]\n"
    "        [--psk [--tls 1.2|1.3]]   over TLS-PSK instead of Digest\n"
    "  gba connect HOST:PORT --psk [--tls 1.2|1.3] [--priority STRING]\n"
    "        standard input and output over a connection secured by the GBA key\n"
    "  gba session show | gba session forget [--impi IMPI]\n"
    "\n"
    "The device:\n"
    "  --usim FILE          software USIM                        (GBA_USIM)\n"
    "  --bsf URL            the BSF's Ub; default from the IMPI  (GBA_BSF)\n"
    "  --bsf-domain FQDN    the realm to expect                  (GBA_BSF_DOMAIN)\n"
    "  --state DIR          sessions; default ~/.local/state/gba (GBA_STATE)\n"
    "  --key-file FILE      64 hex digits that seal USIM and sessions;\n"
    "                       default: a file beside each          (GBA_KEY_FILE)\n"
    "  --ca FILE            CA certificates in PEM               (GBA_CA)\n"
    "  --bsf-ca FILE        the same, for Ub alone               (GBA_BSF_CA)\n"
    "  --resolve HOST:PORT:ADDR   as if DNS said so; repeatable\n"
    "  --connect ADDR[:PORT]      every connection goes there\n"
    "  --timeout SECONDS    of one exchange; default 30\n"
    "  --call-timeout SECONDS     of all exchanges together; default: none\n"
    "  --no-tmpi            always bootstrap under the IMPI\n"
    "  --carrier curl|gnutls      what carries HTTP; --psk and a build without curl: gnutls\n"
    "Everywhere: --json, --verbose (the exchange, secrets left out), --quiet, --help, --version\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 usage, 3 network, 4 refused or not authentic.\n";

int complain(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("gba: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return code;
}

int code_of(gba_err e)
{
    switch (e) {
    case GBA_OK:
        return EXIT_DONE;
    case GBA_E_IO:
    case GBA_E_BUSY:
        return EXIT_NETWORK;
    case GBA_E_AUTH:
    case GBA_E_FORBIDDEN:
    case GBA_E_SYNC:
    case GBA_E_UNKNOWN:
        return EXIT_REFUSED;
    default:
        return EXIT_FAILED;
    }
}

/* ---- options ---- */

enum {
    O_JSON = 256, O_VERBOSE, O_QUIET, O_HELP, O_VERSION, O_BSF, O_BSF_DOMAIN, O_USIM, O_STATE, O_KEY_FILE, O_CA,
    O_BSF_CA, O_RESOLVE, O_CONNECT, O_TIMEOUT, O_CALL_TIMEOUT, O_NO_TMPI, O_IMPI, O_K, O_K_FILE, O_OPC, O_OPC_FILE, O_OP, O_OP_FILE,
    O_ALGORITHM, O_RES_LEN, O_CK_LEN, O_IK_LEN, O_ITERATIONS, O_EXPORTABLE, O_FORCE, O_EXPORT_KS, O_IF_NEEDED, O_UA, O_DATA, O_OUTPUT, O_HEADER,
    O_PSK, O_TLS, O_PRIORITY, O_CARRIER,
};
static const struct option option_list[] = {
    {"json", no_argument, NULL, O_JSON},
    {"verbose", no_argument, NULL, O_VERBOSE},
    {"quiet", no_argument, NULL, O_QUIET},
    {"help", no_argument, NULL, O_HELP},
    {"version", no_argument, NULL, O_VERSION},
    {"bsf", required_argument, NULL, O_BSF},
    {"bsf-domain", required_argument, NULL, O_BSF_DOMAIN},
    {"usim", required_argument, NULL, O_USIM},
    {"state", required_argument, NULL, O_STATE},
    {"key-file", required_argument, NULL, O_KEY_FILE},
    {"ca", required_argument, NULL, O_CA},
    {"bsf-ca", required_argument, NULL, O_BSF_CA},
    {"resolve", required_argument, NULL, O_RESOLVE},
    {"connect", required_argument, NULL, O_CONNECT},
    {"timeout", required_argument, NULL, O_TIMEOUT},
    {"call-timeout", required_argument, NULL, O_CALL_TIMEOUT},
    {"no-tmpi", no_argument, NULL, O_NO_TMPI},
    {"impi", required_argument, NULL, O_IMPI},
    {"k", required_argument, NULL, O_K},
    {"k-file", required_argument, NULL, O_K_FILE},
    {"opc", required_argument, NULL, O_OPC},
    {"opc-file", required_argument, NULL, O_OPC_FILE},
    {"op", required_argument, NULL, O_OP},
    {"op-file", required_argument, NULL, O_OP_FILE},
    {"algorithm", required_argument, NULL, O_ALGORITHM},
    {"res-len", required_argument, NULL, O_RES_LEN},
    {"ck-len", required_argument, NULL, O_CK_LEN},
    {"ik-len", required_argument, NULL, O_IK_LEN},
    {"keccak-iterations", required_argument, NULL, O_ITERATIONS},
    {"exportable", no_argument, NULL, O_EXPORTABLE},
    {"force", no_argument, NULL, O_FORCE},
    {"export-ks", no_argument, NULL, O_EXPORT_KS},
    {"if-needed", no_argument, NULL, O_IF_NEEDED},
    {"ua", required_argument, NULL, O_UA},
    {"data", required_argument, NULL, O_DATA},
    {"output", required_argument, NULL, O_OUTPUT},
    {"header", required_argument, NULL, O_HEADER},
    {"psk", no_argument, NULL, O_PSK},
    {"tls", required_argument, NULL, O_TLS},
    {"priority", required_argument, NULL, O_PRIORITY},
    {"carrier", required_argument, NULL, O_CARRIER},
    {NULL, 0, NULL, 0},
};

static int take_secret(const char *name, char *hex, gba_secret *out)
{
    out->n = sizeof out->o;
    size_t digits = strcspn(hex, "\r\n");
    gba_err e = gba_hex_decode(gba_mem(hex, digits), out->o, &out->n);
    gba_wipe(hex, strlen(hex)); /* off the process list, too */
    if (e || out->n == 0) {
        gba_secret_wipe(out);
        return complain(EXIT_USAGE, "--%s: not hexadecimal digits of at most %d octets", name, GBA_SECRET_MAX);
    }
    return EXIT_DONE;
}

/* One line of the file; of standard input, the next one for each secret asked for. */
static int take_secret_file(const char *name, const char *path, gba_secret *out)
{
    char line[2 * GBA_SECRET_MAX + 4];
    bool standard = strcmp(path, "-") == 0;
    FILE *f = standard ? stdin : fopen(path, "re");
    if (!f)
        return complain(EXIT_USAGE, "--%s: %s: %s", name, path, strerror(errno));
    bool got = fgets(line, sizeof line, f) != NULL;
    if (!standard)
        fclose(f);
    int code = got ? take_secret(name, line, out) : complain(EXIT_USAGE, "--%s: %s is empty", name, path);
    gba_wipe(line, sizeof line);
    return code;
}

static int take_list(const char *name, const char **list, size_t *n, const char *value)
{
    if (*n == LIST_MAX)
        return complain(EXIT_USAGE, "--%s: at most %d of them", name, LIST_MAX);
    list[(*n)++] = value;
    return EXIT_DONE;
}

static int take_number(const char *name, const char *value, unsigned long most, const char *unit, unsigned *out)
{
    char *end;
    unsigned long v = strtoul(value, &end, 10);
    if (*end || end == value || v < 1 || v > most)
        return complain(EXIT_USAGE, "--%s: %s is not 1 to %lu%s", name, value, most, unit);
    *out = (unsigned)v;
    return EXIT_DONE;
}

static int take_length(const char *name, const char *value, uint8_t *out)
{
    unsigned v = 0;
    int code = take_number(name, value, 32, "", &v);
    *out = (uint8_t)v;
    return code;
}

/* Where a plain option's value goes; NULL: not a plain one. */
static const char **text_of(options *o, int k)
{
    switch (k) {
    case O_BSF: return &o->bsf;
    case O_BSF_DOMAIN: return &o->bsf_domain;
    case O_USIM: return &o->usim;
    case O_STATE: return &o->state;
    case O_KEY_FILE: return &o->key_file;
    case O_CA: return &o->ca;
    case O_BSF_CA: return &o->bsf_ca;
    case O_CONNECT: return &o->connect;
    case O_IMPI: return &o->impi;
    case O_ALGORITHM: return &o->algorithm;
    case O_UA: return &o->ua;
    case O_DATA: return &o->data;
    case O_OUTPUT: return &o->output;
    case O_TLS: return &o->tls;
    case O_PRIORITY: return &o->priority;
    case O_CARRIER: return &o->carrier;
    default: return NULL;
    }
}
static bool *flag_of(options *o, int k)
{
    switch (k) {
    case O_JSON: return &o->json;
    case O_VERBOSE: return &o->verbose;
    case O_QUIET: return &o->quiet;
    case O_NO_TMPI: return &o->no_tmpi;
    case O_EXPORTABLE: return &o->exportable;
    case O_FORCE: return &o->force;
    case O_EXPORT_KS: return &o->export_ks;
    case O_IF_NEEDED: return &o->if_needed;
    case O_PSK: return &o->psk;
    default: return NULL;
    }
}

static int take_option(options *o, int k, char *value)
{
    const char **text = text_of(o, k);
    bool *flag = flag_of(o, k);
    if (text)
        *text = value;
    if (flag)
        *flag = true;
    switch (k) {
    case O_RESOLVE: return take_list("resolve", o->resolve, &o->n_resolve, value);
    case O_HEADER: return take_list("header", o->header, &o->n_header, value);
    case O_TIMEOUT: return take_number("timeout", value, 3600, " seconds", &o->timeout);
    case O_CALL_TIMEOUT: return take_number("call-timeout", value, 3600, " seconds", &o->call_timeout);
    case O_RES_LEN: return take_length("res-len", value, &o->res_len);
    case O_CK_LEN: return take_length("ck-len", value, &o->ck_len);
    case O_IK_LEN: return take_length("ik-len", value, &o->ik_len);
    case O_ITERATIONS: return take_length("keccak-iterations", value, &o->iterations);
    case O_K: return take_secret("k", value, &o->k);
    case O_OPC: return take_secret("opc", value, &o->opc);
    case O_OP: return take_secret("op", value, &o->op);
    case O_K_FILE: return take_secret_file("k-file", value, &o->k);
    case O_OPC_FILE: return take_secret_file("opc-file", value, &o->opc);
    case O_OP_FILE: return take_secret_file("op-file", value, &o->op);
    default: return text || flag ? EXIT_DONE : EXIT_USAGE;
    }
}

/* EXIT_DONE; -1: all said, end well; else the exit code. */
static int take_options(options *o, int argc, char **argv)
{
    int k;
    while ((k = getopt_long(argc, argv, "hvq", option_list, NULL)) != -1) {
        if (k == 'h' || k == O_HELP)
            return fputs(usage_text, stdout) < 0 || out_done() ? EXIT_FAILED : -1;
        if (k == O_VERSION)
            return printf("gba (OpenGBA) %s\n", PACKAGE_VERSION) < 0 || out_done() ? EXIT_FAILED : -1;
        if (k == 'v' || k == 'q')
            k = k == 'v' ? O_VERBOSE : O_QUIET;
        int code = k == '?' ? EXIT_USAGE : take_option(o, k, optarg);
        if (code)
            return code;
    }
    for (; optind < argc; optind++) {
        if (o->n_words == sizeof o->word / sizeof o->word[0])
            return complain(EXIT_USAGE, "%s: one word too many (gba --help)", argv[optind]);
        o->word[o->n_words++] = argv[optind];
    }
    return EXIT_DONE;
}

static void take_environment(options *o)
{
    static const struct {
        const char *name;
        size_t at;
    } from[] = {
        {"GBA_BSF", offsetof(options, bsf)},           {"GBA_BSF_DOMAIN", offsetof(options, bsf_domain)},
        {"GBA_USIM", offsetof(options, usim)},         {"GBA_STATE", offsetof(options, state)},
        {"GBA_KEY_FILE", offsetof(options, key_file)}, {"GBA_CA", offsetof(options, ca)},
        {"GBA_BSF_CA", offsetof(options, bsf_ca)},
    };
    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
        const char *value = getenv(from[i].name);
        if (value && *value)
            *(const char **)((char *)o + from[i].at) = value;
    }
}

/* ---- commands ---- */

typedef struct command {
    const char *first, *second; /* second NULL: none */
    const char *argument;       /* its name; NULL: none */
    int (*run)(options *o);
} command;
static const command commands[] = {
    {"usim", "create", "FILE", gba_usim_create},
    {"usim", "show", "FILE", gba_usim_show},
    {"bootstrap", NULL, NULL, gba_bootstrap},
    {"key", NULL, "NAF", gba_key},
    {"get", NULL, "URL", gba_get},
    {"post", NULL, "URL", gba_post},
    {"connect", NULL, "HOST:PORT", gba_connect},
    {"session", "show", NULL, gba_session_show},
    {"session", "forget", NULL, gba_session_forget},
};

static int run(options *o)
{
    if (o->n_words == 0)
        return complain(EXIT_USAGE, "which command? (gba --help)");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const command *c = &commands[i];
        size_t words = c->second ? 2 : 1;
        if (strcmp(o->word[0], c->first) != 0 ||
            (c->second && (o->n_words < 2 || strcmp(o->word[1], c->second) != 0)))
            continue;
        if (c->argument && o->n_words == words)
            return complain(EXIT_USAGE, "%s%s%s needs %s (gba --help)", c->first, c->second ? " " : "",
                            c->second ? c->second : "", c->argument);
        if (o->n_words > words + (c->argument ? 1 : 0))
            return complain(EXIT_USAGE, "%s: one word too many (gba --help)", o->word[o->n_words - 1]);
        if (c->argument)
            o->word[0] = o->word[words];
        return c->run(o);
    }
    return complain(EXIT_USAGE, "%s%s%s: no such command (gba --help)", o->word[0], o->n_words > 1 ? " " : "",
                    o->n_words > 1 ? o->word[1] : "");
}

int main(int argc, char **argv)
{
    static options o;
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error of ours to report */
    take_environment(&o);
    int code = take_options(&o, argc, argv);
    if (code == EXIT_DONE)
        code = run(&o);
    gba_wipe(&o, sizeof o);
    return code < 0 ? EXIT_DONE : code;
}
