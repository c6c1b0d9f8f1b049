# Nobody answers for names when the machine boots; later somebody does.
reference_server
install_ours
echo 'server clock.example iburst' >/etc/ntp.conf
systemctl restart ntp
pid=$(systemctl show -P MainPID ntp)
until_it sh -c "journalctl -u ntp --no-pager | grep 'clock.example: cannot be resolved'"
fails_with 4 ntpq verify
ntpq -c why | grep clock.example
# As a DHCP client does it: a new file under the old name.
printf '127.0.0.1 localhost\n10.9.0.1 clock.example\n' >/etc/hosts.new
mv /etc/hosts.new /etc/hosts
until_it sh -c "journalctl -u ntp --no-pager | grep 'clock.example: using 10.9.0.1'"
until_it is_within 20
test "$(systemctl show -P MainPID ntp)" = "$pid"
