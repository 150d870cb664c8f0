#!/usr/bin/env bash
# Finds or makes the interpreter that has egbot's dependencies, and names it in the step's outputs.
# egbot itself is never installed: it runs from the action's own commit, so that the two cannot
# differ. The environment is kept in the runner's tool cache under a hash of what is in it.
#
# EGBOT_MODE      the action's mode: it decides which dependencies are needed
# EGBOT_PYTHON    the interpreter that makes the environment (3.11 or newer)
# EGBOT_ENGINE    set in egbot's container image: an interpreter that has everything already
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$here" # never the checked-out repository: its files must not be taken for modules or settings

give() { printf 'python=%s\n' "$1" >>"$GITHUB_OUTPUT"; }

if [ -n "${EGBOT_ENGINE:-}" ]; then
  give "$EGBOT_ENGINE"
  exit 0
fi

python="${EGBOT_PYTHON:-python3}"
"$python" -I -c 'import sys; sys.exit("egbot needs Python 3.11 or newer (the input python)" if sys.version_info < (3, 11) else 0)'
case "${EGBOT_MODE:-synthesize}" in
  publish) extras=github ;;
  stubs) extras="" ;;
  *) extras=engine,github ;;
esac
key="$({ cat pyproject.toml constraints.txt; printf '%s' "$extras"; "$python" -I -VV; } | sha256sum | cut -c1-24)"
home="${RUNNER_TOOL_CACHE:-$HOME/.cache}/egbot"
folder="$home/$key"
mkdir -p "$home"
exec 9>"$home/$key.lock"
flock 9 # two jobs of one runner make it once
if [ ! -e "$folder/.ready" ]; then
  rm -rf "$folder"
  "$python" -I -m venv "$folder"
  pip=("$folder/bin/python" -I -m pip install --quiet --disable-pip-version-check -c constraints.txt)
  case "$extras" in *engine*) "${pip[@]}" torch ;; esac # first and alone, as in the Makefile
  "${pip[@]}" ".${extras:+[$extras]}"
  touch "$folder/.ready"
fi
give "$folder/bin/python"
