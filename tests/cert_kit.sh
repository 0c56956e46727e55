# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# cert_kit.sh - sourced by the makers of test certificates.

# cert_between DIR NAME CA FROM UNTIL: signs DIR/NAME.csr with DIR/NAME.ext; times as 20400101000000Z.
# (openssl x509 takes no times before its version 3.4, and no negative days from 3.5 on)
cert_between() {
    mkdir "$1/$2.db" && : >"$1/$2.db/index" && openssl rand -hex 8 >"$1/$2.db/serial" &&
        printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nnew_certs_dir=%s\nserial=%s/serial\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' \
            "$1/$2.db" "$1/$2.db" "$1/$2.db" >"$1/$2.db/conf" &&
        openssl ca -batch -notext -config "$1/$2.db/conf" -cert "$1/$3.pem" -keyfile "$1/$3.key" -extfile "$1/$2.ext" \
            -startdate "$4" -enddate "$5" -in "$1/$2.csr" -out "$1/$2.pem"
}
