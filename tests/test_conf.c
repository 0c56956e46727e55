/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration: what loads, and the exact words for what does not. */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "service/conf.h"
#include "service/daemon.h"
#include "tests/heap.h"

typedef struct upstream {
    char *url;
    int64_t weight;
} upstream;
typedef struct settings {
    conf_listen listen, other;
    char *cert, *text;
    int64_t n, lifetime, size;
    bool on;
    int mode;
    gba_fqdn name;
    conf_strings ranges;
    conf_items up;
    daemon_conf daemon;
} settings;

static const char *const modes[] = {"nonce", "opaque", NULL};
static const conf_field up_table[] = {
    {.path = "url", .type = CONF_STRING, .offset = offsetof(upstream, url), .required = true, .help = "where to"},
    {.path = "weight", .type = CONF_INT, .offset = offsetof(upstream, weight), .def = "1", .min = 1, .max = 9,
     .help = "share"},
    {.path = NULL},
};
#define AT(m) .offset = offsetof(settings, m)
static const conf_field table[] = {
    {.path = "ub.name", .type = CONF_FQDN, AT(name), .required = true, .help = "its name"},
    {.path = "ub.listen", .type = CONF_LISTEN, AT(listen), .def = "127.0.0.1:8080", .help = "where it listens"},
    {.path = "ub.other", .type = CONF_LISTEN, AT(other), .help = "where else"},
    {.path = "ub.cert", .type = CONF_PATH, AT(cert), .help = "certificate"},
    {.path = "ub.text", .type = CONF_STRING, AT(text), .def = "[x]: y", .help = "text"},
    {.path = "lim.n", .type = CONF_INT, AT(n), .def = "7", .min = 1, .max = 100, .help = "number"},
    {.path = "lim.lifetime", .type = CONF_DURATION, AT(lifetime), .def = "24h", .min = 60, .max = 604800, .help = "life"},
    {.path = "lim.size", .type = CONF_SIZE, AT(size), .def = "64k", .help = "size"},
    {.path = "ub.on", .type = CONF_BOOL, AT(on), .def = "true", .help = "on?"},
    {.path = "ub.mode", .type = CONF_ENUM, AT(mode), .def = "nonce", .names = modes, .help = "mode"},
    {.path = "lim.ranges", .type = CONF_STRINGS, AT(ranges), .help = "ranges"},
    {.path = "naf.upstreams", .type = CONF_ITEMS, AT(up), .item = up_table, .item_size = sizeof(upstream), .help = "ups"},
    {.path = NULL},
};

static char said[65536];
static void note(void *ctx, const char *line)
{
    size_t n = strlen(said);
    (void)ctx;
    snprintf(said + n, sizeof said - n, "%s\n", line);
}

static settings got;
static conf *load(const char *text)
{
    conf *c = NULL;
    said[0] = 0;
    memset(&got, 0, sizeof got);
    gba_err e = conf_load_text("gba-x", "/etc/x/x.yaml", gba_str(text), table, &got, note, NULL, &c);
    CU_ASSERT_EQUAL(e == GBA_OK, c != NULL);
    CU_ASSERT_EQUAL(e == GBA_OK, said[0] == 0);
    return c;
}

