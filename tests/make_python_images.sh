#!/bin/sh
# Makes a Docker image with newer CPython interpreters for the tracer's goldens.
#
# Usage: tests/make_python_images.sh [SUITE VERSION...]     (default: forky 3.13 3.14)
# Needs root, debootstrap and a running Docker engine. The packages come from the Debian mirror that
# the machine's own apt sources name. Does nothing when the image is there already.
set -eu

[ "$#" -gt 0 ] || set -- forky 3.13 3.14
suite="$1"
shift
image="egbot-python:$suite"

if docker image inspect "$image" >/dev/null 2>&1; then
    echo "$image is there already"
    exit 0
fi
command -v debootstrap >/dev/null || { echo "debootstrap is missing: apt-get install debootstrap" >&2; exit 3; }

mirror="$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' | awk '$1 ~ /\/debian\/?$/ { print $1; exit }')"
[ -n "$mirror" ] || { echo "the apt sources name no Debian mirror" >&2; exit 3; }

root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT
packages="$(printf 'python%s,' "$@")"
# debootstrap's script for sid serves every newer suite; an old one has none under the suite's name
debootstrap --variant=minbase --include="${packages%,}" "$suite" "$root/tree" "$mirror" sid
rm -rf "$root/tree/var/cache/apt" "$root/tree/var/lib/apt/lists" "$root/tree/usr/share/doc" \
    "$root/tree/usr/share/man" "$root/tree/usr/share/locale"
label="LABEL egbot.pythons=$(echo "$*" | tr ' ' ',')"
tar --numeric-owner -C "$root/tree" -c . | docker import --change "$label" - "$image"
