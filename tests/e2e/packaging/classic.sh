# What a machine has that came from classic ntp: a package of that name in state rc, files that somebody changed, and a
# user's number that nobody has any more.
mkdir -p old/DEBIAN old/etc/default
printf 'Package: ntp\nVersion: 1:4.2.8p15+dfsg-1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n' >old/DEBIAN/control
printf '/etc/ntp.conf\n/etc/default/ntp\n' >old/DEBIAN/conffiles
echo 'pool 0.debian.pool.ntp.org iburst' >old/etc/ntp.conf
echo "NTPD_OPTS='-g'" >old/etc/default/ntp
dpkg-deb --build old old.deb
dpkg -i old.deb
printf 'driftfile /var/lib/ntp/ntp.drift\nserver 192.0.2.8\n' >/etc/ntp.conf
echo "NTPD_OPTS='-g -4'" >/etc/default/ntp
mkdir -p /var/lib/ntp /var/log/ntpstats
echo 3.25 >/var/lib/ntp/ntp.drift
echo old >/var/log/ntpstats/loopstats.20260101
chown -R 4711:4711 /var/lib/ntp /var/log/ntpstats
(umask 077 && echo '1 SHA1 0123456789012345678901234567890123456789' >/etc/ntp.keys)
md5sum /etc/ntp.conf /etc/default/ntp >before
without_clock
install_ours
md5sum -c before
systemctl is-active ntp
test "$(stat -c %U /var/lib/ntp /var/lib/ntp/ntp.drift /var/log/ntpstats /var/log/ntpstats/loopstats.20260101 | sort -u)" = ntp
ntpctl list | grep 192.0.2.8
test "$(stat -c '%U %G %a' /etc/ntp.keys)" = 'root ntp 640'
# And from there to a machine on which it is removed only.
dpkg --remove ntp
md5sum -c before
install_ours
md5sum -c before
systemctl is-active ntp
