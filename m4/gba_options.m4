# SPDX-License-Identifier: Apache-2.0
# GBA_OPTIONS: the build's switches and the flags that follow from them.
AC_DEFUN([GBA_OPTIONS], [
AC_ARG_ENABLE([sanitizers], [AS_HELP_STRING([--enable-sanitizers=LIST],
    [build with sanitizers, for instance address,undefined or thread])],
    [gba_sanitizers=$enableval], [gba_sanitizers=no])
AS_CASE([$gba_sanitizers], [yes], [gba_sanitizers=address,undefined])
AC_ARG_ENABLE([fuzzing], [AS_HELP_STRING([--enable-fuzzing],
    [build the fuzz targets with libFuzzer (needs CC=clang)])],
    [gba_fuzzing=$enableval], [gba_fuzzing=no])
AC_ARG_ENABLE([coverage], [AS_HELP_STRING([--enable-coverage], [build for make coverage (gcc and lcov)])],
    [gba_coverage=$enableval], [gba_coverage=no])
AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [warnings are errors])], [], [enable_werror=no])

GBA_CFLAGS="-std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Wformat=2 -Wimplicit-fallthrough -Wno-missing-field-initializers -fvisibility=hidden -fno-common -fstack-protector-strong"
GBA_CPPFLAGS=""
GBA_LDFLAGS="-Wl,-z,relro -Wl,-z,now -Wl,--as-needed"
AS_IF([test "x$gba_sanitizers" != xno], [
    GBA_CFLAGS="$GBA_CFLAGS -fsanitize=$gba_sanitizers -fno-omit-frame-pointer -fno-sanitize-recover=undefined"
    GBA_LDFLAGS="-fsanitize=$gba_sanitizers"
    AC_DEFINE([GBA_SANITIZED], [1], [a sanitizer watches: tests relax time limits])
], [GBA_CPPFLAGS="$GBA_CPPFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"])
AS_IF([test "x$gba_fuzzing" = xyes], [
    GBA_CFLAGS="$GBA_CFLAGS -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined"
    GBA_LDFLAGS="-fsanitize=address,undefined"
    GBA_CPPFLAGS=""
])
AS_IF([test "x$gba_coverage" = xyes], [
    GBA_CFLAGS="$GBA_CFLAGS --coverage -O0"
    GBA_LDFLAGS="$GBA_LDFLAGS --coverage"
    GBA_CPPFLAGS=""
])
AS_IF([test "x$enable_werror" = xyes], [GBA_CFLAGS="$GBA_CFLAGS -Werror"])
AM_CONDITIONAL([FUZZING], [test "x$gba_fuzzing" = xyes])
AM_CONDITIONAL([COVERAGE], [test "x$gba_coverage" = xyes])
AM_CONDITIONAL([SANITIZED], [test "x$gba_sanitizers" != xno])
AC_SUBST([GBA_COVERAGE], [$gba_coverage])
AC_SUBST([GBA_CFLAGS])
AC_SUBST([GBA_CPPFLAGS])
AC_SUBST([GBA_LDFLAGS])
])
