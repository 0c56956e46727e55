/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.h - every short name and type number of the MAF's and MEF's resources, in one place. They are
 * a profile of ours: the body of TS-0032 gives others, and a look at it costs an edit here alone.
 * Names without a note are those of TS-0004 8.2.
 */
#ifndef ONEM2M_NAMES_H
#define ONEM2M_NAMES_H

/* resource types (profile) */
#define M2M_TY_MAF_BASE 60001
#define M2M_TY_MEF_BASE 60002
#define M2M_TY_MAF_CLIENT_REG 60003
#define M2M_TY_MEF_CLIENT_REG 60004
#define M2M_TY_SYMM_KEY_REG 60005
#define M2M_TY_MEF_CLIENT_CMD 60006

/* JSON roots (profile) */
#define M2M_ROOT_MAF_BASE "sec:mafb"
#define M2M_ROOT_MEF_BASE "sec:mefb"
#define M2M_ROOT_MAF_CLIENT_REG "sec:macr"
#define M2M_ROOT_MEF_CLIENT_REG "sec:mecr"
#define M2M_ROOT_SYMM_KEY_REG "sec:skr"
#define M2M_ROOT_MEF_CLIENT_CMD "sec:mecc"
#define M2M_ROOT_CLIENT_CFG "sec:cfg"

/* attributes */
#define M2M_TY "ty"
#define M2M_RI "ri"
#define M2M_RN "rn"
#define M2M_PI "pi"
#define M2M_CT "ct"
#define M2M_LT "lt"
#define M2M_ET "et"
#define M2M_LBL "lbl"
#define M2M_CH "ch"
#define M2M_CR "cr"
#define M2M_ADFQ "adfq" /* adminFQDN (profile, as all below) */
#define M2M_ASKI "aski" /* assignedSymmKeyID */
#define M2M_SUID "suid"
#define M2M_TGIS "tgis" /* targetIDs */
#define M2M_KV "kv"     /* keyValue, base64 */
#define M2M_DCU "dcu"   /* deviceConfigURI */
#define M2M_CMID "cmid" /* cmdID */
#define M2M_CMDE "cmde" /* cmdDescription */
#define M2M_CMST "cmst" /* cmdStatusCode */

/* paths (profile; /fetchCredentials is TS-0003 8.3.2.1's) */
#define M2M_PATH_MAF_BASE "MAFBase"
#define M2M_PATH_MEF_BASE "MEFBase"
#define M2M_PATH_CFG "cfg"
#define M2M_PATH_CMD "cmd"
#define M2M_PATH_FETCH "fetchCredentials"

/* members of the old-style answer (profile) */
#define M2M_FETCH_STATUS "Status"
#define M2M_FETCH_CREDENTIAL "Credential"
#define M2M_FETCH_ENROLEE "EnroleeID"
#define M2M_FETCH_LIFETIME "Lifetime"
#define M2M_FETCH_ERROR "ErrorString"

/* cmdDescription (TS-0003 12.4.4) */
#define M2M_CMD_CLASS "cmdClassID"
#define M2M_CMD_ARGS "cmdArgs"
#define M2M_CMD_TARGET "targetID"

/* HTTP header fields (TS-0009 6.4) */
#define M2M_H_ORIGIN "X-M2M-Origin"
#define M2M_H_RI "X-M2M-RI"
#define M2M_H_RVI "X-M2M-RVI"
#define M2M_H_RET "X-M2M-RET"
#define M2M_H_RQET "X-M2M-RQET"
#define M2M_H_RSC "X-M2M-RSC"
#define M2M_H_LOCATION "Content-Location"
#define M2M_RVI "3"
#endif
