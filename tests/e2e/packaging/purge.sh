without_clock
install_ours
until_it systemctl is-active ntp
ntpctl set tinker panic 0 --no-restart
ntpctl keygen /etc/ntp.keys
test -d /var/backups/ntp
apt-get purge -y ntp
for path in /etc/ntp.conf /etc/ntp.keys /etc/ntp /var/backups/ntp /etc/default/ntp /var/lib/ntp /etc/apparmor.d/usr.sbin.ntpd /usr/sbin/ntpd /usr/share/doc/ntp \
    /etc/systemd/system/multi-user.target.wants/ntp.service; do
    test ! -e $path
    test ! -L $path
done
fails_with 3 systemctl is-active ntp
test -z "$(find / -xdev -newer /e2e/start.sh \( -name '*ntpd*' -o -name '*ntpctl*' \) -not -path '/proc/*' -not -path '/e2e/*')"
getent passwd ntp
# From nothing, once more.
install_ours
systemctl is-active ntp
systemctl is-enabled ntp