static void test_defaults(void)
{
    conf *c = load("ub:\n  name: BSF.Example.org.\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_STRING_EQUAL(got.name.s, "bsf.example.org");
    CU_ASSERT_STRING_EQUAL(got.listen.address, "127.0.0.1");
    CU_ASSERT(got.listen.port == 8080 && got.listen.set && !got.other.set);
    CU_ASSERT_PTR_NULL(got.cert);
    CU_ASSERT_STRING_EQUAL(got.text, "[x]: y");
    CU_ASSERT(got.n == 7 && got.lifetime == 86400 && got.size == 65536 && got.on && got.mode == 0);
    CU_ASSERT(got.ranges.n == 0 && got.up.n == 0);
    conf_free(&c);
}

static void test_values(void)
{
    conf *c = load("# a comment\n"
                   "ub:\n  name: b\n  listen: \"[::1]:0\"\n  other: 0.0.0.0:65535\n  cert: a/b.pem\n  text: 'it''s'\n"
                   "  on: off\n  mode: opaque\n"
                   "lim: {n: 100, lifetime: 2d, size: 3M}\n"
                   "lim.ranges:\n  - 10.0.0.0/8\n  - ::1\n"
                   "naf:\n  upstreams:\n    - url: http://a\n    - {url: http://b, weight: 9}\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT(!strcmp(got.listen.address, "::1") && got.listen.port == 0 && got.listen.set);
    CU_ASSERT_EQUAL(got.other.port, 65535);
    CU_ASSERT_STRING_EQUAL(got.cert, "/etc/x/a/b.pem");
    CU_ASSERT_STRING_EQUAL(got.text, "it's");
    CU_ASSERT(!got.on && got.mode == 1 && got.n == 100 && got.lifetime == 172800 && got.size == 3 * 1048576);
    CU_ASSERT_EQUAL_FATAL(got.ranges.n, 2);
    CU_ASSERT_STRING_EQUAL(got.ranges.v[1], "::1");
    CU_ASSERT_EQUAL(got.ranges.line[1], 13);
    CU_ASSERT_EQUAL_FATAL(got.up.n, 2);
    upstream *u = got.up.v;
    CU_ASSERT(!strcmp(u[0].url, "http://a") && u[0].weight == 1 && !strcmp(u[1].url, "http://b") && u[1].weight == 9);
    conf_fault(c, "naf.upstreams[1].url", "is not reachable");
    conf_fault(c, "lim.ranges[0]", "is odd");
    conf_fault(c, "ub.nothing.here", "x");
    conf_warn(c, "ub.mode", "is old");
    CU_ASSERT_STRING_EQUAL(said, "gba-x: /etc/x/x.yaml:17: naf.upstreams[1].url: is not reachable\n"
                                 "gba-x: /etc/x/x.yaml:12: lim.ranges[0]: is odd\n"
                                 "gba-x: /etc/x/x.yaml:2: ub.nothing.here: x\n"
                                 "gba-x: /etc/x/x.yaml:9: ub.mode: warning: is old\n");
    CU_ASSERT(!conf_ok(c));
    conf_free(&c);
}

static void test_null(void)
{
    conf *c = load("ub: {name: b, listen: null}\nlim:\n");
    CU_ASSERT_PTR_NOT_NULL(c);
    CU_ASSERT(!got.listen.set);
    conf_free(&c);
}

static const struct {
    const char *yaml, *fault;
} bad[] = {
    {"ub:\n  name: b\n  listen: 127.0.0.1:70000\n", "3: ub.listen: port 70000 is out of range (1-65535)"},
    {"ub:\n  name: b\n  listen: localhost:80\n",
     "3: ub.listen: 'localhost:80' is not ADDRESS:PORT, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080"},
    {"ub:\n  name: b\n  listen: '[::1]80'\n",
     "3: ub.listen: '[::1]80' is not ADDRESS:PORT, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080"},
    {"ub:\n  name: b\n  lisen: 1\n", "3: ub.lisen: is not a setting; did you mean ub.listen?"},
    {"ubb:\n  name: b\nub.name: b\n", "1: ubb: is not a setting; did you mean ub?"},
    {"ub.name: b\nlifetime: 3\n", "2: lifetime: is not a setting; did you mean lim.lifetime?"},
    {"ub.name: b\nqwertyuiop: 3\n", "2: qwertyuiop: is not a setting; --print-defaults lists them all"},
    {"ub:\n  name: b\n  name: c\n", "3: ub.name: is given twice; it stands already in line 2"},
    {"ub.name: b\nub:\n  name: c\n", "3: ub.name: is given twice; it stands already in line 1"},
    {"ub: 3\nub.name: b\n", "1: ub: is a section: its settings belong below it, indented"},
    {"ub.name: [a]\n", "1: ub.name: needs a single value, but has a list"},
    {"ub.name: a b\n", "1: ub.name: 'a b' is not a host name such as bsf.example.org"},
    {"ub.name:\n", "1: ub.name: has no value (null turns it off)"},
    {"ub.name: null\n", "1: ub.name: cannot be null"},
    {"ub.name: b\nlim.n: 101\n", "2: lim.n: 101 is out of range (1-100)"},
    {"ub.name: b\nlim.n: 1x\n", "2: lim.n: '1x' is not a number"},
    {"ub.name: b\nlim.n: 99999999999999999999\n", "2: lim.n: '99999999999999999999' is not a number"},
    {"ub.name: b\nlim.lifetime: 8d\n", "2: lim.lifetime: 8d is out of range (60s-604800s)"},
    {"ub.name: b\nlim.lifetime: 8y\n", "2: lim.lifetime: '8y' is not a duration such as 90s, 10m, 24h or 7d"},
    {"ub.name: b\nlim.size: 9223372036854775807G\n",
     "2: lim.size: 9223372036854775807G is out of range (0-9223372036854775807)"},
    {"ub.name: b\nub.on: maybe\n", "2: ub.on: 'maybe' is neither true nor false"},
    {"ub.name: b\nub.mode: x\n", "2: ub.mode: 'x' is not one of: nonce, opaque"},
    {"ub.name: b\nub.cert: ''\n", "2: ub.cert: is empty: name a file, or leave the setting out"},
    {"ub.name: b\nub.text: \"a\\0b\"\n", "2: ub.text: is too long (at most 4096 octets) or holds a NUL"},
    {"ub.name: b\nlim.ranges: {a: b}\n", "2: lim.ranges: needs a list of values, but has a section"},
    {"ub.name: b\nlim.ranges:\n  - [a]\n", "3: lim.ranges[0]: needs a single value, but has a list"},
    {"ub.name: b\nnaf.upstreams: 3\n",
     "2: naf.upstreams: needs a list of sections (lines that begin with '- '), but has a value"},
    {"ub.name: b\nnaf.upstreams:\n- 3\n", "3: naf.upstreams[0]: needs a section, but has a value"},
    {"ub.name: b\nnaf.upstreams:\n- weight: 3\n", "3: naf.upstreams[0].url: is missing: where to"},
    {"ub.name: b\nnaf.upstreams:\n- url: a\n- url: b\n  wieght: 3\n",
     "5: naf.upstreams[1].wieght: is not a setting; did you mean weight?"},
    {"ub.name: &a b\n", "1: anchors (&name) are not offered: write the value where it is needed"},
    {"ub.name: *a\n", "1: aliases (*name) are not offered: write the value again"},
    {"ub.name: !!str b\n", "1: tags (!name) are not offered: leave the tag out"},
    {"ub.name: b\n---\nub.name: c\n", "2: a second document begins (---): one is all that is read"},
    {"[a]\n", "1: needs settings such as 'log.level: info', but has a list"},
    {"[a]: b\n", "1: a key must be a short word followed by a colon"},
    {"ub:\n  name: b\n bad: c\n", "3: not YAML: did not find expected key (column 2)"},
    {"ub.name: \"b\x01\"\n", "1: not YAML: control characters are not allowed (column 1)"},
    {"ub.name: b\n\"x\\ny\\e[2J\": 1\n", "2: x: is not a setting; --print-defaults lists them all"},
    {"ub.name: b\n\"x\\e[2J\": 1\n", "2: x?[2J: is not a setting; --print-defaults lists them all"},
};

static void test_faults(void)
{
    char want[512];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        conf *c = load(bad[i].yaml);
        CU_ASSERT_PTR_NULL(c);
        conf_free(&c);
        snprintf(want, sizeof want, "gba-x: /etc/x/x.yaml:%s\n", bad[i].fault);
        if (strcmp(said, want))
            printf("\n  wanted %s  got    %s", want, said);
        CU_ASSERT_STRING_EQUAL(said, want);
    }
}

static void test_missing_without_line(void)
{
    conf *c = load("");
    CU_ASSERT_PTR_NULL(c);
    CU_ASSERT_STRING_EQUAL(said, "gba-x: /etc/x/x.yaml: ub.name: is missing: its name\n");
}

static void test_all_faults(void)
{
    conf *c = load("lim.n: 0\nub.on: 3\nzzzzzz: 1\n");
    CU_ASSERT_PTR_NULL(c);
    int lines = 0;
    for (const char *p = said; (p = strchr(p, '\n')); p++)
        lines++;
    CU_ASSERT_EQUAL(lines, 4);
}

static void test_bounds(void)
{
    static char deep[400], many[200000];
    for (int i = 0; i < 40; i++)
        strcat(deep, "{a: ");
    CU_ASSERT_PTR_NULL(load(deep));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "nested too deeply"));
    strcpy(many, "ub.name: b\nlim.ranges: [");
    for (int i = 0; i < 60000; i++)
        strcpy(many + 24 + 2 * i, "a,");
    strcat(many, "]\n");
    CU_ASSERT_PTR_NULL(load(many));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "too many values"));
    many[0] = 0;
    for (int i = 0; i < 200; i++)
        sprintf(many + strlen(many), "wrong%d: 1\n", i);
    CU_ASSERT_PTR_NULL(load(many));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "gba-x: /etc/x/x.yaml: 151 more faults are not shown\n"));
}

