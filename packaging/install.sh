#!/bin/sh
# Installs a built checkout below PREFIX (default /usr/local); DESTDIR goes before it, for packages. Units go where systemd
# looks; nothing is enabled or started. Run as: npm run setup && packaging/install.sh /usr
set -eu

prefix=${1:-/usr/local}
case $prefix in /*) ;; *) echo "install.sh: PREFIX must be an absolute path" >&2; exit 2 ;; esac
root=${DESTDIR:-}
source=$(cd "$(dirname "$0")/.." && pwd)
package=$root$prefix/lib/domctl
units=$root$prefix/lib/systemd/system
sysusers=$root$prefix/lib/sysusers.d/domctl.conf

for built in dist/domctl.cjs dist/domctld.cjs dist/cli.cjs.cache dist/daemon.cjs.cache dist/man/domctl.1 \
    native/build/Release/domctl_native.node native/build/Release/libasyncteardown.so native/build/Release/domctl-brake; do
    [ -e "$source/$built" ] || { echo "install.sh: $built is missing: npm run setup" >&2; exit 8; }
done

put() { install -D -m "$1" "$source/$2" "$3"; }

for bundle in domctl cli doctor policy convert simulation domctld daemon; do
    put 755 "dist/$bundle.cjs" "$package/dist/$bundle.cjs"
done
for bundle in cli daemon; do
    put 644 "dist/$bundle.cjs.cache" "$package/dist/$bundle.cjs.cache"
done
put 644 native/build/Release/domctl_native.node "$package/native/build/Release/domctl_native.node"
put 755 native/build/Release/libasyncteardown.so "$package/native/build/Release/libasyncteardown.so"
put 755 native/build/Release/domctl-brake "$package/native/build/Release/domctl-brake"
put 644 docs/openapi.json "$package/docs/openapi.json"
for policy in "$source"/policies/*.* "$source"/policies/scenarios/*; do
  put 644 "policies/${policy#"$source"/policies/}" "$package/policies/${policy#"$source"/policies/}"
done
put 644 LICENSE "$package/LICENSE"

mkdir -p "$root$prefix/bin"
ln -sf ../lib/domctl/dist/domctl.cjs "$root$prefix/bin/domctl"
ln -sf ../lib/domctl/dist/domctld.cjs "$root$prefix/bin/domctld"

# The library serves any program: found by its name alone where PREFIX/lib is searched.
ln -sf domctl/native/build/Release/libasyncteardown.so "$root$prefix/lib/libasyncteardown.so"

put 644 dist/man/domctl.1 "$root$prefix/share/man/man1/domctl.1"
put 644 native/teardown/libasyncteardown.7 "$root$prefix/share/man/man7/libasyncteardown.7"
for unit in domctld.socket domctld.service domctl-guests.service; do
    mkdir -p "$units"
    sed "s|@bindir@|$prefix/bin|" "$source/packaging/systemd/$unit" > "$units/$unit"
    chmod 644 "$units/$unit"
done

# The hypervisors' user, and the group of those who may change domains. Of a package they are made where it is installed
# (systemd-sysusers reads the file); here at once, if they are not there.
put 644 packaging/sysusers.d/domctl.conf "$sysusers"
if [ -z "$root" ] && [ "$(id -u)" = 0 ]; then
    getent group domctl > /dev/null || groupadd --system domctl
    getent passwd domctl-qemu > /dev/null ||
        useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin domctl-qemu
fi

completions=$root$prefix/share
mkdir -p "$completions/bash-completion/completions" "$completions/zsh/site-functions"
node "$source/dist/domctl.cjs" completion bash > "$completions/bash-completion/completions/domctl"
node "$source/dist/domctl.cjs" completion zsh > "$completions/zsh/site-functions/_domctl"
