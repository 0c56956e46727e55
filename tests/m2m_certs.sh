#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# m2m_certs.sh DIR - certificates for the tests of MAF and MEF: two CAs, servers, clients good and bad.
set -eu
. "${0%/*}/cert_kit.sh"
cd "$1"

ca() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" -keyout "$1.key" \
        -out "$1.pem" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}

leaf() { # FILE CA SAN DAYS
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
    { echo "keyUsage=critical,digitalSignature"; [ -z "$3" ] || echo "subjectAltName=$3"; } >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days "$4" -extfile "$1.ext" -out "$1.pem"
}

{
    ca m2m-ca
    ca other-ca
    leaf maf m2m-ca "DNS:maf.example.com" 2
    leaf mef m2m-ca "DNS:mef.example.com" 2
    leaf bsf m2m-ca "DNS:localhost,IP:127.0.0.1" 2
    leaf ae m2m-ca "URI://sp.example.com/in/Cae" 2
    leaf cse m2m-ca "DNS:mn1.sp.example.com" 2
    leaf named m2m-ca "DNS:device-7.example.net" 2
    leaf nameless m2m-ca "" 2
    leaf expired m2m-ca "DNS:mn1.sp.example.com" 2
    cert_between . expired m2m-ca 20200101000000Z 20210101000000Z
    leaf foreign other-ca "DNS:mn1.sp.example.com" 2
    leaf revoked m2m-ca "DNS:mn1.sp.example.com" 2
    leaf unborn m2m-ca "DNS:mn1.sp.example.com" 2
    touch index.txt
    echo 01 >crlnumber
    echo 4000 >serial
    printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\nnew_certs_dir=.\nserial=serial\npolicy=p\n[p]\ncommonName=supplied\n' >ca.cnf
    cert_between . unborn m2m-ca 20400101000000Z 20410101000000Z
    openssl ca -config ca.cnf -cert m2m-ca.pem -keyfile m2m-ca.key -revoke revoked.pem
    openssl ca -config ca.cnf -cert m2m-ca.pem -keyfile m2m-ca.key -gencrl -crldays 2 -out m2m.crl
} >certs.log 2>&1 || { cat certs.log >&2; exit 1; }
