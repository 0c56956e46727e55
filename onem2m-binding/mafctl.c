/* SPDX-License-Identifier: Apache-2.0 */
/* mafctl.c - m2m-mafctl. */
#include "onem2m-binding/kms_server.h"

int main(int argc, char **argv)
{
    return kms_ctl_main(&kms_maf, kms_maf_table, "m2m-mafctl", argc, argv);
}
