#!/usr/bin/env bash
# Makes deploy/compose/secrets once: passwords, the salt, the secret of tokens, and two tokens signed with it (HS256, a year): one for
# Prometheus that opens /metrics alone, one for the administrator. Files that are there stay.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
folder=${1:-secrets}
# The folder keeps others out; the files in it have to be readable for the accounts in the containers.
mkdir -p "$folder"
chmod 700 "$folder"

keep() { # keep NAME TEXT
    [ -e "$folder/$1" ] && return
    printf '%s' "$2" >"$folder/$1"
    chmod 444 "$folder/$1"
}
random_hex() { openssl rand -hex "$1"; }
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# token SUBJECT SCOPE
token() {
    local now head body
    now=$(date +%s)
    head=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)
    body=$(printf '{"sub":"%s","scope":"%s","iat":%d,"exp":%d}' "$1" "$2" "$now" $((now + 31536000)) | base64url)
    printf '%s.%s.%s' "$head" "$body" \
        "$(printf '%s.%s' "$head" "$body" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(od -An -v -tx1 <"$folder/jwt_secret" | tr -d ' \n')" -binary | base64url)"
}

keep postgres_password "$(random_hex 24)"
keep database_url "postgresql://tidegate:$(cat "$folder/postgres_password")@postgres/tidegate"
keep jwt_secret "$(random_hex 32)"
keep address_salt "$(random_hex 32)"
keep grafana_password "$(random_hex 12)"
keep metrics_token "$(token prometheus metrics)"
keep admin_token "$(token operator 'admin *')"
echo "secrets are in $(readlink -f "$folder")"
