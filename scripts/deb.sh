#!/usr/bin/env bash
# Makes the Debian package out/modelfs_VERSION_ARCHITECTURE.deb from the programs in .build/release.
#
# The Swift runtime is linked in, so the package needs nothing but Debian's own libraries. What it
# depends on is read off the programs. Needs dpkg-dev, and groff only to look at the pages.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=$(swift build -c release --static-swift-stdlib --show-bin-path)
version=$(sed -nE 's/.*programVersion = "(.*)"/\1/p' Sources/Settings/Version.swift)-1
architecture=$(dpkg --print-architecture)
tree=out/deb
rm -rf "$tree"
umask 022
mkdir -p "$tree/DEBIAN"

programs=(modelfs modelfs-hub modelfs-keeper modelfs-predictor)
make --no-print-directory install-files PREFIX=/usr DESTDIR="$PWD/$tree"
# Debian 12 keeps units there.
mkdir -p "$tree/lib"
mv "$tree/usr/lib/systemd" "$tree/lib/systemd"
for program in "${programs[@]}"; do
    strip --strip-unneeded "$tree/usr/bin/$program"
done
install -d "$tree/usr/sbin"
ln -s ../bin/modelfs "$tree/usr/sbin/mount.modelfs"

# Man pages, made by the programs themselves.
man=$tree/usr/share/man/man1
install -d "$man"
for program in modelfs modelfs-hub modelfs-predictor; do
    while read -ra path; do
        name=$(IFS=-; echo "${path[*]}")
        "$bin/$program" __man "${path[@]}" | gzip -9n >"$man/$name.1.gz"
    done < <("$bin/$program" __pages)
done
{
    printf '.TH MODELFS-KEEPER 1 "" "modelfs %s" ModelFS\n.SH NAME\n' "$version"
    printf 'modelfs\\-keeper \\- holds mounts while one daemon follows another\n'
    printf '.SH DESCRIPTION\nStarted by\n.BR modelfs (1)\nand by the unit\n.IR modelfs.service ;\n'
    printf 'nobody calls it by hand.\n.SH SEE ALSO\n.BR modelfs (1)\n'
} | gzip -9n >"$man/modelfs-keeper.1.gz"
install -d "$tree/usr/share/man/man8"
{
    printf '.TH MOUNT.MODELFS 8 "" "modelfs %s" ModelFS\n.SH NAME\n' "$version"
    printf 'mount.modelfs \\- what mount(8) calls for the type modelfs\n.SH SYNOPSIS\n'
    printf '.B mount \\-t modelfs\n.I SOURCE MOUNTPOINT\n.RB [ \\-o\n.IR OPTIONS ]\n'
    printf '.SH DESCRIPTION\nOptions are those of\n.BR modelfs\\-mount (1)\n'
    printf 'with _ for \\-, and\n.BR hf_endpoint= ,\n.BR token_path= ,\n.B hf_home=\n'
    printf 'for the variables of these names.\n.SH EXAMPLES\nA line of\n.BR fstab (5):\n.PP\n.nf\n'
    printf 'hf://models /models modelfs cache=/var/cache/modelfs,allow_other,_netdev,nofail 0 0\n'
    printf '.fi\n.SH SEE ALSO\n.BR modelfs\\-mount (1),\n.BR mount (8),\n.BR fstab (5)\n'
} | gzip -9n >"$tree/usr/share/man/man8/mount.modelfs.8.gz"

# Completions.
install -D -m 644 packaging/completions/modelfs.bash \
    "$tree/usr/share/bash-completion/completions/modelfs"
for program in modelfs-hub modelfs-predictor; do
    ln -s modelfs "$tree/usr/share/bash-completion/completions/$program"
done
install -D -m 644 packaging/completions/_modelfs "$tree/usr/share/zsh/vendor-completions/_modelfs"
install -D -m 644 packaging/completions/modelfs.fish \
    "$tree/usr/share/fish/vendor_completions.d/modelfs.fish"

# What Debian asks of every package.
doc=$tree/usr/share/doc/modelfs
install -d "$doc"
install -m 644 packaging/debian/copyright README.md docs/SEMANTICS.md "$doc/"
{
    printf 'modelfs (%s) stable; urgency=medium\n\n' "$version"
    printf '  * Version %s; what it can do stands in README.md.\n\n' "${version%-1}"
    printf ' -- The ModelFS authors <modelfs@localhost>  %s\n' "$(date -uR)"
} | gzip -9n >"$doc/changelog.Debian.gz"
install -D -m 644 packaging/debian/lintian-overrides \
    "$tree/usr/share/lintian/overrides/modelfs"
for script in postinst prerm postrm; do
    install -m 755 "packaging/debian/$script" "$tree/DEBIAN/$script"
done
(cd "$tree" && find etc -type f -printf '/%p\n') >"$tree/DEBIAN/conffiles"

# What the programs are linked with.
mkdir -p out/shlibs/debian
printf 'Source: modelfs\n\nPackage: modelfs\nArchitecture: any\n' >out/shlibs/debian/control
depends=$(cd out/shlibs && dpkg-shlibdeps -O "${programs[@]/#/../deb/usr/bin/}" 2>/dev/null |
    sed -n 's/^shlibs:Depends=//p')
rm -rf out/shlibs
size=$(du -sk --exclude=DEBIAN "$tree" | cut -f1)
sed -e "s|@VERSION@|$version|" -e "s|@ARCHITECTURE@|$architecture|" -e "s|@SIZE@|$size|" \
    -e "s|@DEPENDS@|$depends|" packaging/debian/control.in >"$tree/DEBIAN/control"
(cd "$tree" && find . -type f ! -path './DEBIAN/*' ! -path './etc/*' -printf '%P\n' |
    LC_ALL=C sort | xargs md5sum) >"$tree/DEBIAN/md5sums"
package=out/modelfs_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$tree" "$package" >/dev/null
rm -rf "$tree"
echo "$package"
