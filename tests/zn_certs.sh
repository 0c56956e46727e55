#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# zn_certs.sh DIR - certificates for the tests of Zn: two CAs, a server, and NAFs good and bad.
set -eu
. "${0%/*}/cert_kit.sh"
cd "$1"

ca() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" -keyout "$1.key" \
        -out "$1.pem" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}

leaf() { # FILE CA CN SAN DAYS
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$3" -keyout "$1.key" -out "$1.csr"
    { echo "keyUsage=critical,digitalSignature"; [ -z "$4" ] || echo "subjectAltName=$4"; } >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days "$5" -extfile "$1.ext" -out "$1.pem"
}

{
    ca zn-ca
    ca other-ca
    leaf server zn-ca localhost "DNS:localhost,IP:127.0.0.1" 2
    leaf naf zn-ca "a NAF" "DNS:naf1.home1.net" 2
    leaf powerless zn-ca "another NAF" "DNS:naf2.home1.net" 2
    leaf cn-only zn-ca naf1.home1.net "" 2
    leaf cn-trick zn-ca naf1.home1.net "DNS:naf2.home1.net" 2
    leaf uri-only zn-ca naf1.home1.net "URI:https://naf1.home1.net,email:a@naf1.home1.net" 2
    leaf several zn-ca "a NAF" "DNS:first.home1.net,DNS:naf1.home1.net" 2
    leaf foreign other-ca naf1.home1.net "DNS:naf1.home1.net" 2
    leaf expired zn-ca "a NAF" "DNS:naf1.home1.net" 2
    cert_between . expired zn-ca 20200101000000Z 20210101000000Z
} >certs.log 2>&1 || { cat certs.log >&2; exit 1; }
