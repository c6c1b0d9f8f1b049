#with ntpsec apparmor
echo 'server 192.0.2.7 iburst # ours' >>/etc/ntpsec/ntp.conf
echo 'keys /etc/ntpsec/ntp.keys' >>/etc/ntpsec/ntp.conf
echo '1 AES 0123456789abcdef0123456789abcdef' >/etc/ntpsec/ntp.keys
echo '-12.345' >/var/lib/ntpsec/ntp.drift
printf 'NTPD_OPTS="-g -4"\nIGNORE_DHCP="yes"\n' >/etc/default/ntpsec
mkdir -p /etc/ntpsec/ntp.d
echo 'server 192.0.2.77' >/etc/ntpsec/ntp.d/third.conf
chmod 640 /etc/ntpsec/ntp.conf
systemctl enable ntpsec
# As `apt install ntp` does it on Debian 12: an empty package of our name that needs ntpsec.
mkdir -p old/DEBIAN
printf 'Package: ntp\nVersion: 1:4.2.8p15+dfsg-2~1.2.2+dfsg1-1\nArchitecture: all\nDepends: ntpsec\nMaintainer: x <x@example.org>\nDescription: x\n' >old/DEBIAN/control
dpkg-deb --build old old.deb
dpkg -i old.deb
ls -l /etc/systemd/system/ntp.service /etc/systemd/system/ntpd.service
without_clock
install_ours
dpkg-query -W -f '${Status}\n' ntp | grep -x 'install ok installed'
grep -x 'server 192.0.2.7 iburst # ours' /etc/ntp.conf
test "$(stat -c '%U %G %a' /etc/ntp.conf)" = 'root ntp 640'
grep -x 'NTPD_OPTS="-g -4"' /etc/default/ntp
ntpctl list | grep 192.0.2.77
grep -x 'driftfile /var/lib/ntp/ntp.drift' /etc/ntp.conf
grep -x 'keys /etc/ntp.keys' /etc/ntp.conf
test "$(stat -c '%U %G %a' /etc/ntp.keys)" = 'root ntp 640'
test "$(cat /var/lib/ntp/ntp.drift)" = -12.345
test "$(stat -c %U /var/lib/ntp/ntp.drift)" = ntp
for name in ntp ntpd ntpsec; do systemctl is-active $name; done
test "$(systemctl show -P FragmentPath ntpsec)" = /lib/systemd/system/ntp.service
test "$(systemctl show -P FragmentPath ntpd)" = /lib/systemd/system/ntp.service
systemctl is-enabled ntp
# Its profile for /usr/sbin/ntpd is replaced by ours, and stays when the rest goes.
profiles=/sys/kernel/security/apparmor/profiles
if [ -e $profiles ]; then
    grep ntpd $profiles
    test "$(grep -c /ntpd $profiles)" = 1
    grep -x '/usr/sbin/ntpd (complain)' $profiles
fi
grep -q 'the unit.s sandbox confines' /etc/apparmor.d/usr.sbin.ntpd
dpkg --purge ntpsec
systemctl is-active ntp
systemctl is-enabled ntp
test -f /etc/apparmor.d/usr.sbin.ntpd
ntpq -c 'rv 0 version' | grep 'ntpd 5'
