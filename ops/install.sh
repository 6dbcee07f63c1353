#!/bin/sh
# What `make` needs on a Debian 12: packages, the virtual environment, the compiled mixer.
#   ops/install.sh run     what a center needs, and the phone of the demonstration call
#   ops/install.sh test    that, and what the tests need
# Starts and enables no service, makes no database cluster. Does and writes nothing when everything is there, so that
# after root's install anybody may run it, in a checkout that he cannot write.
set -eu

# libopus0, libbcg729-0, libspandsp2: the recorder decodes phones' opus, G.729 and G.722 (rtpengine transcodes by the same).
RUN="kamailio kamailio-python3-modules kamailio-sqlite-modules kamailio-tls-modules kamailio-websocket-modules
     rtpengine-daemon redis-server postgresql-15 python3 python3-venv gcc libc6-dev openssl
     libopus0 libbcg729-0 libspandsp2 baresip-core espeak-ng ffmpeg"
TEST="sip-tester libsrtp2-1 sox chromium fonts-wqy-microhei iproute2 pulseaudio pulseaudio-utils"
# Packages whose service Debian would start at the next boot, each with its unit; we run instances of our own.
UNITS="kamailio:kamailio rtpengine-daemon:rtpengine-daemon redis-server:redis-server postgresql-common:postgresql"

here=$(dirname "$(dirname "$(readlink -f "$0")")")
wanted=${1:-run}
case $wanted in
run) packages=$RUN ;;
test) packages="$RUN $TEST" ;;
*) echo "usage: ops/install.sh run|test" >&2; exit 2 ;;
esac

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing_packages() { for package in $packages; do installed "$package" || printf ' %s' "$package"; done; }

# -- packages ---------------------------------------------------------------------------------------------------------

policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.conf
mark="# LCall's, while ops/install.sh installs packages"

ours() { [ -e "$1" ] && grep -qxF "$mark" "$1"; } # an install that was killed has left it

put_back() { # $1: a file that we replaced; what was there, or what the package brought, takes its place again
    rm -f "$1"
    for kept in "$1.before-lcall" "$1.dpkg-dist" "$1.ucf-dist"; do
        [ -e "$kept" ] && [ ! -e "$1" ] && mv "$kept" "$1"
    done
    return 0
}

restore() { put_back "$policy"; put_back "$cluster"; }

restore_ours() { for file in "$policy" "$cluster"; do ! ours "$file" || put_back "$file"; done; }

put_instead() { # $1: a file, $2: its text while packages are installed
    mkdir -p "$(dirname "$1")"
    [ ! -e "$1" ] || [ -e "$1.before-lcall" ] || ours "$1" || mv "$1" "$1.before-lcall"
    printf '%s\n' "$2" >"$1"
}

not_at_boot() { # $1: a package, $2: its unit
    if command -v systemctl >/dev/null; then
        systemctl disable -q "$2"
    else # no systemd here, but the image may be booted with one
        DPKG_MAINTSCRIPT_PACKAGE=$1 deb-systemd-helper disable "$2.service"
        update-rc.d "$2" disable
    fi
}

install_packages() {
    pairs="" # of packages that are not here yet: what is here stays as its owner has it
    for pair in $UNITS; do installed "${pair%:*}" || pairs="$pairs $pair"; done
    trap restore EXIT
    trap 'exit 1' INT TERM HUP
    put_instead "$policy" "#!/bin/sh
$mark
exit 101"
    chmod 755 "$policy"
    put_instead "$cluster" "$mark
create_main_cluster = false"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    # shellcheck disable=SC2086  # a list of words
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold $packages
    restore
    trap - EXIT INT TERM HUP
    for pair in $pairs; do not_at_boot "${pair%:*}" "${pair#*:}"; done
}

# Debian's Python, for Kamailio embeds the same one.
python=$here/.venv/bin/python
stamp=$here/.venv/lcall-$(sha256sum "$here/requirements.lock" | cut -c1-16)
mixer=$here/build/mixer-$(LC_ALL=C; export LC_ALL; cat "$here"/lq/media/mixer/*.[ch] | sha256sum | cut -c1-16).so

locked_out=""
if [ "$(id -u)" = 0 ] && { ours "$policy" || ours "$cluster"; }; then locked_out=yes; fi

missing=$(missing_packages)
if [ -z "$missing$locked_out" ] && [ -e "$stamp" ] && [ -x "$python" ] && [ -e "$mixer" ]; then
    exit 0
fi

if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "These Debian packages are missing:$missing" >&2
        echo "Run once as root:  $here/ops/install.sh $wanted" >&2
        exit 1
    fi
    echo "installing Debian packages:$missing"
fi

# Two makes at a time: the second waits, and finds it done.
lock=$here/build/install.lock
if ! mkdir -p "$here/build" 2>/dev/null || ! : 2>/dev/null >>"$lock"; then
    echo "The installation is not complete, and $here/build cannot be written by $(id -un)." >&2
    echo "Run once as its owner:  $here/ops/install.sh $wanted" >&2
    exit 1
fi
exec 9>>"$lock"
flock 9
[ -z "$locked_out" ] || restore_ours # whoever had put it there is no more: we have the lock
[ -z "$(missing_packages)" ] || install_packages

# -- the virtual environment -------------------------------------------------------------------------------------------

if [ ! -e "$stamp" ] || [ ! -x "$python" ]; then
    echo "making the virtual environment"
    [ -x "$python" ] || /usr/bin/python3 -m venv "$here/.venv"
    "$python" -m pip install -q --disable-pip-version-check --no-input --no-deps -r "$here/requirements.lock"
    rm -f "$here"/.venv/lcall-*
    touch "$stamp"
fi

# -- what is compiled --------------------------------------------------------------------------------------------------

(cd "$here" && "$python" -m lq.media.mixer.build)
