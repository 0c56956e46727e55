/* SPDX-License-Identifier: Apache-2.0 */
/* mafd.c - m2m-mafd: the M2M Authentication Function (TS-0003 8.8). */
#include "onem2m-binding/kms_server.h"

int main(int argc, char **argv)
{
    return kms_main(&kms_maf, kms_maf_table,
                    "oneM2M MAF: registers clients and distributes connection keys (TS-0003 8.8)", argc, argv);
}
