/* SPDX-License-Identifier: Apache-2.0 */
/* mefctl.c - m2m-mefctl. */
#include "onem2m-binding/kms_server.h"

int main(int argc, char **argv)
{
    return kms_ctl_main(&kms_mef, kms_mef_table, "m2m-mefctl", argc, argv);
}
