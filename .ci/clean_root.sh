#!/usr/bin/env bash
# Runs a command as an ordinary user on a machine that has Python, venv, git and make, and nothing else of ours.
#
# Usage: .ci/clean_root.sh ROOT 'COMMAND'      e.g. .ci/clean_root.sh /var/tmp/clean 'make demo'
#
# ROOT becomes a fresh Debian tree (debootstrap; kept for the next call). The command runs in a new clone of this
# checkout's HEAD. With KEEP=1 the home of the last call stays and its clone moves to HEAD, so that .venv is not made
# again. Needs root. What this machine knows about package indexes comes along: pip's settings, folders of packages,
# certificates, proxies. A chroot would forbid user namespaces, a mount namespace with a root of its own does not.
set -euo pipefail
[ $# = 2 ] || { sed -n '4p' "$0" >&2; exit 2; }
checkout="$(cd "$(dirname "$0")/.." && pwd)"
mkdir -p "$1"
root="$(cd "$1" && pwd)"
home=/home/stranger
suite=bookworm

if [ ! -e "$root/.complete" ]; then
  [ -z "$(ls -A "$root")" ] || { echo "$root is not empty, and no clean root of ours" >&2; exit 2; }
  mirror="$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' | awk -v s="$suite" '$2 == s { print $1; exit }')"
  debootstrap --variant=minbase --include=ca-certificates,git,make,python3,python3-venv "$suite" "$root" "$mirror" \
    >"$root.log" 2>&1 || { tail -n 20 "$root.log" >&2; exit 3; }
  chmod 755 "$root"
  chroot "$root" useradd --shell /bin/bash stranger
  touch "$root/.complete"
fi

[ "${KEEP:-}" = 1 ] || rm -rf "${root:?}$home"
git -c safe.directory='*' init --quiet "$root$home/egbot"
git -c safe.directory='*' -C "$root$home/egbot" fetch --quiet --update-shallow "$checkout" HEAD
git -c safe.directory='*' -C "$root$home/egbot" checkout --quiet --force --detach FETCH_HEAD
chroot "$root" chown -R stranger: "$home"

# `pip config list` prints ":env:.key='value'" and "global.key='value'", the stronger first; a cap on this machine's
# versions is none of a stranger's
settings="$(env -u PIP_REQUIRE_VIRTUALENV python3 -m pip config list)"
sed -E "s/^[^.]*\.//; s/='(.*)'\$/ = \1/" <<<"$settings" |
  awk 'BEGIN { print "[global]" } !/^(constraint|cache-dir|no-cache-dir) / && !seen[$1]++' >"$root/etc/pip.conf"
folders="$(grep -oE "(file:/)?/[A-Za-z0-9_./+-]+" <<<"$settings" | sed -E 's#^file:/+#/#; s#/simple/?$##' | sort -u)"
surroundings="$(env | grep -iE '^(https?|no)_proxy=' || true)"
cp /etc/resolv.conf /etc/hosts "$root/etc/"

export root folders command="$2" surroundings
exec unshare --mount --propagation private sh -eu -c '
mount --bind "$root" "$root"
mkdir -p "$root/.old"
for folder in /proc /sys /dev; do mount --rbind "$folder" "$root$folder"; done
mount -t tmpfs tmpfs "$root/tmp"
for folder in /etc/ssl/certs $folders; do
  if [ -d "$folder" ]; then mkdir -p "$root$folder"; mount --bind -o ro "$folder" "$root$folder"; fi
done
cd "$root"
pivot_root . .old
cd /
umount --lazy /.old
IFS="
"
exec env --ignore-environment PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOME='$home' USER=stranger $surroundings \
  setpriv --reuid stranger --regid stranger --init-groups bash -c "cd && cd egbot && $command"'