static void test_file(void)
{
    char dir[] = "/tmp/conf.XXXXXX", file[64], want[256];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/x.yaml", dir);
    conf *c = NULL;
    said[0] = 0;
    CU_ASSERT_EQUAL(conf_load("p", file, table, &got, note, NULL, &c), GBA_E_IO);
    snprintf(want, sizeof want, "p: %s: cannot be read: No such file or directory\n", file);
    CU_ASSERT_STRING_EQUAL(said, want);
    said[0] = 0;
    CU_ASSERT_EQUAL(conf_load("p", dir, table, &got, note, NULL, &c), GBA_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "cannot be read: it is a folder"));

    FILE *f = fopen(file, "w");
    fputs("ub: {name: b, cert: c.pem}\n", f);
    fclose(f);
    memset(&got, 0xff, sizeof got);
    CU_ASSERT_EQUAL(conf_load("p", file, table, &got, note, NULL, &c), GBA_OK);
    snprintf(want, sizeof want, "%s/c.pem", dir);
    CU_ASSERT_STRING_EQUAL(got.cert, want);
    CU_ASSERT(!got.other.set);
    conf_free(&c);

    f = fopen(file, "w");
    for (int i = 0; i < 70000; i++)
        fputs("# sixteen octets\n", f);
    fclose(f);
    said[0] = 0;
    CU_ASSERT_EQUAL(conf_load("p", file, table, &got, note, NULL, &c), GBA_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "larger than 1 MiB"));
    unlink(file);
    rmdir(dir);
}

