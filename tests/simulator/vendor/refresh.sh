#!/bin/sh
# Makes jssip.min.js anew: the package ships no bundle. For developers only; what it makes is committed.
set -eu
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund jssip@3.13.8 esbuild@0.25 >/dev/null
echo 'window.JsSIP = require("jssip");' >entry.js
node node_modules/esbuild/bin/esbuild entry.js --bundle --minify --format=iife --legal-comments=none \
    --outfile="$here/jssip.min.js"
