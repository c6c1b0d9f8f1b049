printf 'driftfile /var/lib/ntp/ntp.drift\nsevrer 192.0.2.1\n' >/etc/ntp.conf
without_clock
# The installation ends well; the service does not run, and says which line it is.
install_ours
fails_with 3 systemctl is-active ntp
fails_with 1 systemctl restart ntp
# It is not started again and again for that.
sleep 6
test "$(systemctl show -P ActiveState ntp)" = failed
test "$(systemctl show -P NRestarts ntp)" = 0
journalctl -u ntp --no-pager | grep '/etc/ntp.conf:2'
fails_with 1 ntpctl check
ntpctl check | grep 'sevrer' || ntpctl check 2>&1 | grep 'sevrer'
ntpctl check 2>&1 | grep 'ntpd does not start with it'
sed -i s/sevrer/server/ /etc/ntp.conf
# Where the unit lets it write nothing, it runs without, and says what opens the place.
printf 'logfile /var/log/ntp.log\nstatsdir /srv/\nstatistics sysstats\n' >>/etc/ntp.conf
ntpctl check 2>&1 | grep 'L027'
systemctl restart ntp
systemctl is-active ntp
journalctl -u ntp --no-pager | grep '/var/log/ntp.log: Read-only file system.*ReadWritePaths='
# A reload that is refused fails, and is shown where one looks.
cp /etc/ntp.conf /root/good.conf
echo sevrer >/etc/ntp.conf
fails_with 1 systemctl reload ntp
systemctl is-active ntp
fails_with 2 ntpctl reload
ntpctl reload | grep '/etc/ntp.conf:1:1:.*sevrer'
until_it sh -c 'systemctl show -P StatusText ntp | grep "the one from before is in force"'
cp /root/good.conf /etc/ntp.conf
ntpctl reload | grep 'is in force'
until_it sh -c '! systemctl show -P StatusText ntp | grep "the one from before"'
# Where its socket is elsewhere, or the settings are broken, a signal does.
taken() { journalctl -u ntp --no-pager | grep -c 'is in force' || :; }
for settings in 'control-socket = "/run/ntp/other.sock"' 'nonsense'; do
    echo "$settings" >/etc/ntpctl.toml
    before=$(taken)
    if ntpctl reload; then false; fi
    systemctl reload ntp
    until_it sh -c "test \$(journalctl -u ntp --no-pager | grep -c 'is in force') -gt $before"
done
rm /etc/ntpctl.toml
ntpctl reload --socket /run/ntp/control.sock
