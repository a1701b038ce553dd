#!/bin/sh
# Recreates the test certificates: an authority, two certificates that it signs for 127.0.0.1, and a self-signed one.
set -e
cd "$(dirname "$0")"
days=36500
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $days -subj '/CN=mesh-chat tests' -keyout ca-key.pem -out ca.pem
for name in one two; do
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" -keyout $name-key.pem -out $name.csr
  printf 'subjectAltName=IP:127.0.0.1' > $name.ext
  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days $days -extfile $name.ext -out $name.pem
done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $days -subj '/CN=stranger' -addext 'subjectAltName=IP:127.0.0.1' -keyout stranger-key.pem -out stranger.pem
rm -f *.csr *.ext *.srl ca-key.pem
