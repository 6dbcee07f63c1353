#!/bin/sh
# Fetches the files of this directory anew at the versions below and writes the table of README.md and the icon sprite.
# For developers only: what is fetched is committed, and a center never runs this.
set -eu

PACKAGES="@tabler/core@1.6.1 htmx.org@2.0.11 wavesurfer.js@7.12.12 jssip@3.13.8 esbuild@0.25 @tabler/icons@3.52.0"
ICONS="activity address-book alert-triangle arrow-back-up arrow-forward-up arrow-left ban bell building
       check chevron-down chevron-up circle-check clock coffee copy device-desktop dialpad door-exit
       download ear edit eye git-merge headphones headset help history home key keyboard language
       layout-dashboard lifebuoy list-details lock login logout maximize message-2 message-plus messages
       microphone microphone-off moon note phone phone-call phone-incoming phone-off phone-outgoing
       phone-plus phone-x photo pin player-pause player-play player-record plug plus repeat route search
       settings star sun tags target transfer-in trash upload user users users-plus volume x"

here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
# shellcheck disable=SC2086  # a list of words
npm install --ignore-scripts --no-audit --no-fund $PACKAGES >/dev/null

take() { # file below node_modules, name here; the link to a source map that is not shipped goes
    sed -e 's|/\*# sourceMappingURL=[^*]*\*/||' -e 's|^//# sourceMappingURL=.*$||' "node_modules/$1" >"$here/$2"
}
take @tabler/core/dist/css/tabler.min.css tabler.min.css
take @tabler/core/dist/js/tabler.min.js tabler.min.js
take htmx.org/dist/htmx.min.js htmx.min.js
take wavesurfer.js/dist/wavesurfer.min.js wavesurfer.min.js

# JsSIP comes as modules: one file of it and its dependencies
echo 'window.JsSIP = require("jssip");' >entry.js
node node_modules/esbuild/bin/esbuild entry.js --bundle --minify --format=iife --legal-comments=none \
    --log-level=warning --outfile="$here/jssip.min.js"

{
    printf '<svg xmlns="http://www.w3.org/2000/svg">'
    for icon in $ICONS; do
        printf '\n<symbol id="%s" viewBox="0 0 24 24">' "$icon"
        sed -e '/<svg/,/>/d' -e '/<\/svg>/d' -e '/stroke="none" d="M0 0h24v24H0z"/d' \
            "node_modules/@tabler/icons/icons/outline/$icon.svg" | tr -d '\n' | sed 's/  */ /g'
        printf '</symbol>'
    done
    printf '\n</svg>\n'
} >"$here/icons.svg"

row() { # file, package, licence
    version=$(node -p "require('./node_modules/$2/package.json').version")
    printf '| %s | %s | %s | %s | `%s` |\n' "$1" "$2" "$version" "$3" "$(sha256sum "$here/$1" | cut -d' ' -f1)"
}
{
    printf '# Files of others, as they are served\n\nWritten by `refresh.sh`; do not edit by hand.\n\n'
    printf '| file | package | version | licence | sha256 |\n|---|---|---|---|---|\n'
    row tabler.min.css @tabler/core MIT
    row tabler.min.js @tabler/core MIT
    row htmx.min.js htmx.org 0BSD
    row wavesurfer.min.js wavesurfer.js BSD-3-Clause
    row jssip.min.js jssip MIT
    row icons.svg @tabler/icons MIT
    for package in @tabler/core htmx.org wavesurfer.js jssip @tabler/icons; do
        licence=$(find "node_modules/$package" -maxdepth 1 -name 'LICENSE*')
        [ -n "$licence" ] || continue
        printf '\n## %s\n\n' "$package"
        sed 's/^/    /; s/ *$//' "$licence"
    done
} >"$here/README.md"
