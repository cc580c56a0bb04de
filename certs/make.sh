#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Makes what development needs for TLS: a certificate authority of one's own (ca.pem) and a
# certificate for localhost that it signed (localhost.pem, localhost.key). For tests and demos
# only. Quiet, and does nothing while the certificate is good for another week.
# usage: certs/make.sh [DIRECTORY]   (default build/certs)

set -euo pipefail
directory="${1:-build/certs}"
week_secs=604800

if [ -s "$directory/localhost.key" ] &&
	openssl x509 -in "$directory/localhost.pem" -checkend "$week_secs" -noout >/dev/null 2>&1 &&
	openssl verify -CAfile "$directory/ca.pem" "$directory/localhost.pem" >/dev/null 2>&1; then
	exit 0
fi

umask 077
mkdir -p "$(dirname "$directory")"
fresh="$(mktemp -d "$directory.XXXXXX")"
trap 'rm -rf "$fresh"' EXIT

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

new_key "$fresh/ca.key"
openssl req -x509 -new -key "$fresh/ca.key" -sha256 -days 3650 -out "$fresh/ca.pem" \
	-subj "/CN=baton development CA" -addext "keyUsage=critical,keyCertSign,cRLSign"

new_key "$fresh/localhost.key"
openssl req -new -key "$fresh/localhost.key" -subj "/CN=localhost" -out "$fresh/localhost.csr"
openssl x509 -req -in "$fresh/localhost.csr" -CA "$fresh/ca.pem" -CAkey "$fresh/ca.key" \
	-CAcreateserial -sha256 -days 800 -out "$fresh/localhost.pem" -extfile /dev/stdin 2>/dev/null <<EXT
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost,IP:127.0.0.1,IP:::1
EXT

# The directory appears whole or not at all; a half-made one from before is replaced.
rm -f "$fresh/localhost.csr" "$fresh/ca.srl"
rm -rf "$directory"
mv "$fresh" "$directory"
