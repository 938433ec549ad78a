#!/bin/sh
# Made the certificates and keys of this folder, for tests only: an authority and its server, two
# clients that it vouches for (one by DNS name, one by common name), and one that vouches for itself.
# With all that RFC 5280 wants: Python 3.13 looks for it (VERIFY_X509_STRICT).
set -eu
cd "$(dirname "$0")"

request() { # NAME, then what openssl-req takes
    key=$1.key
    shift
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$key" "$@"
}
signed() {
    request "$@" -out request.csr
    printf '%s\n' basicConstraints=CA:FALSE keyUsage=digitalSignature \
        subjectKeyIdentifier=hash authorityKeyIdentifier=keyid >extensions
    openssl x509 -req -in request.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 36500 \
        -copy_extensions copy -extfile extensions -out "$1.pem"
    rm request.csr ca.srl extensions
}

request ca -x509 -days 36500 -out ca.pem -subj /CN=testca -addext keyUsage=critical,keyCertSign,cRLSign
request stranger -x509 -days 36500 -out stranger.pem -subj /CN=mx.example.org \
    -addext subjectAltName=DNS:mx.example.org
signed server -subj /CN=poplock -addext subjectAltName=DNS:localhost,IP:127.0.0.1
signed client -subj /CN=nobody -addext subjectAltName=DNS:mx.example.org
signed common -subj /CN=mx.example.org
rm ca.key
