printf '# mine \r\nserver  mine.example   # do not touch\n\n' >/etc/ntp.conf
chmod 640 /etc/ntp.conf
md5sum /etc/ntp.conf >before
without_clock
install_ours
install_ours
apt-get install -y --reinstall --no-install-recommends /e2e/ntp.deb
systemctl restart ntp
systemctl reload ntp
md5sum -c before
test "$(stat -c %U:%G /etc/ntp.conf)" = root:ntp
test "$(stat -c %a /etc/ntp.conf)" = 640
apt-get remove -y ntp
md5sum -c before
install_ours
md5sum -c before
systemctl is-active ntp
