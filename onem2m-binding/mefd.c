/* SPDX-License-Identifier: Apache-2.0 */
/* mefd.c - m2m-mefd: the M2M Enrolment Function (TS-0003 8.3). */
#include "onem2m-binding/kms_server.h"

int main(int argc, char **argv)
{
    return kms_main(&kms_mef, kms_mef_table, "oneM2M MEF: enrols devices and provisions their keys (TS-0003 8.3)", argc,
                    argv);
}