/* What --print-defaults prints loads again, and is the defaults. */
static void test_print(void)
{
    static char text[65536];
    char file[] = "/tmp/conf.XXXXXX";
    int fd = mkstemp(file), out = dup(1);
    fflush(stdout);
    dup2(fd, 1);
    conf_print_defaults(table);
    fflush(stdout);
    dup2(out, 1);
    close(out);
    ssize_t n = pread(fd, text, sizeof text - 64, 0);
    close(fd);
    unlink(file);
    CU_ASSERT_FATAL(n > 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "ub:\n  # its name (required)\n  #name:\n  # where it listens\n  listen: 127.0.0.1:8080\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "  # life (60s-604800s)\n  lifetime: 24h\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "  #  - url:  # where to (required)\n  #    weight: 1  # share (1-9)\n"));
    CU_ASSERT_PTR_NULL(load(text));
    CU_ASSERT_STRING_EQUAL(said, "gba-x: /etc/x/x.yaml:1: ub.name: is missing: its name\n");
    strcat(text, "ub.name: b\n");
    conf *c = load(text);
    CU_ASSERT_PTR_NOT_NULL(c);
    CU_ASSERT_STRING_EQUAL(got.text, "[x]: y");
    conf_free(&c);
}

/* Whichever allocation fails, at a reload say: the file is not taken, that is told, and nothing is lost. */
static void test_no_memory(void)
{
    static const char text[] = "ub:\n  name: b.example\n  cert: c.pem\n  text: t\nlim.ranges: [a, b, c]\n"
                               "naf:\n  upstreams:\n    - url: u\n    - {url: v, weight: 2}\n";
    int n = 0, refused = 0;
    for (bool failed = true; failed && n < 2000; n++) {
        conf *c = NULL;
        said[0] = 0;
        settings into = {0};
        heap_fail(n, 0, n % 2);
        gba_err e = conf_load_text("gba-x", "/etc/x/x.yaml", gba_str(text), table, &into, note, NULL, &c);
        failed = heap_failed() > 0;
        heap_fail(-1, 0, 0);
        if (!failed) {
            CU_ASSERT(e == GBA_OK && c && into.up.n == 2);
        } else {
            refused++;
            CU_ASSERT(e == GBA_E_NOMEM && !c);
            CU_ASSERT(!*said || !strcmp(said, "gba-x: /etc/x/x.yaml: out of memory while it was read\n"));
            if (*said && strcmp(said, "gba-x: /etc/x/x.yaml: out of memory while it was read\n"))
                printf("\n%d: %s", n, said);
        }
        conf_free(&c);
    }
    CU_ASSERT(refused > 30);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("conf", NULL, NULL);
    CU_add_test(s, "defaults", test_defaults);
    CU_add_test(s, "values", test_values);
    CU_add_test(s, "null", test_null);
    CU_add_test(s, "faults", test_faults);
    CU_add_test(s, "missing", test_missing_without_line);
    CU_add_test(s, "all faults", test_all_faults);
    CU_add_test(s, "bounds", test_bounds);
    CU_add_test(s, "file", test_file);
    CU_add_test(s, "no memory", test_no_memory);
    CU_add_test(s, "print", test_print);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
