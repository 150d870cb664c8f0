#!/bin/sh
# Makes the base image that the Docker tests use, without pulling anything from a registry.
#
# Usage: tests/make_base_image.sh [IMAGE]        (default: egbot-base:bookworm)
# Needs root, debootstrap and a running Docker engine. The packages come from the mirror that the
# machine's own apt sources name. Does nothing when the image is there already.
set -eu

image="${1:-egbot-base:bookworm}"
suite=bookworm

if docker image inspect "$image" >/dev/null 2>&1; then
    echo "$image is there already"
    exit 0
fi
command -v debootstrap >/dev/null || { echo "debootstrap is missing: apt-get install debootstrap" >&2; exit 3; }

mirror="$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' | awk -v s="$suite" '$2 == s { print $1; exit }')"
[ -n "$mirror" ] || { echo "the apt sources name no mirror for $suite" >&2; exit 3; }

root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=python3,python3-pip-whl "$suite" "$root/tree" "$mirror"
rm -rf "$root/tree/var/cache/apt" "$root/tree/var/lib/apt/lists" "$root/tree/usr/share/doc" \
    "$root/tree/usr/share/man" "$root/tree/usr/share/locale"
tar --numeric-owner -C "$root/tree" -c . | docker import --change 'CMD ["python3"]' - "$image"
